import type { LabelFault, LabelFaultKind } from "../labels.js";
import type { SplitLeakage } from "../leakage.js";
import type { ImageAudit } from "./image-audit.js";
import { sortedDistinct } from "./order.js";
import type { AppliedRules } from "./rules.js";
import { type DataScan, relativeName, type ScannedFrame } from "./scan.js";
import type { FindingDetail, MixedClip, Severity, ShiftTest, ViewOrder } from "./types.js";
import type { BetterOrder } from "./view-order.js";

/** What the checks judge by: the scan and what several of them need from it. */
export interface Evidence {
  readonly scan: DataScan;
  readonly rules: AppliedRules | null;
  readonly viewOrders: readonly ViewOrder[];
  readonly betterOrder: BetterOrder | null;
  readonly mixedClips: readonly MixedClip[];
  readonly leakage: readonly SplitLeakage[];
  readonly shift: readonly ShiftTest[];
  /** null where the images were not looked at. */
  readonly images: ImageAudit | null;
}

/** What a check found: nothing where `count` is 0. */
export interface Found {
  readonly count: number;
  readonly files: readonly string[];
  readonly details: readonly FindingDetail[];
  /** What to do, where it depends on the data. */
  readonly remedy?: string;
}

/** One check of an audit. */
export interface Check {
  readonly severity: Severity;
  /** What the finding's count counts. */
  readonly unit: string;
  readonly remedy: string;
  readonly find: (evidence: Evidence) => Found;
}

/** Nothing found. */
export const nothing: Found = { count: 0, files: [], details: [] };

/** A finding of frames (or label files): the count is the number of files. */
export function foundFiles(details: readonly (FindingDetail & { readonly frame?: string })[]): Found {
  const files = sortedDistinct(details.map(({ frame, file }) => frame ?? file));
  const plain = details.map(({ frame: _, ...detail }) => detail);
  return { count: files.length, files, details: plain };
}

/** Details of the frames that `message` has something to say about. */
export function foundFrames({ scan }: Evidence, message: (frame: ScannedFrame) => string | null): Found {
  return foundFiles(
    scan.frames.flatMap((frame) => {
      const text = message(frame);
      return text === null ? [] : [{ file: frame.name, message: text }];
    }),
  );
}

/** Details of the lines of label files that `lines` picks out, under the names of their frames. */
export function foundLines(
  { scan }: Evidence,
  lines: (frame: ScannedFrame) => readonly { readonly line?: number; readonly message: string }[],
): Found {
  return foundFiles(
    scan.frames.flatMap((frame) =>
      lines(frame).map((line) => ({
        frame: frame.name,
        file: relativeName(scan.description, frame.labelPath),
        ...line,
      })),
    ),
  );
}

/** The lines of label files with a fault of one kind. */
export function linesWith(kind: LabelFaultKind): Check["find"] {
  return (evidence) => foundLines(evidence, ({ faults }) => faults.filter((fault) => fault.kind === kind));
}

/**
 * Those of the faults that are view lines though data.yaml declares no views: part of a column of undeclared
 * views, or stray lines of data that has none.
 */
export function viewFaults(
  scan: DataScan,
  faults: readonly LabelFault[],
  which: "undeclared" | "stray",
): LabelFault[] {
  if (scan.views.length > 0 !== (which === "undeclared")) return [];
  return faults.filter(({ kind }) => kind === "view-undeclared");
}

/** What data.yaml or the splits as wholes are to blame for: the file is data.yaml, the count that of the messages. */
export function foundInYaml({ description }: DataScan, messages: readonly string[]): Found {
  if (messages.length === 0) return nothing;
  const file = relativeName(description, description.file);
  return { count: messages.length, files: [file], details: messages.map((message) => ({ file, message })) };
}
