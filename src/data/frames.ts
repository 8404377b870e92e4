import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, extname, join, relative, resolve, sep } from "node:path";
import vm from "node:vm";
import { EchoDuetError } from "../errors.js";
import { ioError } from "../io/index.js";
import { randomStream } from "../tensor/index.js";
import { type DataDescription, liesInside, resolveSplit, type SplitName, statusOf } from "./description.js";
import { imageExtensions, labelPathOf } from "./image-paths.js";
import { type LabelContext, parseLabel } from "./labels.js";

/** One image of a split with what its label file says. */
export interface FrameRecord {
  /** The image's path from the data set's folder, with forward slashes: the same on every machine. */
  readonly name: string;
  readonly imagePath: string;
  /** null where there is no label file. */
  readonly labelPath: string | null;
  /** [n, 5] rows of class, cx, cy, w, h, normalised to the source image. */
  readonly boxes: Float32Array;
  /** Index of the view, -1 where the image has none. */
  readonly view: number;
  /** Ids by data.yaml's `groups`, null where the pattern is absent or does not match. */
  readonly patient: string | null;
  readonly video: string | null;
  /** No boxes, and data.yaml says `unlabelled: mask`: the image is left out of the detection loss. */
  readonly detectionMasked: boolean;
}

/** What a list of frames holds. */
export interface FrameCounts {
  readonly frames: number;
  /** Boxes of each class. */
  readonly boxes: readonly number[];
  /** Frames of each view. */
  readonly views: readonly number[];
  readonly withoutBoxes: number;
  readonly withoutView: number;
  readonly withoutLabelFile: number;
  /** Distinct ids. */
  readonly patients: number;
  readonly videos: number;
}

/** Images to others: named rather than skipped, so that no part of a data set goes missing in silence. */
const unreadableExtensions = [".bmp", ".dng", ".heic", ".mpo", ".pfm"];

/**
 * The frames of a split (`train`, `val` or `valid`, `test`), sorted by name in UTF-16 code units, with
 * their labels read and checked. Folders are searched with all their subfolders; the lines of a .txt list
 * are image files, relative to the list's own folder. Every image lies in the data set's folder, symbolic
 * links followed.
 * @throws EchoDuetError `data` for a split that is not declared, missing or empty, an image listed twice,
 * and every fault of a label file (labels.ts).
 */
export function listFrames(description: DataDescription, splitWord: string): FrameRecord[] {
  const split = resolveSplit(splitWord);
  const frames = listImages(description, split).map((image) => readFrame(image, description));
  frames.forEach((frame, index) => {
    if (index > 0 && frame.name === frames[index - 1].name) {
      const message = `${frame.imagePath}: expected once in the ${split} split, got it twice; `;
      throw new EchoDuetError("data", `${message}check \`${split}\` in ${description.file}`);
    }
  });
  return frames;
}

/**
 * The absolute paths of a split's images, sorted by the frames' names in UTF-16 code units; no label is read.
 * @throws EchoDuetError `data` for a split that is not declared, missing or empty, and for an image that the
 * data set's folder does not hold.
 */
export function listImages(description: DataDescription, split: SplitName): string[] {
  const images = findImages(description, split);
  if (images.length === 0) {
    const places = (description.splits[split] ?? []).join(", ");
    const remedy = `expected images (${imageExtensions.join(" ")}), got none; check \`${split}\` in ${description.file}`;
    throw new EchoDuetError("data", `${places}: the ${split} split is empty: ${remedy}`);
  }
  return images;
}

/** As `listImages`, but a split may be empty. */
export function findImages(description: DataDescription, split: SplitName): string[] {
  const entries = description.splits[split];
  if (!entries) {
    const declared = Object.keys(description.splits).join(", ");
    const message = `${description.file}: expected a \`${split}\` split, got only ${declared}; declare it`;
    throw new EchoDuetError("data", message);
  }
  const images = entries.flatMap((entry) => imagesOf(entry, description, split));
  checkPatterns(description, images);
  return images
    .map((image) => ({ image, name: nameOf(description, image) }))
    .sort((a, b) => compareCodeUnits(a.name, b.name))
    .map(({ image }) => image);
}

/** Far above what any pattern takes that does not try every way to split a name. */
const patternMs = 2000;
const matchAll = new vm.Script("match()");

/**
 * Matches every name once, in a time that is bounded: a pattern such as `^((a+)+)$` may take longer than a life
 * on one name. Names that pass here are safe to match again.
 */
