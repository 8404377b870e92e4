import { EchoDuetError } from "../errors.js";

/** A box of one class, centre and size as parts of the image's width and height (float64). */
export interface LabelBox {
  readonly class: number;
  readonly cx: number;
  readonly cy: number;
  readonly w: number;
  readonly h: number;
}

/** What one label file says. */
export interface ParsedLabel {
  readonly boxes: readonly LabelBox[];
  /** Index of the view, -1 where the file names none. */
  readonly view: number;
}

/** What a label file is checked against. */
export interface LabelContext {
  /** Named in errors. */
  readonly file: string;
  /** Number of detection classes, 0 where the data has none. */
  readonly classes: number;
  /** Number of views, 0 where the data has none. */
  readonly views: number;
}

/** What is wrong with a line of a label file. */
export type LabelFaultKind =
  | "syntax" // neither a box nor a view line
  | "class" // a class that data.yaml does not have
  | "box-range" // coordinates outside the image
  | "box-empty" // no width or no height
  | "view-none" // a one-hot line without a 1
  | "view-ambiguous" // several ones, a wrong length, or an index out of range
  | "view-repeated" // a second view line
  | "view-undeclared"; // a view line where data.yaml has no `views`

/** A fault of a label file; `message` is what was expected, what was found, and the remedy. */
export interface LabelFault {
  /** From 1. */
  readonly line: number;
  readonly kind: LabelFaultKind;
  readonly message: string;
}

/** A box as its line has it; coordinates outside the image are kept. */
export interface ScannedBox extends LabelBox {
  readonly line: number;
  /** Whether it reaches over the image's edge. */
  readonly outOfRange: boolean;
  /** Vertices of a polygon, 0 for a box. */
  readonly vertices: number;
}

/** A view line. */
export interface ScannedView {
  readonly line: number;
  readonly index: number;
  /** Length of a one-hot line, null for a lone index. */
  readonly columns: number | null;
}

/** Everything that a label file says, right or wrong. */
export interface ScannedLabel {
  readonly boxes: readonly ScannedBox[];
  /** Each view line that names one view; also where data.yaml declares no views, or the file has several. */
  readonly views: readonly ScannedView[];
  /** By line. */
  readonly faults: readonly LabelFault[];
}

/** Rounding of the tool that wrote the file may push a coordinate this far over the edge. */
const tolerance = 1e-6;
// One way alone to match each text: a digit that could be before or after a missing point would make the time
// quadratic in the length.
const numberPattern = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;

/**
 * Reads a label file. Its lines, in any order, blank ones skipped:
 * - `class cx cy w h`: a box;
 * - `class x1 y1 x2 y2 x3 y3 ...`: a polygon of three or more vertices, taken as the box around it;
 * - at most one view line, where the data set declares V views: V zeros and ones with exactly one 1
 *   (`0 1 0` or `[0, 1, 0]`), or the view's index alone (`1`).
 *
 * A one-hot line cannot be mistaken for a box even where V is 5, 7, 9, ...: a box of positive width and
 * height has at least two numbers above zero after its class. So zeros and ones with a single 1 are always
 * a view line, of the wrong length where there are not V of them, and every other line of 5 or an odd
 * number from 7 up is a box. A frame without a view has no view line: all zeros are an error, since they
 * may as well be a lost label.
 * @throws EchoDuetError `data` for the first fault, with file, line, what was expected, what was found and
 *   the remedy.
 */
export function parseLabel(text: string, context: LabelContext): ParsedLabel {
  const { boxes, views, faults } = scanLabel(text, context);
  const [fault] = faults;
  if (fault) throw new EchoDuetError("data", `${context.file}:${fault.line}: ${fault.message}`);
  return { boxes: boxes.map(plain), view: views[0]?.index ?? -1 };
}

