import { Command, InvalidArgumentError, Option } from "commander";
import type { ConvertReport } from "../../data/formats/index.js";
import { EchoDuetError } from "../../errors.js";
import type { ConvertCliOptions } from "../convert-source.js";
import { jsonOption, parseCount } from "../options.js";

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
  const { convert } = await import("../../data/formats/index.js");
  const { sourceOf } = await import("../convert-source.js");
  const { formatConversion, StepProgress } = await import("../convert-text.js");
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
        if (options.check === 0) return;
        const { drawChecks, pickFrames } = await import("../check-pictures.js");
        await drawChecks(folder, pickFrames(frames, options.check), source);
      },
    });
  } finally {
    progress.stop();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, interrupt);
  }
  process.stdout.write(
    options.json ? `${JSON.stringify(report, null, 2)}\n` : `${formatConversion(report)}\n`,
  );
  if (report.out !== null) return;
  throw new EchoDuetError(
    "data",
    `${options.out}: not written, since ${report.drops.length} ${report.drops.length === 1 ? "part" : "parts"} of the source would be dropped; ` +
      "correct them, or repeat with --allow-drops",
  );
}

function parseNames(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (!names.includes("") && new Set(names).size === names.length) return names;
  throw new InvalidArgumentError(`expected distinct names separated by commas, got ${JSON.stringify(text)}`);
}
