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

/** Rounding of the tool that wrote the file may push a coordinate this far over the edge. */
const tolerance = 1e-6;
const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

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
 * @throws EchoDuetError `data` that names file, line, what was expected, what was found and the remedy.
 */
export function parseLabel(text: string, context: LabelContext): ParsedLabel {
  const boxes: LabelBox[] = [];
  let view = -1;
  let viewLine = 0;
  text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)
    .forEach((raw, index) => {
      const line = raw.trim();
      if (line === "") return;
      const fail = failureAt(context.file, index + 1);
      if (!isViewLine(line, context.views)) {
        boxes.push(parseBox(line, context, fail));
        return;
      }
      const parsed = parseView(line, context, fail);
      if (viewLine > 0) {
        fail(`expected one view line, got a second one (the first is line ${viewLine}); remove one of them`);
      }
      view = parsed;
      viewLine = index + 1;
    });
  return { boxes, view };
}

type Fail = (message: string) => never;

function failureAt(file: string, line: number): Fail {
  return (message) => {
    throw new EchoDuetError("data", `${file}:${line}: ${message}`);
  };
}

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

function parseView(line: string, { views }: LabelContext, fail: Fail): number {
  const bracketed = /^\[(.*)\]$/.exec(line);
  const tokens = bracketed ? bracketed[1].trim().split(/\s*,\s*|\s+/) : line.split(/\s+/);
  if (views === 0) {
    fail(
      `expected a box \`class cx cy w h\` or a polygon, got the view line \`${line}\`; ` +
        "if the images have views, declare them in data.yaml, for example `views: [A4C, PSAX, PLAX]`",
    );
  }
  if (!bracketed && tokens.length === 1) return parseViewIndex(tokens[0], views, fail);
  if (tokens.length !== views) {
    const remedy = "correct the line, or `views` in data.yaml";
    fail(`expected a one-hot line of ${views} views, got ${tokens.length} values in \`${line}\`; ${remedy}`);
  }
  const ones = tokens.filter((token) => isZeroOrOne(token) && Number(token) === 1).length;
  if (!tokens.every(isZeroOrOne) || ones !== 1) {
    const remedy = ones === 0 ? "; leave the line out where the image has no view" : "";
    fail(`expected a one-hot view line, zeros and exactly one 1, got \`${line}\`${remedy}`);
  }
  return tokens.findIndex((token) => Number(token) === 1);
}

function parseViewIndex(token: string, views: number, fail: Fail): number {
  // With a single view its one-hot line is `1`, its index `0`: both mean that view.
  if (views === 1 && token === "1") return 0;
  if (!/^\d+$/.test(token) || Number(token) >= views) {
    fail(`expected the index of a view, 0..${views - 1}, got \`${token}\`; correct the line`);
  }
  return Number(token);
}

function parseBox(line: string, { classes, views }: LabelContext, fail: Fail): LabelBox {
  const tokens = line.split(/\s+/);
  if (!isBoxLength(tokens.length)) {
    const viewForm = views > 0 ? ` or a view line of ${views} numbers` : "";
    fail(
      `expected \`class cx cy w h\`, \`class x1 y1 ... xn yn\` with at least 3 vertices${viewForm}, ` +
        `got ${tokens.length} values in \`${shorten(line)}\`; correct or remove the line`,
    );
  }
  const values = tokens.map((token, index) => {
    if (!numberPattern.test(token)) fail(`expected a finite number as value ${index + 1}, got \`${token}\``);
    return Number(token);
  });
  if (classes === 0) {
    fail(
      `expected a view line, since data.yaml declares no \`names\`, got the box \`${shorten(line)}\`; ` +
        "declare the classes of the boxes, for example `names: [AR, MR, PR, TR]`",
    );
  }
  const label = values[0];
  if (!Number.isInteger(label) || label < 0 || label >= classes) {
    fail(
      `expected a class index in 0..${classes - 1} (${classes} names in data.yaml), got \`${tokens[0]}\`; ` +
        "correct the line, or `names` in data.yaml",
    );
  }
  const coordinates = values.slice(1).map((value, index) => {
    if (value < -tolerance || value > 1 + tolerance) {
      const remedy = "divide pixels by the image's width and height";
      fail(`expected coordinates within 0..1, got \`${tokens[index + 1]}\` as value ${index + 2}; ${remedy}`);
    }
    return Math.min(Math.max(value, 0), 1);
  });
  const box = coordinates.length === 4 ? fromCentre(label, coordinates) : aroundVertices(label, coordinates);
  if (!(box.w > 0 && box.h > 0)) {
    fail(`expected a box of positive width and height, got ${box.w} x ${box.h}; correct or remove the line`);
  }
  return box;
}

function fromCentre(label: number, [cx, cy, w, h]: readonly number[]): LabelBox {
  return { class: label, cx, cy, w, h };
}

function aroundVertices(label: number, coordinates: readonly number[]): LabelBox {
  const xs = coordinates.filter((_, index) => index % 2 === 0);
  const ys = coordinates.filter((_, index) => index % 2 === 1);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  return { class: label, cx: (left + right) / 2, cy: (top + bottom) / 2, w: right - left, h: bottom - top };
}

function shorten(line: string): string {
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
}
