import type { SplitName } from "../description.js";

/** A box or a polygon in the form of a canonical label line. */
export interface Shape {
  /** Index into the data set's `names`. */
  readonly class: number;
  /** `cx cy w h`, or `x1 y1 ... xn yn` of three or more vertices, as parts of the image's sides (float64). */
  readonly values: readonly number[];
}

/** One image of a source with everything of its label that is kept. */
export interface SourceFrame {
  readonly imagePath: string;
  /** Path below the output's images folder, with forward slashes. */
  readonly name: string;
  /** null where the source has no label file for it: the output has none either. */
  readonly label: { readonly shapes: readonly Shape[] /** -1 for none */; readonly view: number } | null;
  /** Where the label was read: a label file, or a COCO file and the image's id in it. */
  readonly origin: { readonly file: string; readonly imageId: number | string | null };
}

/** What a place of a source held. */
export type ItemKind = "image" | "box" | "polygon" | "view" | "other";

/** Where something stood in a source. */
export interface Place {
  readonly file: string;
  /** From 1; null where the file has no lines to speak of. */
  readonly line: number | null;
  /** JSON path, such as `annotations[12]`; null in text. */
  readonly path: string | null;
  /** The image's or the annotation's id in a COCO file. */
  readonly id: number | string | null;
}

/** Something of the source that the output does not have. */
export interface Drop extends Place {
  readonly kind: ItemKind;
  readonly reason: string;
}

/** Something that is kept in another form, or under another name. */
export interface Change extends Place {
  readonly what: string;
}

/** Numbers of images and of label statements: each line of a label file, each annotation, is one. */
export type Counts = Readonly<Record<ItemKind, number>>;

/** A source, read and mapped, ready to be written. */
export interface SourceData {
  readonly names: readonly string[];
  readonly views: readonly string[];
  /** Further keys of data.yaml, in its own words: groups, rules, unlabelled. */
  readonly extra: Readonly<Record<string, unknown>>;
  readonly splits: { readonly [S in SplitName]?: readonly SourceFrame[] };
  /** What the source held, kept or not. `other` is a line or an annotation that is neither box nor view. */
  readonly before: Counts;
  readonly drops: readonly Drop[];
  readonly changes: readonly Change[];
}

/** Called with what is being done, how many are done and how many there are. */
export type ConvertProgress = (step: string, done: number, total: number) => void;

/** The order in which splits are read and written. */
export const splitNames: readonly SplitName[] = ["train", "val", "test"];

/** Counts, drops and changes while a source is read. */
export class Ledger {
  readonly before: Record<ItemKind, number> = { image: 0, box: 0, polygon: 0, view: 0, other: 0 };
  readonly drops: Drop[] = [];
  readonly changes: Change[] = [];

  /** Notes that the source holds one of `kind`. */
  found(kind: ItemKind): void {
    this.before[kind]++;
  }

  /** Notes that one of `kind`, found before, is not kept. */
  drop(kind: ItemKind, place: Place, reason: string): void {
    this.drops.push({ kind, ...place, reason });
  }

  /** Notes that something is kept in another form. */
  change(place: Place, what: string): void {
    this.changes.push({ ...place, what });
  }
}

/** A place as people write it: `file:line`, or `file: annotations[12] (id 7)`. */
export function formatPlace({ file, line, path, id }: Place): string {
  if (line !== null) return `${file}:${line}`;
  if (path === null) return file;
  return id === null ? `${file}: ${path}` : `${file}: ${path} (id ${id})`;
}

/** A statement about an image's view. */
export interface ViewStatement {
  readonly place: Place;
  /** Index into the data set's `views`. */
  readonly view: number;
}

/**
 * The one view that the statements about an image agree on, -1 where there is none. A repetition is dropped;
 * statements that contradict each other are dropped all, since nothing tells which of them is right.
 */
export function agreedView(
  statements: readonly ViewStatement[],
  views: readonly string[],
  ledger: Ledger,
): number {
  const [first, ...rest] = statements;
  if (!first) return -1;
  const named = [...new Set(statements.map(({ view }) => views[view]))];
  if (named.length > 1) {
    const reason = `expected one view, got ${named.join(" and ")} for the same image; keep the right one`;
    for (const { place } of statements) ledger.drop("view", place, reason);
    return -1;
  }
  for (const { place } of rest) {
    ledger.drop("view", place, `says the image's view, ${named[0]}, once more; remove it`);
  }
  return first.view;
}
