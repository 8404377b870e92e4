import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { EchoDuetError } from "../../errors.js";
import { loadDataDescription } from "../description.js";
import { listImages } from "../frames.js";
import { labelPathOf } from "../image-paths.js";
import { scanLabel } from "../labels.js";
import { planFrames, refuseOccupied, type WrittenFrame, writeCanonical } from "./canonical.js";
import { type CocoSource, readCocoSource } from "./coco.js";
import {
  type Change,
  type ConvertProgress,
  type Counts,
  type Drop,
  type SourceData,
  splitNames,
} from "./dataset.js";
import { readTextSource, type TextSource } from "./joint-text.js";

export interface ConvertOptions {
  readonly source: ({ readonly kind: "text" } & TextSource) | ({ readonly kind: "coco" } & CocoSource);
  readonly out: string;
  /** Write the output even though parts of the source are dropped. Default false. */
  readonly allowDrops?: boolean;
  readonly onProgress?: ConvertProgress;
  readonly signal?: AbortSignal;
  /** Adds to the output's folder before it gets its name; `frames` lie in it by their `image` and `label`. */
  readonly finish?: (folder: string, frames: readonly WrittenFrame[], data: SourceData) => Promise<void>;
}

/** What a conversion found, kept and wrote; also in the output as convert.json. */
export interface ConvertReport {
  /** The output's folder; null where nothing was written, since parts would have been dropped. */
  readonly out: string | null;
  readonly names: readonly string[];
  readonly views: readonly string[];
  /** Images, and lines or annotations of each kind, in the source and, counted from its files, in the output. */
  readonly before: Counts;
  readonly after: Counts | null;
  /** Everything of the source that the output lacks. */
  readonly drops: readonly Drop[];
  /** What is kept in another form or under another name. */
  readonly changes: readonly Change[];
}

/**
 * Writes a data set in the canonical layout: data.yaml, {train,valid,test}/{images,labels}. Every image and
 * every statement of the source is in the output or among the drops of the report; with drops, nothing is
 * written unless `allowDrops` is set. The output is read back and counted before it gets its name.
 * @throws EchoDuetError for a source that cannot be read (joint-text.ts, coco.ts), and `io` for an output that
 *   cannot be written
 */
export async function convert(options: ConvertOptions): Promise<ConvertReport> {
  const { source, onProgress = () => {} } = options;
  await refuseOccupied(resolve(options.out));
  const data =
    source.kind === "text" ? readTextSource(source, onProgress) : await readCocoSource(source, onProgress);
  const { frames, renamed } = planFrames(data);
  const { names, views, before, drops } = data;
  const changes = [...data.changes, ...renamed];
  const found = { names, views, before, drops, changes };
  if (drops.length > 0 && !options.allowDrops) return { out: null, ...found, after: null };
  if (frames.length === 0) {
    throw new EchoDuetError(
      "data",
      `${options.out}: expected at least one image to write, got none that is kept`,
    );
  }
  if (names.length + views.length === 0) {
    throw new EchoDuetError(
      "data",
      `${options.out}: expected the source to have a class or a view, got none`,
    );
  }
  let after: Counts | undefined;
  await writeCanonical(data, frames, {
    ...options,
    onProgress,
    finish: async (folder) => {
      after = countFolder(folder, onProgress);
      checkCounts(before, drops, after);
      const record = { names, views, before, after, drops, changes };
      await writeFile(join(folder, "convert.json"), `${JSON.stringify(record, null, 2)}\n`);
      await options.finish?.(folder, frames, data);
    },
  });
  return { out: resolve(options.out), ...found, after: after! };
}

/** Reads a written data set back and counts it. */
function countFolder(folder: string, onProgress: ConvertProgress): Counts {
  const description = loadDataDescription(join(folder, "data.yaml"));
  const counts = { image: 0, box: 0, polygon: 0, view: 0, other: 0 };
  const context = { classes: description.names.length, views: description.views.length };
  for (const split of splitNames) {
    if (!description.splits[split]) continue;
    const images = listImages(description, split);
    images.forEach((image, index) => {
      onProgress(`counting ${split}`, index + 1, images.length);
      counts.image++;
      const file = labelPathOf(image);
      const { boxes, views, faults } = scanLabel(readIfThere(file), { ...context, file });
      for (const { vertices } of boxes) counts[vertices > 0 ? "polygon" : "box"]++;
      counts.view += views.length;
      if (faults.length > 0)
        throw new Error(`${relative(folder, file).split(sep).join("/")}: ${faults[0].message}`);
    });
  }
  return counts;
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

const statements = (counts: Counts): number => counts.box + counts.polygon + counts.view + counts.other;

/** Counts in = counts out + drops; anything else is a fault of this program, and nothing is written. */
function checkCounts(before: Counts, drops: readonly Drop[], after: Counts): void {
  const images = drops.filter(({ kind }) => kind === "image").length;
  const kept = { images: before.image - images, statements: statements(before) - (drops.length - images) };
  if (after.image === kept.images && statements(after) === kept.statements) return;
  throw new Error(
    `convert: expected ${kept.images} images with ${kept.statements} boxes, polygons and views in the output, ` +
      `counted ${after.image} with ${statements(after)}`,
  );
}