/** Reads a label file as `parseLabel` does, but goes on after a fault and never throws. */
export function scanLabel(text: string, context: LabelContext): ScannedLabel {
  const boxes: ScannedBox[] = [];
  const views: ScannedView[] = [];
  const faults: LabelFault[] = [];
  text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)
    .forEach((raw, index) => {
      const text = raw.trim();
      if (text === "") return;
      const line = index + 1;
      const fault = (kind: LabelFaultKind, message: string): void => {
        faults.push({ line, kind, message });
      };
      if (!isViewLine(text, context.views)) {
        const box = scanBox(text, context, fault);
        if (box) boxes.push({ ...box, line });
        return;
      }
      const view = scanView(text, context, fault);
      if (!view) return;
      const [first] = views;
      if (first && context.views > 0) {
        const message = `expected one view line, got a second one (the first is line ${first.line}); remove one of them`;
        fault("view-repeated", message);
      }
      views.push({ ...view, line });
    });
  return { boxes, views, faults };
}

/**
 * The canonical text of a label: `class cx cy w h` for each box with the shortest decimals that read back as
 * the same numbers, then, where there is a view, a blank line and the one-hot line.
 * @param view index, -1 for none
 * @param views number of views
 */
export function formatLabel(boxes: readonly LabelBox[], view: number, views: number): string {
  const lines = boxes.map((box) => [box.class, box.cx, box.cy, box.w, box.h].join(" "));
  if (view >= 0) lines.push("", Array.from({ length: views }, (_, i) => (i === view ? 1 : 0)).join(" "));
  return lines.map((line) => `${line}\n`).join("");
}

type Report = (kind: LabelFaultKind, message: string) => void;

const isZeroOrOne = (token: string): boolean => /^[01](\.0*)?$/.test(token);

function isViewLine(line: string, views: number): boolean {
  if (line.startsWith("[")) return true;
  const tokens = line.split(/\s+/);
  if (tokens.length === 1) return true;
  if (!tokens.every(isZeroOrOne)) return tokens.length === views && !isBoxLength(tokens.length);
  return !isBoxLength(tokens.length) || tokens.filter((token) => Number(token) === 1).length === 1;
}

/** 5 for a box; odd and at least 7 for a polygon. */
function isBoxLength(count: number): boolean {
  return count >= 5 && count % 2 === 1;
}

/** The view that a line names, or null where it names none. */
function scanView(line: string, { views }: LabelContext, fault: Report): Omit<ScannedView, "line"> | null {
  const bracketed = /^\[(.*)\]$/.exec(line);
  const tokens = bracketed ? bracketed[1].trim().split(/\s*,\s*|\s+/) : line.split(/\s+/);
  if (views === 0) {
    fault(
      "view-undeclared",
      `expected a box \`class cx cy w h\` or a polygon, got the view line \`${shorten(line)}\`; ` +
        "if the images have views, declare them in data.yaml, for example `views: [A4C, PSAX, PLAX]`",
    );
  }
  if (!bracketed && tokens.length === 1) return scanViewIndex(tokens[0], views, fault);
  if (views > 0 && tokens.length !== views) {
    const remedy = "correct the line, or `views` in data.yaml";
    const kind = tokens.every(isZeroOrOne) ? "view-ambiguous" : "syntax";
    fault(
      kind,
      `expected a one-hot line of ${views} views, got ${tokens.length} values in \`${shorten(line)}\`; ${remedy}`,
    );
    return null;
  }
  const ones = tokens.filter((token) => isZeroOrOne(token) && Number(token) === 1).length;
  if (!tokens.every(isZeroOrOne) || ones !== 1) {
    if (views === 0) return null;
    const kind = !tokens.every(isZeroOrOne) ? "syntax" : ones === 0 ? "view-none" : "view-ambiguous";
    const remedy = ones === 0 ? "; leave the line out where the image has no view" : "";
    fault(kind, `expected a one-hot view line, zeros and exactly one 1, got \`${shorten(line)}\`${remedy}`);
    return null;
  }
  return { index: tokens.findIndex((token) => Number(token) === 1), columns: tokens.length };
}

function scanViewIndex(token: string, views: number, fault: Report): Omit<ScannedView, "line"> | null {
  // With a single view its one-hot line is `1`, its index `0`: both mean that view.
  if (views === 1 && token === "1") return { index: 0, columns: 1 };
  const isIndex = /^\d{1,9}$/.test(token);
  if (views === 0) return isIndex ? { index: Number(token), columns: null } : null;
  if (isIndex && Number(token) < views) return { index: Number(token), columns: null };
  fault(
    /^\d+$/.test(token) ? "view-ambiguous" : "syntax",
    `expected the index of a view, 0..${views - 1}, got \`${shorten(token)}\`; correct the line`,
  );
  return null;
}

