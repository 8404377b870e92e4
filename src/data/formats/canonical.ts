import { constants } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { stringify } from "yaml";
import { EchoDuetError } from "../../errors.js";
import { errnoOf, ioError } from "../../io/index.js";
import type { SplitName } from "../description.js";
import { formatLabel } from "../labels.js";
import {
  type Change,
  type ConvertProgress,
  type Shape,
  type SourceData,
  type SourceFrame,
  splitNames,
} from "./dataset.js";
import { forEachOf } from "./for-each-of.js";
import { distinctNames, labelNameOf } from "./output-names.js";

/** The folder of each split in the canonical layout. */
export const splitFolders: Readonly<Record<SplitName, string>> = {
  train: "train",
  val: "valid",
  test: "test",
};

/** A frame of the source, and where it lies in the output's folder (forward slashes). */
export interface WrittenFrame {
  readonly split: SplitName;
  readonly source: SourceFrame;
  readonly image: string;
  readonly label: string;
}

/** The text of a canonical label file: its shapes in their order, a blank line, the one-hot view. */
export function canonicalLabel(shapes: readonly Shape[], view: number, views: number): string {
  const lines = shapes.map(({ class: label, values }) => {
    if (values.length > 4) return `${label} ${values.join(" ")}\n`;
    const [cx, cy, w, h] = values;
    return formatLabel([{ class: label, cx, cy, w, h }], -1, views);
  });
  return lines.join("") + formatLabel([], view, views);
}

/** Where each frame goes, and which names had to change for it. */
export function planFrames(data: SourceData): { frames: WrittenFrame[]; renamed: Change[] } {
  const renamed: Change[] = [];
  const frames = splitNames.flatMap((split) => {
    const sources = data.splits[split] ?? [];
    const names = distinctNames(sources.map(({ name }) => name));
    return sources.map((source, index): WrittenFrame => {
      const name = names[index];
      if (name !== source.name) {
        const what = `renamed to ${splitFolders[split]}/images/${name}: another image has its name`;
        renamed.push({ file: source.imagePath, line: null, path: null, id: null, what });
      }
      const folder = splitFolders[split];
      return {
        split,
        source,
        image: `${folder}/images/${name}`,
        label: `${folder}/labels/${labelNameOf(name)}`,
      };
    });
  });
  return { frames, renamed };
}

export interface WriteOptions {
  readonly out: string;
  readonly onProgress: ConvertProgress;
  readonly signal?: AbortSignal;
  /** Called with the folder once images, labels and data.yaml are in it, before it gets its name. */
  readonly finish: (folder: string) => Promise<void>;
}

/**
 * Writes images (byte for byte), labels and data.yaml into a temporary folder beside `out` and renames it, so
 * that `out` is there whole or not at all. A process that is killed leaves the temporary folder,
 * `.NAME.partial-...`, alone.
 * @throws EchoDuetError `io` where `out` holds anything or cannot be written, and what `finish` throws; an
 *   AbortError once `signal` asks to stop
 */
export async function writeCanonical(
  data: SourceData,
  frames: readonly WrittenFrame[],
  options: WriteOptions,
): Promise<void> {
  const out = resolve(options.out);
  await refuseOccupied(out);
  let folder: string | undefined;
  try {
    await mkdir(dirname(out), { recursive: true });
    folder = await mkdtemp(join(dirname(out), `.${basename(out)}.partial-`));
    await writeFrames(data, frames, folder, options);
    await writeFile(join(folder, "data.yaml"), dataYamlOf(data));
    await options.finish(folder);
    options.signal?.throwIfAborted();
    // An empty folder may stand in the way, and not every system renames onto one.
    await rmdir(out).catch(() => undefined);
    await rename(folder, out);
  } catch (cause) {
    if (folder) await rm(folder, { recursive: true, force: true });
    // The file system's refusals alone: an error without a code is a bug, or the request to stop.
    throw errnoOf(cause) === undefined || options.signal?.aborted ? cause : ioError(out, "written", cause);
  }
}

/** @throws EchoDuetError `io` where there is something other than an empty folder */
export async function refuseOccupied(out: string): Promise<void> {
  const entries = await readdir(out).catch((cause: unknown): string[] => {
    if (errnoOf(cause) === "ENOENT") return [];
    throw ioError(out, "written", cause);
  });
  if (entries.length === 0) return;
  const got = `got ${entries.length} entries (${entries.sort()[0]})`;
  throw new EchoDuetError(
    "io",
    `${out}: expected a new or an empty folder, ${got}; remove it or name another`,
  );
}

async function writeFrames(
  { splits, views }: SourceData,
  frames: readonly WrittenFrame[],
  folder: string,
  { onProgress, signal }: WriteOptions,
): Promise<void> {
  const given = splitNames.filter((split) => splits[split]?.length);
  const roots = given.flatMap((split) =>
    ["images", "labels"].map((kind) => `${splitFolders[split]}/${kind}`),
  );
  const folders = new Set([
    ...roots,
    ...frames.flatMap(({ image, label }) => [dirname(image), dirname(label)]),
  ]);
  for (const name of folders) await mkdir(join(folder, name), { recursive: true });
  await forEachOf(
    frames,
    async ({ source, image, label }) => {
      signal?.throwIfAborted();
      await copyFile(
        source.imagePath,
        join(folder, image),
        constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE,
      );
      if (!source.label) return;
      const text = canonicalLabel(source.label.shapes, source.label.view, views.length);
      await writeFile(join(folder, label), text, { flag: "wx" });
    },
    (done, total) => onProgress("writing", done, total),
  );
}

function dataYamlOf({ names, views, extra, splits }: SourceData): string {
  const folders = splitNames
    .filter((split) => splits[split]?.length)
    .map((split) => [split, `${splitFolders[split]}/images`]);
  return stringify({
    path: ".",
    ...Object.fromEntries(folders),
    ...(names.length > 0 && { names }),
    ...(views.length > 0 && { views }),
    ...extra,
  });
}
