import { dirname, extname } from "node:path";
import cliProgress from "cli-progress";
import { Command, InvalidArgumentError, Option } from "commander";
import {
  type ConvertOptions,
  type ConvertProgress,
  type ConvertReport,
  type Counts,
  convert,
  formatPlace,
  type ItemKind,
  parseNameMap,
} from "../../data/formats/index.js";
import { resolveSplit, type SplitName } from "../../data/index.js";
import { EchoDuetError } from "../../errors.js";
import { drawChecks, pickFrames } from "../check-pictures.js";
import { jsonOption, parseCount } from "../options.js";

interface ConvertCliOptions {
  readonly out: string;
  readonly train?: string;
  readonly val?: string;
  readonly test?: string;
  readonly images: readonly string[];
  readonly views: readonly string[];
  readonly classMap?: string;
  readonly viewMap?: string;
  readonly allowDrops?: boolean;
  readonly check: number;
  readonly json?: boolean;
}

/** Changes are listed in full in convert.json; on a terminal the first ones show what kind they are. */
const mostChanges = 20;

/** `echoduet convert`: a data set of another format, or with other numbers, in the canonical layout. */
export function convertCommand(): Command {
  return new Command("convert")
    .description(
      "write joint text, YOLO or COCO data in the canonical layout; nothing is lost without being listed",
    )
    .argument("[data.yaml]", "joint text or YOLO data; for COCO give --train, --val and --test instead")
    .requiredOption("--out <dir>", "folder to create")
    .option("--train <file>", "COCO instances file of the training split")
    .option("--val <file>", "COCO instances file of the validation split")
    .option("--test <file>", "COCO instances file of the test split")
    .option(
      "--images <[split=]dir>",
      "folder of the COCO images, of all splits or of one; repeatable (by default that of the file)",
      (text, before: readonly string[]) => [...before, text],
      [],
    )
    .addOption(
      new Option("--views <names>", "views in the order of their numbers, such as A4C,PSAX,PLAX")
        .argParser(parseNames)
        .default([], "those that data.yaml or supercategories declare"),
    )
    .option("--class-map <pairs>", "what the class numbers or names mean, such as 0=AR,1=MR,4=view:A4C")
    .option("--view-map <pairs>", "what the view numbers or names mean, such as 0=PSAX,1=A4C")
    .option("--allow-drops", "write the output though parts of the source are dropped")
    .option(
      "--check <n>",
      "pictures of before and after to draw into OUT/check",
      (text) => parseCount(text, 0),
      8,
    )
    .addOption(jsonOption())
    .action(run);
}

async function run(dataYaml: string | undefined, options: ConvertCliOptions): Promise<void> {
  const source = sourceOf(dataYaml, options);
  const controller = new AbortController();
  const interrupt = () => controller.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupt);
  const progress = new StepProgress();
  let report: ConvertReport;
  try {
    report = await convert({
      source,
      out: options.out,
      allowDrops: options.allowDrops,
      onProgress: progress.show,
      signal: controller.signal,
      finish: async (folder, frames) => {
        progress.stop();
        if (options.check > 0) await drawChecks(folder, pickFrames(frames, options.check), source);
      },
    });
  } finally {
    progress.stop();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, interrupt);
  }
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : `${formatReport(report)}\n`);
  if (report.out !== null) return;
  throw new EchoDuetError(
    "data",
    `${options.out}: not written, since ${report.drops.length} ${report.drops.length === 1 ? "part" : "parts"} of the source would be dropped; ` +
      "correct them, or repeat with --allow-drops",
  );
}

/**
 * The source that the command line names: a data.yaml, or COCO files.
 * @throws EchoDuetError `config` for both, neither, or options of the other
 */
