import type { Figure } from "../curves/figures.js";
import type { MessageKey } from "./messages/en.js";

/** One checkpoint on one split of data: where a number comes from. */
export interface Provenance {
  readonly run: string;
  /** SHA-256 of the checkpoint, hex. */
  readonly checkpointSha256: string;
  /** SHA-256 over the split's images and labels, hex. */
  readonly dataFingerprint: string;
  readonly split: string;
}

/** Data that something was counted in. */
export interface DataProvenance {
  /** data.yaml */
  readonly data: string;
  readonly dataFingerprint: string;
  /** One split, or all of them. */
  readonly split: string;
}

/** How a number is written; see `showNumber`. */
export type NumberFormat =
  | "fixed3"
  | "fixed2"
  | "fixed1"
  | "integer"
  | "signed2"
  | "signed3"
  | "percent1"
  | "signedPercent1"
  | "p"
  | "giga3"
  | "mega2"
  | "mebi"
  | "digits4";

/** A number that checkpoints gave on data, or that was logged as they were trained. */
export interface Measured {
  readonly kind: "measured";
  readonly value: number;
  readonly format: NumberFormat;
  /** 95 % interval. */
  readonly interval: { readonly low: number; readonly high: number } | null;
  /** Never empty: `assertProvenance`. */
  readonly from: readonly Provenance[];
}

/** A number counted in data, whatever any model makes of it. */
export interface Counted {
  readonly kind: "counted";
  readonly value: number;
  readonly format: NumberFormat;
  readonly from: DataProvenance;
}

/** A value of a run's configuration or of its run.json: neither measured nor counted, but written there. */
export interface Setting {
  readonly kind: "setting";
  readonly text: string;
  readonly run: string;
}

/** A name from a file or a log: untrusted text. */
export interface Name {
  readonly kind: "name";
  readonly text: string;
}

/** A text of the catalogue, in the document's language. */
export interface Said {
  readonly kind: "said";
  readonly key: MessageKey;
  readonly text: string;
}

/** A part of a line. There is no plain text and no plain number. */
export type Inline = Said | Name | Setting | Measured | Counted;

/** A line of text. */
export type Line = readonly Inline[];

/** A row of a table: the first cell is its head. */
export type Row = readonly Line[];

/** A table. Rows have as many cells as there are columns. */
export interface Table {
  readonly kind: "table";
  /** Distinct within the document, a word: of anchors and of the rows of CSV. */
  readonly id: string;
  readonly caption: Line;
  readonly columns: readonly Line[];
  readonly rows: readonly Row[];
  /** Shades cells by their share of the row: a confusion matrix. */
  readonly isMatrix?: boolean;
  /** Shown only on demand: long, or the data of a chart. */
  readonly isFolded?: boolean;
}

/** A figure with what it tells as text, and its data. */
export interface ChartBlock {
  readonly kind: "chart";
  readonly figure: Figure;
  /** The text alternative. */
  readonly description: Line;
  readonly from: readonly Provenance[];
  readonly tables: readonly Table[];
}

/** A box over a picture, in pixels of the source image. */
export interface PictureBox {
  readonly isTruth: boolean;
  readonly box: readonly number[];
  readonly label: Line;
}

/** A frame with its labels and predictions. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** JPEG, base64. */
  readonly jpeg: string;
  readonly boxes: readonly PictureBox[];
  /** Name of the frame, then what there is to see. */
  readonly caption: readonly Line[];
  readonly from: readonly Provenance[];
}

export interface Gallery {
  readonly kind: "gallery";
  readonly title: Line;
  readonly pictures: readonly Picture[];
}

/** A paragraph, or a list of points. */
export interface TextBlock {
  readonly kind: "text" | "list" | "note";
  readonly lines: readonly Line[];
}

/** What is recommended, and why. */
export interface Verdict {
  readonly kind: "verdict";
  readonly title: Line;
  readonly lines: readonly Line[];
}

export type Block = TextBlock | Table | ChartBlock | Gallery | Verdict;

export interface Section {
  /** Distinct within the document, a word. */
  readonly id: string;
  readonly title: Line;
  readonly blocks: readonly Block[];
}

/** A report in one language, whatever it is to be written as. */
export interface ReportDocument {
  readonly language: Language;
  readonly title: Line;
  /** Under the title. */
  readonly lead: readonly Line[];
  readonly sections: readonly Section[];
  readonly version: string;
}

/** Languages of reports, as in `lang` of HTML. */
export const languages = ["en", "zh-TW"] as const;
/** One of `languages`. */
export type Language = (typeof languages)[number];

/** Forms of a report: a page, or tables for papers and programs. */
export const reportFormats = ["html", "csv", "markdown", "latex"] as const;
/** One of `reportFormats`. */
export type ReportFormat = (typeof reportFormats)[number];