function checkPatterns({ file, groups }: DataDescription, images: readonly string[]): void {
  for (const [key, pattern] of Object.entries(groups)) {
    let name = "";
    const match = (): void => {
      for (const image of images) {
        name = basename(image);
        pattern.exec(name);
      }
    };
    try {
      matchAll.runInContext(vm.createContext({ match }), {
        timeout: patternMs + Math.ceil(images.length / 100),
      });
    } catch (cause) {
      // Not `instanceof Error`: the error may be of the other context.
      if ((cause as { code?: unknown }).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw cause;
      const message = `expected a pattern that is matched in time, got ${pattern.source}, which is stuck at ${name}`;
      const remedy = "write it without repetitions inside repetitions";
      throw new EchoDuetError("data", `${file}: groups.${key}: ${message}; ${remedy}`, { cause });
    }
  }
}

/** Name and group ids of an image, from its path alone. */
export function identify(
  description: DataDescription,
  imagePath: string,
): Pick<FrameRecord, "name" | "patient" | "video"> {
  const fileName = basename(imagePath);
  return {
    name: nameOf(description, imagePath),
    patient: description.groups.patient?.exec(fileName)?.[1] ?? null,
    video: description.groups.video?.exec(fileName)?.[1] ?? null,
  };
}

function nameOf({ root }: DataDescription, imagePath: string): string {
  return relative(root, imagePath).split(sep).join("/");
}

/**
 * The frames of a seeded part of the clips, in their order: of K clips, max(1, round(fraction * K)).
 * A clip is a video group, else a patient, else a frame alone. A smaller fraction under the same seed is
 * a subset of a larger one.
 * @throws EchoDuetError `config` unless 0 < fraction <= 1.
 */
export function selectFraction(
  frames: readonly FrameRecord[],
  fraction: number,
  seed: number,
): FrameRecord[] {
  if (!(fraction > 0 && fraction <= 1)) {
    throw new EchoDuetError("config", `fraction: expected above 0 and at most 1, got ${fraction}`);
  }
  const clipOf = (frame: FrameRecord): string => frame.video ?? frame.patient ?? frame.name;
  const clips = [...new Set(frames.map(clipOf))].sort(compareCodeUnits);
  const count = Math.max(1, Math.round(fraction * clips.length));
  const chosen = new Set(randomStream(seed, "fraction").shuffled(clips).slice(0, count));
  return frames.filter((frame) => chosen.has(clipOf(frame)));
}

/**
 * SHA-256 (hex) over the names, image bytes and label bytes of the frames, whatever their order or the
 * folder that the data set lies in.
 */
export function fingerprint(
  frames: readonly Pick<FrameRecord, "name" | "imagePath" | "labelPath">[],
): string {
  const hash = createHash("sha256");
  for (const frame of [...frames].sort((a, b) => compareCodeUnits(a.name, b.name))) {
    const image = readBytes(frame.imagePath);
    const label = frame.labelPath === null ? null : readBytes(frame.labelPath);
    // Lengths go first, so that no two different sets give the same stream of bytes.
    hash.update(JSON.stringify([frame.name, image.length, label?.length ?? null]));
    hash.update(image);
    if (label) hash.update(label);
  }
  return hash.digest("hex");
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw ioError(path, "read", cause);
  }
}

/** Frames by class, view and group, for logs and reports. */
export function countFrames(frames: readonly FrameRecord[], description: DataDescription): FrameCounts {
  const boxes = description.names.map(() => 0);
  const views = description.views.map(() => 0);
  for (const frame of frames) {
    for (let row = 0; row < frame.boxes.length; row += 5) boxes[frame.boxes[row]]++;
    if (frame.view >= 0) views[frame.view]++;
  }
  const distinct = (ids: readonly (string | null)[]): number => new Set(ids.filter((id) => id !== null)).size;
  return {
    frames: frames.length,
    boxes,
    views,
    withoutBoxes: frames.filter((frame) => frame.boxes.length === 0).length,
    withoutView: frames.filter((frame) => frame.view < 0).length,
    withoutLabelFile: frames.filter((frame) => frame.labelPath === null).length,
    patients: distinct(frames.map((frame) => frame.patient)),
    videos: distinct(frames.map((frame) => frame.video)),
  };
}

