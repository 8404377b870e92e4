import { type Dirent, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, extname, join, relative, sep } from "node:path";
import { EchoDuetError } from "../../errors.js";
import { errnoOf } from "../../io/index.js";
import { type DataDescription, liesInside, type SplitName } from "../description.js";
import { identify, listImages } from "../frames.js";
import { imageExtensions, labelPathOf } from "../image-paths.js";
import { type LabelFault, type ScannedBox, type ScannedView, scanLabel } from "../labels.js";
import { sortedDistinct } from "./order.js";

/** One image of one split with whatever its label file says, right or wrong. */
export interface ScannedFrame {
  readonly split: SplitName;
  /** As `FrameRecord.name`. */
  readonly name: string;
  readonly imagePath: string;
  readonly patient: string | null;
  readonly video: string | null;
  /** Where the label file is, or should be. */
  readonly labelPath: string;
  readonly hasLabelFile: boolean;
  /** Boxes of declared classes, those out of range or without area among them. */
  readonly boxes: readonly ScannedBox[];
  /** Every view line that names one view. */
  readonly views: readonly ScannedView[];
  readonly faults: readonly LabelFault[];
  /** Why the label file could not be read, though it is there; null where it could. */
  readonly unreadable: string | null;
  /** Index of the one view that the label names, -1 where it names none or several. */
  readonly view: number;
}

/** A data set as it was found. */
export interface DataScan {
  readonly description: DataDescription;
  /** By split (train, val, test), then name. */
  readonly frames: readonly ScannedFrame[];
  /** Label files without an image, from the data set's folder. */
  readonly orphans: readonly string[];
  /** Splits that could not be listed, and why. */
  readonly splitFaults: readonly { readonly split: SplitName; readonly message: string }[];
  /** Names of the views: data.yaml's, or of the columns where it declares none but labels have some. */
  readonly views: readonly string[];
  readonly viewsDeclared: boolean;
}

/** The splits in the order in which data is used. */
export const splitNames: readonly SplitName[] = ["train", "val", "test"];

type Unresolved = Omit<ScannedFrame, "view">;

/**
 * Reads every split of a data set without giving up on faults: what is wrong is part of the result. Images
 * are listed, not opened. Label files are looked up in their folders' listings, so that 100,000 of them cost
 * 100,000 reads and nothing else.
 */
export function scanData(description: DataDescription): DataScan {
  const splitFaults: { split: SplitName; message: string }[] = [];
  const folders = new FolderListings(description.root);
  const unresolved: Unresolved[] = [];
  for (const split of splitNames) {
    if (!description.splits[split]) continue;
    try {
      for (const image of listImages(description, split)) {
        unresolved.push(scanFrame(description, split, image, folders));
      }
    } catch (error) {
      if (!(error instanceof EchoDuetError)) throw error;
      splitFaults.push({ split, message: error.message });
    }
  }
  const views = viewNames(description, unresolved);
  const frames = unresolved.map((frame) => ({ ...frame, view: viewOf(frame, views.length) }));
  return {
    description,
    frames,
    orphans: findOrphans(description, frames, folders),
    splitFaults,
    views,
    viewsDeclared: description.views.length > 0,
  };
}

/** What folders hold, read once each; a folder that is missing, unreadable or outside the data holds nothing. */
class FolderListings {
  readonly #listings = new Map<string, ReadonlyMap<string, Dirent>>();

  constructor(readonly root: string) {}

  of(folder: string): ReadonlyMap<string, Dirent> {
    const known = this.#listings.get(folder);
    if (known) return known;
    let entries: Dirent[] = [];
    try {
      if (liesInside(this.root, folder)) entries = readdirSync(folder, { withFileTypes: true });
    } catch {
      // A folder of labels that is not there: its images are without label files, which is a finding.
    }
    const listed = new Map(entries.map((entry) => [entry.name, entry]));
    this.#listings.set(folder, listed);
    return listed;
  }