export function sourceOf(dataYaml: string | undefined, options: ConvertCliOptions): ConvertOptions["source"] {
  const { views, classMap, viewMap, images } = options;
  const maps = {
    views,
    classMap: classMap === undefined ? new Map() : parseNameMap(classMap, "--class-map"),
    viewMap: viewMap === undefined ? new Map() : parseNameMap(viewMap, "--view-map"),
  };
  const files = (["train", "val", "test"] as const).filter((split) => options[split] !== undefined);
  if (dataYaml === undefined && files.length === 0) {
    throw new EchoDuetError(
      "config",
      "convert: expected a data.yaml, or COCO files by --train, --val, --test; got neither",
    );
  }
  if (dataYaml !== undefined) {
    const stray = [...files, ...(images.length > 0 ? ["images"] : [])];
    if (stray.length > 0) {
      const message = `convert: expected a data.yaml or COCO files, got ${dataYaml} and --${stray[0]}; leave one out`;
      throw new EchoDuetError("config", message);
    }
    if (extname(dataYaml).toLowerCase() === ".json") {
      throw new EchoDuetError(
        "config",
        `convert: expected a data.yaml, got ${dataYaml}; give COCO files by --train, --val, --test`,
      );
    }
    return { kind: "text", dataYaml, ...maps };
  }
  const folders = imageFolders(images);
  const splits = files.map((split) => {
    const file = options[split]!;
    return [split, { file, images: folders.get(split) ?? folders.get("all") ?? dirname(file) }];
  });
  return { kind: "coco", splits: Object.fromEntries(splits), ...maps };
}

function imageFolders(given: readonly string[]): Map<SplitName | "all", string> {
  const folders = new Map<SplitName | "all", string>();
  for (const text of given) {
    const [, word, folder] = /^(train|val|valid|test)=(.+)$/.exec(text) ?? [null, null, text];
    const key = word === null ? "all" : resolveSplit(word);
    if (folders.has(key)) {
      throw new EchoDuetError(
        "config",
        `--images: expected one folder for ${key}, got ${folders.get(key)} and ${folder}`,
      );
    }
    folders.set(key, folder);
  }
  return folders;
}

function parseNames(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (!names.includes("") && new Set(names).size === names.length) return names;
  throw new InvalidArgumentError(`expected distinct names separated by commas, got ${JSON.stringify(text)}`);
}

/** One line a tenth of each step, or a bar on a terminal; on standard error. */
class StepProgress {
  #bar: cliProgress.SingleBar | undefined;
  #step = "";
  #tenth = 0;

  readonly show: ConvertProgress = (step, done, total) => {
    if (step !== this.#step) {
      this.stop();
      this.#step = step;
      this.#tenth = 0;
    }
    if (process.stderr.isTTY) {
      if (!this.#bar) {
        const format = "{step} [{bar}] {value}/{total} | ETA {eta_formatted}";
        this.#bar = new cliProgress.SingleBar({
          stream: process.stderr,
          format,
          barsize: 24,
          gracefulExit: false,
        });
        this.#bar.start(total, 0, { step });
      }
      this.#bar.update(done);
      return;
    }
    const tenth = Math.floor((10 * done) / total);
    // Small data is done before anyone could read of it.
    if (tenth === this.#tenth || (total < 1000 && done < total)) return;
    this.#tenth = tenth;
    process.stderr.write(`${step}: ${done}/${total}\n`);
  };

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

/** The report as text: a table of counts, every drop, the first changes. */
export function formatReport({ out, names, views, before, after, drops, changes }: ConvertReport): string {
  const dropped = (kind: ItemKind) => drops.filter((drop) => drop.kind === kind).length;
  const kinds: readonly ItemKind[] = ["image", "box", "polygon", "view", "other"];
  const titles = { image: "images", box: "boxes", polygon: "polygons", view: "views", other: "other" };
  const row = (title: string, cell: (kind: ItemKind) => string | number) =>
    title.padEnd(10) + kinds.map((kind) => String(cell(kind)).padStart(10)).join("");
  const counts = (title: string, of: Counts) => row(title, (kind) => of[kind]);
  return [
    `classes: ${names.join(", ") || "none"}`,
    `views: ${views.join(", ") || "none"}`,
    row("", (kind) => titles[kind]),
    counts("before", before),
    row("dropped", dropped),
    ...(after ? [counts("after", after)] : []),
    ...drops.map((drop) => `dropped ${drop.kind}: ${formatPlace(drop)}: ${drop.reason}`),
    ...changes.slice(0, mostChanges).map((change) => `changed: ${formatPlace(change)}: ${change.what}`),
    ...(changes.length > mostChanges
      ? [`changed: ${changes.length - mostChanges} more, listed in convert.json`]
      : []),
    ...(out === null ? [] : [`written: ${out}`]),
  ].join("\n");
}