/** Order by UTF-16 code units, which no locale changes. */
function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function imagesOf(entry: string, description: DataDescription, split: string): string[] {
  const status = statusOf(entry);
  if (status?.isDirectory()) return imagesIn(entry, description);
  if (status?.isFile() && extname(entry).toLowerCase() === ".txt") return imagesListedIn(entry, description);
  if (status?.isFile() && isImage(basename(entry), dirname(entry))) return [entry];
  const got = status ? "another kind of file" : "nothing there";
  throw new EchoDuetError(
    "data",
    `${entry}: expected a folder of images, a .txt list or an image, got ${got}; check \`${split}\` in ${description.file}`,
  );
}

function imagesIn(folder: string, { root, file }: DataDescription): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const path = join(entry.parentPath, entry.name);
    // A folder is searched; a link to one is not, by whatever name, nor is anything that is no file.
    if (!(entry.isFile() || entry.isSymbolicLink()) || !isImage(entry.name, entry.parentPath)) return [];
    if (entry.isFile()) return [path];
    if (!liesInside(root, path)) throw leavesRoot(path, root, file);
    const status = statusOf(path);
    if (status?.isDirectory()) return [];
    if (!status?.isFile()) {
      const message = `${path}: expected an image file, got a link to ${status ? "another kind of file" : "nothing"}`;
      throw new EchoDuetError("data", `${message}; restore the image or remove the link`);
    }
    return [path];
  });
}

function leavesRoot(path: string, root: string, place: string): EchoDuetError {
  const remedy = "move the image there, or let `path` in data.yaml name a folder above both";
  return new EchoDuetError("data", `${place}: expected an image inside ${root}, got ${path}; ${remedy}`);
}

function isImage(name: string, folder: string): boolean {
  // Dot files are no data: file managers and some systems leave `._name.jpg` beside an image.
  if (name.startsWith(".")) return false;
  const extension = extname(name).toLowerCase();
  if (unreadableExtensions.includes(extension)) {
    const message = `expected ${imageExtensions.join(" ")}, got ${extension}; convert the image to PNG`;
    throw new EchoDuetError("data", `${join(folder, name)}: ${message}`);
  }
  return imageExtensions.includes(extension);
}

function imagesListedIn(list: string, { root }: DataDescription): string[] {
  const folder = dirname(list);
  const lines = readFileSync(list, "utf8")
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/);
  return lines.flatMap((line, index) => {
    if (line.trim() === "") return [];
    const place = `${list}:${index + 1}`;
    const image = resolve(folder, line.trim());
    if (!liesInside(root, image)) throw leavesRoot(line.trim(), root, place);
    if (!isImage(basename(image), dirname(image)) || !isFile(image)) {
      const message = `expected an existing image file, got ${line.trim()} (${image}); correct the line`;
      throw new EchoDuetError("data", `${place}: ${message}`);
    }
    return [image];
  });
}

function isFile(path: string): boolean {
  return statusOf(path)?.isFile() ?? false;
}

function readFrame(imagePath: string, description: DataDescription): FrameRecord {
  const expectedLabel = labelPathOf(imagePath);
  const context = {
    file: expectedLabel,
    classes: description.names.length,
    views: description.views.length,
  };
  const label = readLabel(context, description);
  const boxes = new Float32Array(label.boxes.length * 5);
  label.boxes.forEach((box, row) => {
    boxes.set([box.class, box.cx, box.cy, box.w, box.h], row * 5);
  });
  return {
    ...identify(description, imagePath),
    imagePath,
    labelPath: label.found ? expectedLabel : null,
    boxes,
    view: label.view,
    detectionMasked: description.unlabelled === "mask" && boxes.length === 0,
  };
}

function readLabel(
  context: LabelContext,
  description: DataDescription,
): ReturnType<typeof parseLabel> & { found: boolean } {
  const text = readLabelText(context.file, description);
  return text === null
    ? { boxes: [], view: -1, found: false }
    : { ...parseLabel(text, context), found: true };
}

/**
 * The text of a label file, null where there is none.
 * @throws EchoDuetError `data` for a link that leaves the data set's folder, `io` for a file that cannot be read
 */
export function readLabelText(labelPath: string, { root, file }: DataDescription): string | null {
  if (!liesInside(root, labelPath)) {
    const message = `${file}: expected a label file inside ${root}, got the link ${labelPath}; move the file there`;
    throw new EchoDuetError("data", message);
  }
  const status = statusOf(labelPath);
  if (status && !status.isFile()) {
    const message = `${labelPath}: expected a label file, got a folder or a device; remove it`;
    throw new EchoDuetError("data", message);
  }
  try {
    return readFileSync(labelPath, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `${labelPath}: expected a readable label file, got ${reason}; check its rights`;
    throw new EchoDuetError("io", message, { cause });
  }
}