/** The box of a line, its faults reported; null where there is no box to be had from it. */
function scanBox(line: string, context: LabelContext, fault: Report): Omit<ScannedBox, "line"> | null {
  const { classes, views } = context;
  const tokens = line.split(/\s+/);
  if (!isBoxLength(tokens.length)) {
    const viewForm = views > 0 ? ` or a view line of ${views} numbers` : "";
    fault(
      "syntax",
      `expected \`class cx cy w h\`, \`class x1 y1 ... xn yn\` with at least 3 vertices${viewForm}, ` +
        `got ${tokens.length} values in \`${shorten(line)}\`; correct or remove the line`,
    );
    return null;
  }
  const values = tokens.map(Number);
  const bad = tokens.findIndex((token, i) => !numberPattern.test(token) || !Number.isFinite(values[i]));
  if (bad >= 0) {
    fault("syntax", `expected a finite number as value ${bad + 1}, got \`${shorten(tokens[bad])}\``);
    return null;
  }
  const label = values[0];
  if (classes === 0) {
    fault(
      "class",
      `expected a view line, since data.yaml declares no \`names\`, got the box \`${shorten(line)}\`; ` +
        "declare the classes of the boxes, for example `names: [AR, MR, PR, TR]`",
    );
    return null;
  }
  if (!Number.isInteger(label) || label < 0 || label >= classes) {
    fault(
      "class",
      `expected a class index in 0..${classes - 1} (${classes} names in data.yaml), got \`${shorten(tokens[0])}\`; ` +
        "correct the line, or `names` in data.yaml",
    );
    return null;
  }
  return scanGeometry(label, tokens, values.slice(1), fault);
}

function scanGeometry(
  label: number,
  tokens: readonly string[],
  coordinates: readonly number[],
  fault: Report,
): Omit<ScannedBox, "line"> {
  const beyond = coordinates.findIndex((value) => value < -tolerance || value > 1 + tolerance);
  if (beyond >= 0) {
    const remedy = "divide pixels by the image's width and height";
    const got = `\`${shorten(tokens[beyond + 1])}\` as value ${beyond + 2}`;
    fault("box-range", `expected coordinates within 0..1, got ${got}; ${remedy}`);
  }
  // Rounding at the edge is put right here; what lies further out is left as it was found.
  const kept = beyond >= 0 ? coordinates : coordinates.map((value) => Math.min(Math.max(value, 0), 1));
  const vertices = kept.length === 4 ? 0 : kept.length / 2;
  const box = vertices === 0 ? fromCentre(label, kept) : aroundVertices(label, kept);
  if (!(box.w > 0 && box.h > 0)) {
    fault(
      "box-empty",
      `expected a box of positive width and height, got ${box.w} x ${box.h}; correct or remove the line`,
    );
  }
  return { ...box, vertices, outOfRange: reachesOver(box.cx, box.w) || reachesOver(box.cy, box.h) };
}

const reachesOver = (centre: number, size: number): boolean =>
  centre - size / 2 < -tolerance || centre + size / 2 > 1 + tolerance;

function fromCentre(label: number, [cx, cy, w, h]: readonly number[]): LabelBox {
  return { class: label, cx, cy, w, h };
}

function aroundVertices(label: number, coordinates: readonly number[]): LabelBox {
  const xs = coordinates.filter((_, index) => index % 2 === 0);
  const ys = coordinates.filter((_, index) => index % 2 === 1);
  const [left, right] = extremes(xs);
  const [top, bottom] = extremes(ys);
  return { class: label, cx: (left + right) / 2, cy: (top + bottom) / 2, w: right - left, h: bottom - top };
}

/** Least and greatest; a polygon may have more vertices than a call has room for arguments. */
function extremes(values: readonly number[]): [number, number] {
  return values.reduce<[number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity],
  );
}

function plain({ class: label, cx, cy, w, h }: ScannedBox): LabelBox {
  return { class: label, cx, cy, w, h };
}

function shorten(line: string): string {
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
}
