/** The findings that a repair can settle, in the order in which a plan lists them. */
export const repairCodes = [
  "duplicate.exact",
  "duplicate.near",
  "image.unreadable",
  "label.orphan",
  "label.unparseable",
  "label.class-range",
  "box.out-of-range",
  "box.empty",
  "box.repeated",
  "view.mixed-clip",
  "view.contradictory",
  "view.ambiguous",
  "view.missing",
] as const;

/** A finding that a repair can settle. */
export type RepairCode = (typeof repairCodes)[number];

/**
 * One change to the data. What it does follows from its fields:
 * - `line`, `now`, `becomes`: that line of a label file takes another text; `becomes: null` removes it;
 * - no `line`, `now: null`: `becomes` is added as the last line of a label file;
 * - no `line`, `now: sha256 HEX`, `becomes: null`: the file is left out, an image with its label file.
 */
export interface RepairAction {
  readonly code: RepairCode;
  /** From the data set's folder, with forward slashes. */
  readonly file: string;
  /** From 1. */
  readonly line?: number;
  /** What is there, without the blanks around it. */
  readonly now: string | null;
  readonly becomes: string | null;
  readonly why: string;
  /** Whether `repair` carries it out. */
  readonly apply: boolean;
}

/** Something that needs a repair of which nothing says what it should be. */
export interface Undecided {
  readonly code: RepairCode;
  readonly file: string;
  readonly why: string;
}

/** SHA-256 (hex) over names and contents of the files of a data set (`fingerprintOf`). */
export interface DataFingerprint {
  readonly images: string;
  /** Label files, lists and data.yaml. */
  readonly texts: string;
}

/** What an audit proposes, and the data that it is for. */
export interface Proposal {
  /** By code, file and line. */
  readonly actions: readonly RepairAction[];
  readonly undecided: readonly Undecided[];
  /** Findings that a repair cannot settle, a line each. */
  readonly beyond: readonly string[];
}

/** How `now` names the contents of a whole file. */
export function contentsMark(sha256: string): string {
  return `sha256 ${sha256}`;
}
