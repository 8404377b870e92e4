import { dirname, extname } from "node:path";
import { type ConvertOptions, parseNameMap } from "../data/formats/index.js";
import { resolveSplit, type SplitName } from "../data/index.js";
import { EchoDuetError } from "../errors.js";

/** What `convert` is given. */
export interface ConvertCliOptions {
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
