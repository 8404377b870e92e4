import type { Picture, Rectangle } from "./picture.js";

/** Where a picture shows the body: the convex hull of what is lit, marks left out. */
export interface Sector {
  /** Corners of the hull in pixels, in order. */
  readonly hull: readonly Point[];
  /** For each row of the picture, the first column of the hull and the one behind its last; both 0 without. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

type Point = readonly [x: number, y: number];

/** Cells along the shorter side of the image in which it is searched. */
const cellsAcross = 64;
/** Levels by which a cell must outshine the background. */
const lit = 8;
/** Least share of the image that the body covers. */
const leastArea = 0.05;

/**
 * The ultrasound sector of a picture, estimated from what is lit: cells brighter than the background, thin
 * things (ruler, text, marks, a trace) removed by an opening, small or bar-shaped patches left out, and the
 * convex hull around the others. A dark edge of the sector is lost only as far as the hull cuts it off.
 * @returns null where too little is lit to tell
 */
export function findSector(picture: Picture): Sector | null {
  const grid = brightness(picture);
  const opened = dilated(eroded(threshold(grid), grid), grid);
  const patches = patchesOf(opened, grid).filter((patch) => isTissue(patch, grid));
  const area = patches.reduce((sum, { cells }) => sum + cells.length, 0);
  if (area < leastArea * grid.values.length) return null;
  const corners = patches.flatMap(({ cells }) => cells.flatMap((cell) => cornersOf(cell, grid)));
  const hull = convexHull(corners);
  return { hull, ...spans(hull, picture) };
}

/** Mean brightness of square cells of the content, rows of `columns`. */
interface Grid {
  readonly values: Float64Array;
  readonly columns: number;
  readonly rows: number;
  readonly side: number;
  readonly content: Rectangle;
}

function brightness({ words, width, content }: Picture): Grid {
  const [across, down] = [content.x2 - content.x1, content.y2 - content.y1];
  const side = Math.max(1, Math.round(Math.min(across, down) / cellsAcross));
  const columns = Math.ceil(across / side);
  const rows = Math.ceil(down / side);
  const values = new Float64Array(columns * rows);
  const counts = new Int32Array(columns * rows);
  for (let y = content.y1; y < content.y2; y++) {
    const base = Math.floor((y - content.y1) / side) * columns;
    for (let x = content.x1, cell = base, left = side; x < content.x2; x++) {
      const word = words[y * width + x];
      // The sum of the channels, so that dark blue flow is lit as well.
      values[cell] += (word & 255) + ((word >> 8) & 255) + (word >> 16);
      counts[cell]++;
      if (--left === 0) {
        left = side;
        cell++;
      }
    }
  }
  for (let i = 0; i < values.length; i++) values[i] /= 3 * counts[i];
  return { values, columns, rows, side, content };
}

function threshold({ values }: Grid): Uint8Array {
  const background = values.toSorted()[Math.floor(values.length / 20)];
  return Uint8Array.from(values, (value) => (value >= Math.min(background, 24) + lit ? 1 : 0));
}

/** Cells all of whose 3 x 3 neighbours are set; what lies outside the picture counts as set. */
function eroded(mask: Uint8Array, grid: Grid): Uint8Array {
  return mask.map((_, cell) => (neighbours(cell, grid).every((at) => mask[at] === 1) ? 1 : 0));
}

/** Cells any of whose 3 x 3 neighbours is set. */
function dilated(mask: Uint8Array, grid: Grid): Uint8Array {
  return mask.map((_, cell) => (neighbours(cell, grid).some((at) => mask[at] === 1) ? 1 : 0));
}

function neighbours(cell: number, { columns, rows }: Grid): number[] {
  const [x, y] = [cell % columns, Math.floor(cell / columns)];
  const out: number[] = [];
  for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, rows - 1); row++) {
    for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, columns - 1); column++) {
      out.push(row * columns + column);
    }
  }
  return out;
}

/** Connected cells with their bounds, the last row and column included. */
interface Patch {
  readonly cells: readonly number[];
  readonly across: number;
  readonly down: number;
}

function patchesOf(mask: Uint8Array, grid: Grid): Patch[] {
  const open = mask.slice();
  const patches: Patch[] = [];
  open.forEach((set, first) => {
    if (set === 0) return;
    const cells = [first];
    open[first] = 0;
    for (let i = 0; i < cells.length; i++) {
      for (const next of neighbours(cells[i], grid)) {
        if (open[next] === 0) continue;
        open[next] = 0;
        cells.push(next);
      }
    }
    const xs = cells.map((cell) => cell % grid.columns);
    const ys = cells.map((cell) => Math.floor(cell / grid.columns));
    const across = Math.max(...xs) - Math.min(...xs) + 1;
    const down = Math.max(...ys) - Math.min(...ys) + 1;
    patches.push({ cells, across, down });
  });
  return patches;
}

/** Whether a patch may be part of the body: not tiny, and no bar of colours or greys. */
function isTissue({ cells, across, down }: Patch, { columns, values }: Grid): boolean {
  const bar = Math.min(across, down) <= 0.08 * columns && cells.length > 0.8 * across * down;
  return cells.length > 0.004 * values.length && !bar;
}

function cornersOf(cell: number, { columns, side, content }: Grid): Point[] {
  const x = content.x1 + (cell % columns) * side;
  const y = content.y1 + Math.floor(cell / columns) * side;
  const [right, bottom] = [Math.min(x + side, content.x2), Math.min(y + side, content.y2)];
  return [
    [x, y],
    [right, y],
    [x, bottom],
    [right, bottom],
  ];
}

/** Andrew's monotone chain (1979): left to right along one side, back along the other. */
function convexHull(points: readonly Point[]): Point[] {
  const sorted = points.toSorted(([ax, ay], [bx, by]) => ax - bx || ay - by);
  const chain = (ordered: readonly Point[]): Point[] => {
    const out: Point[] = [];
    for (const point of ordered) {
      while (out.length > 1 && turn(out[out.length - 2], out[out.length - 1], point) <= 0) out.pop();
      out.push(point);
    }
    return out.slice(0, -1);
  };
  return [...chain(sorted), ...chain(sorted.toReversed())];
}

function turn([ax, ay]: Point, [bx, by]: Point, [cx, cy]: Point): number {
  return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
}

/** The hull's columns at the centre of each row. */
function spans(hull: readonly Point[], { width, height }: Picture): { starts: Int32Array; ends: Int32Array } {
  const starts = new Int32Array(height);
  const ends = new Int32Array(height);
  for (let row = 0; row < height; row++) {
    const y = row + 0.5;
    const crossings = hull.flatMap(([ax, ay], i) => {
      const [bx, by] = hull[(i + 1) % hull.length];
      return ay > y === by > y ? [] : [ax + ((y - ay) / (by - ay)) * (bx - ax)];
    });
    if (crossings.length === 0) continue;
    starts[row] = Math.max(0, Math.floor(Math.min(...crossings)));
    ends[row] = Math.min(width, Math.ceil(Math.max(...crossings)));
  }
  return { starts, ends };
}
