import type { ScannedBox } from "../../labels.js";
import { type Check, foundLines, linesWith } from "../evidence.js";

/** Two boxes closer than this in every number are one box. */
const samePlace = 1e-4;

/** A box that reaches over the edge of its image, or lies outside it. */
export const boxOutOfRange: Check = {
  severity: "error",
  unit: "frames",
  remedy: "clip the box to the image; where coordinates are in pixels, divide them by its width and height",
  find: (evidence) =>
    foundLines(evidence, ({ boxes, faults }) => {
      const ranges = faults.filter(({ kind }) => kind === "box-range");
      const told = new Set(ranges.map(({ line }) => line));
      const over = boxes
        .filter(({ outOfRange, line }) => outOfRange && !told.has(line))
        .map(({ line, cx, cy, w, h }) => ({
          line,
          message: `expected a box inside the image, got ${describe({ cx, cy, w, h })}`,
        }));
      return [...ranges, ...over];
    }),
};

/** A box without width or height. */
export const boxEmpty: Check = {
  severity: "error",
  unit: "frames",
  remedy: "draw the box anew, or remove the line",
  find: linesWith("box-empty"),
};

/** The same box of the same class twice in one image. */
export const boxRepeated: Check = {
  severity: "warning",
  unit: "frames",
  remedy: "remove the repeated line",
  find: (evidence) =>
    foundLines(evidence, ({ boxes }) =>
      boxes.flatMap((box, index) => {
        const first = boxes.slice(0, index).find((other) => isSame(box, other));
        return first ? [{ line: box.line, message: `the box of line ${first.line} again` }] : [];
      }),
    ),
};

function isSame(a: ScannedBox, b: ScannedBox): boolean {
  return (
    a.class === b.class &&
    [a.cx - b.cx, a.cy - b.cy, a.w - b.w, a.h - b.h].every((gap) => Math.abs(gap) <= samePlace)
  );
}

function describe({ cx, cy, w, h }: Pick<ScannedBox, "cx" | "cy" | "w" | "h">): string {
  const span = (centre: number, size: number): string =>
    `${Number((centre - size / 2).toPrecision(4))}..${Number((centre + size / 2).toPrecision(4))}`;
  return `x ${span(cx, w)}, y ${span(cy, h)}`;
}