  /** The folders read so far. */
  get folders(): string[] {
    return [...this.#listings.keys()];
  }
}

function scanFrame(
  description: DataDescription,
  split: SplitName,
  imagePath: string,
  folders: FolderListings,
): Unresolved {
  const labelPath = labelPathOf(imagePath);
  const frame = { split, imagePath, labelPath, ...identify(description, imagePath) };
  const nothing = { boxes: [], views: [], faults: [], unreadable: null };
  const entry = folders.of(dirname(labelPath)).get(basename(labelPath));
  if (!entry) return { ...frame, ...nothing, hasLabelFile: false };
  const read = readLabel(labelPath, entry, description.root);
  if ("missing" in read) return { ...frame, ...nothing, hasLabelFile: false };
  if ("fault" in read) return { ...frame, ...nothing, hasLabelFile: true, unreadable: read.fault };
  const { names, views } = description;
  const label = scanLabel(read.text, { file: labelPath, classes: names.length, views: views.length });
  return { ...frame, ...label, hasLabelFile: true, unreadable: null };
}

function readLabel(
  path: string,
  entry: Dirent,
  root: string,
): { text: string } | { missing: true } | { fault: string } {
  try {
    if (entry.isSymbolicLink()) {
      if (!liesInside(root, path))
        return { fault: `expected a file inside ${root}, got a link that leaves it` };
      if (!statSync(path).isFile()) return { fault: "expected a file, got a link to something else" };
    } else if (!entry.isFile()) {
      return { fault: "expected a file, got a folder or something else" };
    }
    return { text: readFileSync(path, "utf8") };
  } catch (error) {
    // A link without its target is in the listing, but is no file.
    if (errnoOf(error) === "ENOENT") return { missing: true };
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Undeclared views show as one-hot lines, whose length is their number, or as lone indices in at least half
 * of the label files (fewer are rather broken boxes).
 */
function viewNames({ views }: DataDescription, frames: readonly Unresolved[]): readonly string[] {
  if (views.length > 0) return views;
  const lengths = new Map<number, number>();
  let indices = 0;
  let labelled = 0;
  let highest = -1;
  for (const frame of frames) {
    if (frame.hasLabelFile) labelled++;
    const [view] = frame.views;
    if (!view) continue;
    if (view.columns !== null) lengths.set(view.columns, (lengths.get(view.columns) ?? 0) + 1);
    else indices++;
    highest = Math.max(highest, view.index);
  }
  const [commonest] = [...lengths].sort(([a, m], [b, n]) => n - m || a - b);
  const count = commonest?.[0] ?? (indices > 0 && 2 * indices >= labelled ? highest + 1 : 0);
  return Array.from({ length: count }, (_, index) => `column ${index + 1}`);
}

function viewOf({ views, faults }: Unresolved, count: number): number {
  const [view] = views;
  if (!view || views.length > 1 || view.index >= count) return -1;
  if (view.columns !== null && view.columns !== count) return -1;
  return faults.some(({ kind }) => kind.startsWith("view-") && kind !== "view-undeclared") ? -1 : view.index;
}

/** Label files in the folders of the splits for which there is no image, whether in a split or not. */
function findOrphans(
  description: DataDescription,
  frames: readonly ScannedFrame[],
  folders: FolderListings,
): string[] {
  for (const folder of labelFolders(description)) folders.of(folder);
  const expected = new Set(frames.map((frame) => frame.labelPath));
  const lists = new Set(Object.values(description.splits).flat());
  const orphans = folders.folders.flatMap((folder) => {
    const imageFolder = imageFolderOf(folder);
    const images = stemsOfImages(folders.of(imageFolder).keys());
    // Beside no images and in no folder of labels, a text is just a text.
    if (imageFolder === folder && images.size === 0) return [];
    return [...folders.of(folder).keys()]
      .filter((name) => extname(name) === ".txt" && !name.startsWith(".") && name !== "classes.txt")
      .filter((name) => !images.has(name.slice(0, -".txt".length)))
      .map((name) => join(folder, name))
      .filter((path) => !expected.has(path) && !lists.has(path));
  });
  return sortedDistinct(orphans.map((path) => relativeName(description, path)));
}

/** The folders of labels below the splits' folders, also those that no image has a label in. */
function labelFolders({ splits, root }: DataDescription): string[] {
  return Object.values(splits)
    .flat()
    .flatMap((entry) => {
      if (!statSync(entry, { throwIfNoEntry: false })?.isDirectory()) return [];
      const folder = dirname(labelPathOf(join(entry, "image.jpg")));
      if (!existsSync(folder) || !liesInside(root, folder)) return [];
      const below = readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((found) => found.isDirectory())
        .map((found) => join(found.parentPath, found.name));
      return [folder, ...below];
    });
}

/** The folder of the images whose labels are in `folder`: the inverse of `labelPathOf`. */
function imageFolderOf(folder: string): string {
  const parts = folder.split(sep);
  const at = parts.lastIndexOf("labels");
  if (at < 0) return folder;
  const images = [...parts.slice(0, at), "images", ...parts.slice(at + 1)].join(sep);
  return dirname(labelPathOf(join(images, "image.jpg"))) === folder ? images : folder;
}

function stemsOfImages(names: Iterable<string>): Set<string> {
  const images = [...names].filter((name) => imageExtensions.includes(extname(name).toLowerCase()));
  return new Set(images.map((name) => name.slice(0, name.length - extname(name).length)));
}

/** A path from the data set's folder, with forward slashes, as findings name files. */
export function relativeName({ root }: DataDescription, path: string): string {
  return relative(root, path).split(sep).join("/");
}
