import { checks } from "../audit/checks/index.js";
import { type Evidence, viewFaults } from "../audit/evidence.js";
import { relativeName, type ScannedFrame } from "../audit/scan.js";
import { type LabelContext, type ScannedBox, scanLabel } from "../labels.js";
import { replaceWords } from "./lines.js";
import type { RepairAction, RepairCode } from "./plan.js";

/** The text of a line (from 1) of a label file, by the file's name. */
export type LineReader = (file: string, line: number) => string;

/** A box that loses more than this share of its area by clipping was hardly meant so: pixels, perhaps. */
const leastShareInside = 0.5;

/**
 * Boxes clipped to their images, repeated ones removed; removals of empty boxes, lines that cannot be read
 * and boxes of unknown classes, switched off: each such line says that somebody saw something there, and
 * without it the frame would be taken for one that shows nothing.
 */
export function proposeLines(evidence: Evidence, read: LineReader): RepairAction[] {
  const { scan } = evidence;
  const { names, views } = scan.description;
  const labels = new Map(scan.frames.map((frame) => [frame.labelPath, frame]));
  const clipped: ScannedFrame[] = [];
  const actions: RepairAction[] = [];
  for (const frame of labels.values()) {
    const file = relativeName(scan.description, frame.labelPath);
    const removal = (code: RepairCode, line: number, why: string): RepairAction => {
      return { code, file, line, now: read(file, line), becomes: null, why, apply: false };
    };
    const broken = [
      ...frame.faults.filter(({ kind }) => kind === "syntax"),
      ...viewFaults(scan, frame.faults, "stray"),
    ];
    for (const { line, message } of broken) actions.push(removal("label.unparseable", line, message));
    for (const { line, kind, message } of frame.faults) {
      if (kind === "class") actions.push(removal("label.class-range", line, message));
      if (kind === "box-empty") actions.push(removal("box.empty", line, message));
    }
    const context = { file, classes: names.length, views: views.length };
    const boxes = frame.boxes.map((box) => {
      if (!isOutOfRange(box, frame)) return box;
      const now = read(file, box.line);
      const clip = clipLine(now, box, context);
      if (!clip) {
        actions.push(removal("box.out-of-range", box.line, "the box lies outside the image"));
        return box;
      }
      const apply = clip.share >= leastShareInside;
      const doubt = apply ? "" : "; so little that the numbers may be pixels, or wrong";
      const why = `${percent(clip.share)} of the box lies inside the image${doubt}`;
      actions.push({ code: "box.out-of-range", file, line: box.line, now, becomes: clip.text, why, apply });
      return apply ? { ...clip.box, line: box.line } : box;
    });
    clipped.push({ ...frame, boxes });
  }
  return [...actions, ...proposeRepeated({ ...evidence, scan: { ...scan, frames: clipped } }, read)];
}

/** An empty box is told as such, wherever it lies. */
function isOutOfRange({ line, outOfRange }: ScannedBox, { faults }: ScannedFrame): boolean {
  const kinds = faults.flatMap((fault) => (fault.line === line ? [fault.kind] : []));
  return !kinds.includes("box-empty") && (outOfRange || kinds.includes("box-range"));
}

/** What the audit calls repeated, told on the clipped boxes: two boxes may become one by clipping. */
function proposeRepeated(clipped: Evidence, read: LineReader): RepairAction[] {
  return checks["box.repeated"].find(clipped).details.flatMap(({ file, line, message }): RepairAction[] => {
    if (line === undefined) return [];
    const now = read(file, line);
    return [{ code: "box.repeated", file, line, now, becomes: null, why: message, apply: true }];
  });
}

interface Clip {
  readonly text: string;
  readonly box: ScannedBox;
  /** The share of the box's area that is left. */
  readonly share: number;
}

/** The line with its box clipped, numbers inside the image as they were; null where nothing of it is inside. */
function clipLine(text: string, box: ScannedBox, context: LabelContext): Clip | null {
  const values = text.split(/\s+/).slice(1).map(Number);
  const wanted = box.vertices > 0 ? values.map(clamp) : clipBox(values);
  // The first word is the class.
  const changed = wanted.flatMap((value, i) =>
    value === values[i] ? [] : [[i + 1, String(value)] as const],
  );
  const line = replaceWords(text, new Map(changed));
  const { boxes, faults } = scanLabel(line, context);
  if (boxes.length !== 1 || faults.length > 0 || boxes[0].outOfRange) return null;
  return { text: line, box: boxes[0], share: (boxes[0].w * boxes[0].h) / (box.w * box.h) };
}

function clipBox([cx, cy, w, h]: readonly number[]): number[] {
  const [x, width] = clipSpan(cx, w);
  const [y, height] = clipSpan(cy, h);
  return [x, y, width, height];
}

function clipSpan(centre: number, size: number): [number, number] {
  const [low, high] = [centre - size / 2, centre + size / 2];
  if (low >= 0 && high <= 1) return [centre, size];
  const [left, right] = [clamp(low), clamp(high)];
  return [rounded((left + right) / 2), rounded(right - left)];
}

const clamp = (value: number): number => Math.min(Math.max(value, 0), 1);
/** Without the last digits of a binary fraction: a picometre on the screen. */
const rounded = (value: number): number => Number(value.toFixed(12));
const percent = (share: number): string => `${Math.floor(100 * share)} %`;
