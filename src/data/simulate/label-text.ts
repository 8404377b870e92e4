import { VALVES, VIEWS, type View } from "./anatomy.js";
import { classOf, columnOf, type Entry, type LabelFault } from "./entries.js";
import type { PixelBox } from "./render.js";

/** A box as shares of the picture: left, top, right, bottom. */
export type ShareBox = readonly [left: number, top: number, right: number, bottom: number];

/** Pixels as shares of a picture's width and height, to a millionth. */
export function shareBox(box: PixelBox, { width, height }: { width: number; height: number }): ShareBox {
  const share = (pixels: number, side: number): number => Number((pixels / side).toFixed(6));
  return [share(box[0], width), share(box[1], height), share(box[2], width), share(box[3], height)];
}

/**
 * The label file of an entry, planted fault included: class and the box's corners clockwise from the upper
 * left, a blank line, the one-hot view.
 */
export function labelText({ label, shows }: Pick<Entry, "label" | "shows">, box: ShareBox): string {
  const lines = boxLines(classOf(shows.scene), box, label.fault);
  return [...lines, "", ...viewLines(label.view, label.fault)].map((line) => `${line}\n`).join("");
}

function boxLines(index: number, box: ShareBox, fault: LabelFault | null): string[] {
  const [left, top, right, bottom] = box;
  switch (fault) {
    case "unparseable":
      return [boxLine(VALVES[index]!, box)];
    case "classRange":
      return [boxLine(index + VALVES.length, box)];
    case "boxOutOfRange": {
      const over = 1.08 - right;
      return [boxLine(index, [left + over, top, right + over, bottom])];
    }
    case "boxEmpty":
      return [boxLine(index, [left, top, left, bottom])];
    case "boxRepeated":
      return [boxLine(index, box), boxLine(index, box)];
    default:
      return [boxLine(index, box)];
  }
}

function boxLine(label: number | string, [left, top, right, bottom]: ShareBox): string {
  const corners = [left, top, right, top, right, bottom, left, bottom];
  return `${label} ${corners.map((corner) => corner.toFixed(6)).join(" ")}`;
}

function viewLines(view: View, fault: LabelFault | null): string[] {
  const hot = (...columns: number[]): string => VIEWS.map((_, i) => (columns.includes(i) ? 1 : 0)).join(" ");
  const column = columnOf(view);
  const other = (column + 1) % VIEWS.length;
  switch (fault) {
    case "viewMissing":
      return [];
    case "viewContradictory":
      return [hot(column), hot(other)];
    case "viewAmbiguous":
      // Both kinds: several ones, and none.
      return [column === 0 ? hot() : hot(column, other)];
    default:
      return [hot(column)];
  }
}
