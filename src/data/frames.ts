import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, extname, join, relative, resolve, sep } from "node:path";
import { EchoDuetError } from "../errors.js";
import { randomStream } from "../tensor/index.js";
import { type DataDescription, resolveSplit } from "./description.js";
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

/** What the decoder reads (image.ts). */
export const imageExtensions: readonly string[] = [".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"];
/** Images to others: named rather than skipped, so that no part of a data set goes missing in silence. */
const unreadableExtensions = [".bmp", ".dng", ".heic", ".mpo", ".pfm"];

/**
 * The frames of a split (`train`, `val` or `valid`, `test`), sorted by name in UTF-16 code units, with
 * their labels read and checked. Folders are searched with all their subfolders; the lines of a .txt list
 * are image files, relative to the list's own folder.
 * @throws EchoDuetError `data` for a split that is not declared, missing or empty, an image listed twice,
 * and every fault of a label file (labels.ts).
 */
export function listFrames(description: DataDescription, splitWord: string): FrameRecord[] {
  const split = resolveSplit(splitWord);
  const entries = description.splits[split];
  if (!entries) {
    const declared = Object.keys(description.splits).join(", ");
    const message = `${description.file}: expected a \`${split}\` split, got only ${declared}; declare it`;
    throw new EchoDuetError("data", message);
  }
  const images = entries.flatMap((entry) => imagesOf(entry, description.file, split));
  if (images.length === 0) {
    const remedy = `expected images (${imageExtensions.join(" ")}), got none; check \`${split}\` in ${description.file}`;
    throw new EchoDuetError("data", `${entries.join(", ")}: the ${split} split is empty: ${remedy}`);
  }
  const frames = images.map((image) => readFrame(image, description));
  frames.sort((a, b) => compareCodeUnits(a.name, b.name));
  frames.forEach((frame, index) => {
    if (index > 0 && frame.name === frames[index - 1].name) {
      const message = `${frame.imagePath}: expected once in the ${split} split, got it twice; `;
      throw new EchoDuetError("data", `${message}check \`${split}\` in ${description.file}`);
    }
  });
  return frames;
}

/**
 * The label file of an image by Ultralytics' rule: the last folder named `images` becomes `labels`, the
 * extension .txt; without such a folder, next to the image.
 */
export function labelPathOf(imagePath: string): string {
  const marker = `${sep}images${sep}`;
  const at = imagePath.lastIndexOf(marker);
  const stem = imagePath.slice(0, imagePath.length - extname(imagePath).length);
  if (at < 0) return `${stem}.txt`;
  return `${stem.slice(0, at)}${sep}labels${sep}${stem.slice(at + marker.length)}.txt`;
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
export function fingerprint(frames: readonly FrameRecord[]): string {
  const hash = createHash("sha256");
  for (const frame of [...frames].sort((a, b) => compareCodeUnits(a.name, b.name))) {
    const image = readFileSync(frame.imagePath);
    const label = frame.labelPath === null ? null : readFileSync(frame.labelPath);
    // Lengths go first, so that no two different sets give the same stream of bytes.
    hash.update(JSON.stringify([frame.name, image.length, label?.length ?? null]));
    hash.update(image);
    if (label) hash.update(label);
  }
  return hash.digest("hex");
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

function imagesOf(entry: string, yamlFile: string, split: string): string[] {
  const status = statSync(entry, { throwIfNoEntry: false });
  if (status?.isDirectory()) return imagesIn(entry);
  if (status?.isFile() && extname(entry).toLowerCase() === ".txt") return imagesListedIn(entry);
  const got = status ? "another kind of file" : "nothing there";
  throw new EchoDuetError(
    "data",
    `${entry}: expected a folder of images or a .txt list, got ${got}; check \`${split}\` in ${yamlFile}`,
  );
}

function imagesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && isImage(entry.name, entry.parentPath))
    .map((entry) => join(entry.parentPath, entry.name));
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

function imagesListedIn(list: string): string[] {
  const folder = dirname(list);
  const lines = readFileSync(list, "utf8")
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/);
  return lines.flatMap((line, index) => {
    if (line.trim() === "") return [];
    const image = resolve(folder, line.trim());
    if (!isImage(basename(image), dirname(image)) || !existsSync(image)) {
      const message = `expected an existing image file, got ${line.trim()} (${image}); correct the line`;
      throw new EchoDuetError("data", `${list}:${index + 1}: ${message}`);
    }
    return [image];
  });
}

function readFrame(imagePath: string, description: DataDescription): FrameRecord {
  const expectedLabel = labelPathOf(imagePath);
  const context = {
    file: expectedLabel,
    classes: description.names.length,
    views: description.views.length,
  };
  const label = readLabel(context);
  const boxes = new Float32Array(label.boxes.length * 5);
  label.boxes.forEach((box, row) => {
    boxes.set([box.class, box.cx, box.cy, box.w, box.h], row * 5);
  });
  const fileName = basename(imagePath);
  return {
    name: relative(description.root, imagePath).split(sep).join("/"),
    imagePath,
    labelPath: label.found ? expectedLabel : null,
    boxes,
    view: label.view,
    patient: description.groups.patient?.exec(fileName)?.[1] ?? null,
    video: description.groups.video?.exec(fileName)?.[1] ?? null,
    detectionMasked: description.unlabelled === "mask" && boxes.length === 0,
  };
}

function readLabel(context: LabelContext): ReturnType<typeof parseLabel> & { found: boolean } {
  let text: string;
  try {
    text = readFileSync(context.file, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") {
      return { boxes: [], view: -1, found: false };
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `${context.file}: expected a readable label file, got ${reason}; check its rights`;
    throw new EchoDuetError("io", message, { cause });
  }
  return { ...parseLabel(text, context), found: true };
}
