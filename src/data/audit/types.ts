import type { SplitName } from "../description.js";

/** Whether a finding makes the data unfit for use, or asks to be looked at. */
export type Severity = "error" | "warning";

/** What an audit can find. */
export type FindingCode =
  | "split.unreadable"
  | "label.orphan"
  | "label.missing"
  | "label.unparseable"
  | "label.class-range"
  | "box.out-of-range"
  | "box.empty"
  | "box.repeated"
  | "view.missing"
  | "view.contradictory"
  | "view.ambiguous"
  | "view.mixed-clip"
  | "view.order-undeclared"
  | "view.order-doubtful"
  | "rules.violation"
  | "duplicate.exact"
  | "duplicate.near"
  | "leakage.patient"
  | "leakage.clip"
  | "leakage.duplicate"
  | "shift.class"
  | "shift.view"
  | "class.absent"
  | "image.unreadable"
  | "privacy.text"
  | "groups.undeclared"
  | "groups.unmatched";

/** One place of a finding. */
export interface FindingDetail {
  /** The file to open, from the data set's folder: the label file where `line` is given. */
  readonly file: string;
  readonly line?: number;
  readonly message: string;
}

/** Something wrong with a data set. */
export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** How many `unit` there are. */
  readonly count: number;
  /** What `count` counts: frames, label files, clips, groups of images, ... */
  readonly unit: string;
  /** The files concerned, from the data set's folder, sorted by UTF-16 code units, each once. */
  readonly files: readonly string[];
  readonly remedy: string;
  readonly details: readonly FindingDetail[];
}

/** One order of the views for the one-hot columns, and the frames whose boxes it contradicts. */
export interface ViewOrder {
  readonly views: readonly string[];
  /** Frames with a box of a class that the view cannot show. */
  readonly violations: number;
}

/** Numbers by name. */
export type Counts = Readonly<Record<string, number>>;

/** A distribution by its quantiles. */
export interface Quantiles {
  readonly min: number;
  readonly p5: number;
  readonly p25: number;
  readonly median: number;
  readonly p75: number;
  readonly p95: number;
  readonly max: number;
}

/** What one split, patient or clip holds. */
export interface Tally {
  readonly frames: number;
  /** Boxes of each class. */
  readonly boxes: Counts;
  /** Frames of each view. */
  readonly views: Counts;
}

/** What one split holds. */
export interface SplitTally extends Tally {
  readonly withoutBoxes: number;
  readonly withoutView: number;
  readonly withoutLabelFile: number;
  readonly patients: number;
  readonly clips: number;
}

/** What one patient or clip holds, and where. */
export interface GroupTally extends Tally {
  readonly id: string;
  /** Frames in each split. */
  readonly splits: Counts;
}

/** Boxes of one class; sides and positions as shares of the image. */
export interface BoxStatistics {
  readonly boxes: number;
  readonly outOfRange: number;
  readonly width: Quantiles;
  readonly height: Quantiles;
  readonly area: Quantiles;
  readonly centreX: Quantiles;
  readonly centreY: Quantiles;
}

/** A clip whose frames name several views. */
export interface MixedClip {
  readonly clip: string;
  /** The view that most frames name; null for a tie. */
  readonly majority: string | null;
  readonly views: Counts;
  /** Frames that name another view than the majority; in a tie all that name a view. */
  readonly dissenters: readonly string[];
}

/** Frames of a later split that an earlier one has seen. */
export interface LeakageCount {
  readonly from: SplitName;
  readonly to: SplitName;
  /** Frames of `to`, all of them. */
  readonly frames: number;
  /** Frames of `to` whose patient is in `from`. */
  readonly patient: number;
  readonly clip: number;
  /** Frames of `to` of which `from` has a copy; without the images, the same file listed in both. */
  readonly duplicate: number;
}

/** How far the labels of two splits are apart. */
export interface ShiftTest {
  readonly of: "class" | "view";
  readonly from: SplitName;
  readonly to: SplitName;
  /** Total variation 0..1: the share of labels that would have to change; null where a split has none. */
  readonly distance: number | null;
  /** Of the permutation test; null where it has nothing to permute or data.yaml declares no `groups`. */
  readonly pValue: number | null;
  /** What the test dealt out anew: patients, clips of patients in both splits, frames of clips in both. */
  readonly units: { readonly patients: number; readonly clips: number; readonly frames: number };
  /** Whether the distance is large and is not chance. */
  readonly shifted: boolean;
  readonly shares: { readonly from: Counts; readonly to: Counts };
}

/** Two images of one content. */
export interface DuplicatePair {
  readonly a: string;
  readonly b: string;
  readonly kind: "exact" | "near";
  /** Bits in which the difference hashes differ. */
  readonly distance: number;
  /** Of the pixels. */
  readonly correlation: number;
}

/** What the images themselves say. */
export interface ImageSummary {
  readonly measured: number;
  readonly unreadable: number;
  readonly sizes: readonly { readonly width: number; readonly height: number; readonly frames: number }[];
  /** Mean luminance of an image, 0..255. */
  readonly luminance: Quantiles | null;
  /** Share of an image's pixels that have a colour, as flow has. */
  readonly coloured: Quantiles | null;
  readonly nearDuplicates: {
    /** Bits up to which two images are compared pixel by pixel; null where there is nothing to learn it from. */
    readonly threshold: number | null;
    /** [65] sampled pairs of images of different patients by the bits in which their hashes differ. */
    readonly distances: readonly number[];
    readonly pairs: readonly DuplicatePair[];
  };
  /** Frames with burnt-in text; areas [x, y, width, height] in pixels. */
  readonly text: readonly { readonly file: string; readonly areas: readonly (readonly number[])[] }[];
}

/** Everything that an audit counted, right or wrong. */
export interface AuditSummary {
  readonly data: string;
  readonly names: readonly string[];
  /** As data.yaml declares them, or `column 1`, `column 2`, ... where it does not. */
  readonly views: readonly string[];
  readonly viewsDeclared: boolean;
  readonly rules: Readonly<Record<string, readonly string[]>> | null;
  readonly rulesFrom: "data.yaml" | "echo" | null;
  readonly frames: number;
  readonly classes: Counts;
  readonly viewFrames: Counts;
  /** Boxes by view, then class. */
  readonly pairs: Readonly<Record<string, Counts>>;
  readonly splits: { readonly [S in SplitName]?: SplitTally };
  readonly patients: readonly GroupTally[];
  readonly clips: readonly GroupTally[];
  readonly boxes: Readonly<Record<string, BoxStatistics>>;
  readonly mixedClips: readonly MixedClip[];
  readonly leakage: readonly LeakageCount[];
  readonly shift: readonly ShiftTest[];
  /** null where the images were not looked at. */
  readonly images: ImageSummary | null;
}

/** The outcome of an audit, as `audit --json` prints it. */
export interface AuditReport {
  readonly summary: AuditSummary;
  /** Errors first, then by code. */
  readonly findings: readonly Finding[];
  /** Every order of the views by rising violations; empty where there are no rules to score them by. */
  readonly viewOrders: readonly ViewOrder[];
}
