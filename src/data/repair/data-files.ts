import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { basename, extname, join, relative, sep } from "node:path";
import { EchoDuetError } from "../../errors.js";
import { ioError, sha256File } from "../../io/index.js";
import { compareCodeUnits } from "../audit/order.js";
import { type DataScan, relativeName } from "../audit/scan.js";
import { liesInside } from "../description.js";
import { imageExtensions } from "../image-paths.js";
import type { DataFingerprint } from "./plan.js";

/** A file of a data set; `name` is its path from the data set's folder, with forward slashes. */
export interface DataFile {
  readonly name: string;
  readonly path: string;
}

/** Every file that a data.yaml reaches, each once, by name; whatever else lies in the folder is no part of it. */
export interface DataFiles {
  /** By its file name alone where it lies outside the data set's folder. */
  readonly description: DataFile;
  /** The .txt lists of its splits. */
  readonly lists: readonly DataFile[];
  readonly images: readonly DataFile[];
  /** Label files, those without an image among them. */
  readonly labels: readonly DataFile[];
  /** Names of the label files without an image. */
  readonly orphans: ReadonlySet<string>;
  /** Names of the folders that its splits name. */
  readonly folders: readonly string[];
}

/**
 * The files of a data set. A split of which nothing is there, such as a test split that was never
 * downloaded, is passed over.
 * @throws EchoDuetError `data` for a split that cannot be listed and a label file that cannot be read: what
 * the repaired copy would lack
 */
export function dataFilesOf(scan: DataScan): DataFiles {
  const { description, frames, orphans } = scan;
  const present = (entry: string) => statSync(entry, { throwIfNoEntry: false });
  for (const { split, message } of scan.splitFaults) {
    if (description.splits[split]?.some(present)) throw new EchoDuetError("data", message);
  }
  const unreadable = frames.find((frame) => frame.unreadable !== null);
  if (unreadable) {
    const message = `${unreadable.labelPath}: ${unreadable.unreadable}; correct it before the data is repaired`;
    throw new EchoDuetError("data", message);
  }
  const named = (path: string): DataFile => ({ name: relativeName(description, path), path });
  const entries = Object.values(description.splits).flat();
  const lists = entries.filter(
    (entry) => extname(entry).toLowerCase() === ".txt" && present(entry)?.isFile(),
  );
  const labelled = frames.filter((frame) => frame.hasLabelFile);
  const files: DataFiles = {
    description: liesInside(description.root, description.file)
      ? named(description.file)
      : { name: basename(description.file), path: description.file },
    lists: distinct(lists.map(named)),
    images: distinct(frames.map(({ name, imagePath }) => ({ name, path: imagePath }))),
    labels: distinct([
      ...labelled.map(({ labelPath }) => named(labelPath)),
      ...orphans.map((name) => ({ name, path: join(description.root, ...name.split("/")) })),
    ]),
    orphans: new Set(orphans),
    folders: distinct(entries.filter((entry) => present(entry)?.isDirectory()).map(named)).map(
      ({ name }) => name,
    ),
  };
  refuseSharedNames(files);
  return files;
}

/** All files of a data set, by kind. */
export function allFiles({ description, lists, images, labels }: DataFiles): DataFile[] {
  return [description, ...lists, ...labels, ...images];
}

/** A data.yaml from elsewhere may have the name of a file of the data; a list may be taken for a label file. */
function refuseSharedNames(files: DataFiles): void {
  const seen = new Set<string>();
  const shared = allFiles(files).find(({ name }) => seen.size === seen.add(name).size);
  if (!shared) return;
  const message = `${files.description.path}: expected files of different names, got ${shared.name} twice`;
  throw new EchoDuetError("data", `${message}; rename the data.yaml or the list`);
}

function distinct(files: readonly DataFile[]): DataFile[] {
  const byName = new Map(files.map((file) => [file.name, file]));
  return [...byName.values()].sort((a, b) => compareCodeUnits(a.name, b.name));
}

/** Told of the files read so far. */
export type FileProgress = (done: number, total: number) => void;

/**
 * SHA-256 of every file, by name.
 * @param known hashes by name that need not be computed again
 * @throws EchoDuetError `io` for a file that cannot be read
 */
export function hashFiles(
  files: readonly DataFile[],
  onProgress: FileProgress = () => {},
  known: ReadonlyMap<string, string> = new Map(),
): Map<string, string> {
  return new Map(
    files.map(({ name, path }, index) => {
      const hash = known.get(name) ?? sha256File(path);
      onProgress(index + 1, files.length);
      return [name, hash];
    }),
  );
}

/** The fingerprint of the files with these hashes: the same wherever the data set's folder lies. */
export function fingerprintOf(hashes: ReadonlyMap<string, string>): DataFingerprint {
  const sorted = [...hashes].sort(([a], [b]) => compareCodeUnits(a, b));
  const digest = (part: readonly (readonly [string, string])[]): string =>
    createHash("sha256").update(JSON.stringify(part)).digest("hex");
  return {
    images: digest(sorted.filter(([name]) => isImageName(name))),
    texts: digest(sorted.filter(([name]) => !isImageName(name))),
  };
}

/** Whether a file is an image, by its name. */
export function isImageName(name: string): boolean {
  return imageExtensions.includes(extname(name).toLowerCase());
}

/** SHA-256 (hex) of a text or bytes. */
export function sha256Of(contents: string | Uint8Array): string {
  return createHash("sha256").update(contents).digest("hex");
}

/** The bytes of a file. @throws EchoDuetError `io` */
export function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw ioError(path, "read", cause);
  }
}

/** A path as it is written in lists, data.yaml and plans: from a folder, with forward slashes. */
export function slashedFrom(folder: string, path: string): string {
  return relative(folder, path).split(sep).join("/");
}
