import type { Picture, Rectangle } from "./picture.js";

/** Where a picture shows the body: the convex hull of what is lit, marks left out. */
export interface Sector {
  /** Corners of the hull in pixels, in order. */
  readonly hull: readonly Point[];
  readonly columns: Columns;
}

/** For each row of a picture, the first column of an area and the one behind its last; both 0 without any. */
export interface Columns {
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
  const opened = spread(spread(threshold(grid), 0, grid), 1, grid);
  const patches = patchesOf(opened, grid).filter((patch) => isTissue(patch, grid));
  const area = patches.reduce((sum, patch) => sum + patch.area, 0);
  if (area < leastArea * grid.values.length) return null;
  const hull = convexHull(patches.flatMap((patch) => cornersOf(patch, grid)));
  return { hull, columns: columnsOf(hull, picture) };
}

/** Mean brightness of square cells of the content, rows of `columns`. */
interface Grid {
  readonly values: Uint8Array;
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
  const sums = new Int32Array(columns * rows);
  const counts = new Int32Array(columns * rows);
  for (let y = content.y1; y < content.y2; y++) {
    const base = Math.floor((y - content.y1) / side) * columns;
    for (let x = content.x1, cell = base, left = side; x < content.x2; x++) {
      const word = words[y * width + x];
      // The sum of the channels, so that dark blue flow is lit as well.
      sums[cell] += (word & 255) + ((word >> 8) & 255) + (word >> 16);
      counts[cell]++;
      if (--left === 0) {
        left = side;
        cell++;
      }
    }
  }
  const values = Uint8Array.from(sums, (sum, cell) => sum / (3 * counts[cell]));
  return { values, columns, rows, side, content };
}

function threshold({ values }: Grid): Uint8Array {
  // The level of the darkest twentieth; a picture that is bright all over has no background.
  const counts = new Int32Array(256);
  for (const value of values) counts[value]++;
  let background = 0;
  for (let below = counts[0]; below * 20 < values.length && background < 24; below += counts[background]) {
    background++;
  }
  return values.map((value) => (value >= background + lit ? 1 : 0));
}

/** A mask in which each cell with one of its 3 x 3 neighbours at `value` is at it: 0 erodes, 1 dilates. */
function spread(mask: Uint8Array, value: 0 | 1, { columns, rows }: Grid): Uint8Array {
  const out = mask.slice();
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      if (mask[row * columns + column] !== value) continue;
      const right = Math.min(column + 2, columns);
      for (let y = Math.max(row - 1, 0); y < Math.min(row + 2, rows); y++) {
        out.fill(value, y * columns + Math.max(column - 1, 0), y * columns + right);
      }
    }
  }
  return out;
}

/** Connected cells: their count and, for each row from the first on, the leftmost and rightmost column. */
interface Patch {
  readonly area: number;
  readonly extents: ReadonlyMap<number, readonly [left: number, right: number]>;
}

function patchesOf(mask: Uint8Array, grid: Grid): Patch[] {
  const open = mask.slice();
  const patches: Patch[] = [];
  for (let first = 0; first < open.length; first++) {
    if (open[first] === 1) patches.push(takePatch(open, first, grid));
  }
  return patches;
}

/** The patch of a cell, its cells set to 0. */
function takePatch(open: Uint8Array, first: number, { columns, rows }: Grid): Patch {
  const queue = [first];
  open[first] = 0;
  const extents = new Map<number, [number, number]>();
  for (let i = 0; i < queue.length; i++) {
    const column = queue[i] % columns;
    const row = (queue[i] - column) / columns;
    const extent = extents.get(row);
    if (!extent) extents.set(row, [column, column]);
    else {
      extent[0] = Math.min(extent[0], column);
      extent[1] = Math.max(extent[1], column);
    }
    for (let y = Math.max(row - 1, 0); y < Math.min(row + 2, rows); y++) {
      for (let x = Math.max(column - 1, 0); x < Math.min(column + 2, columns); x++) {
        const next = y * columns + x;
        if (open[next] === 0) continue;
        open[next] = 0;
        queue.push(next);
      }
    }
  }
  return { area: queue.length, extents };
}

/** Whether a patch may be part of the body: not tiny, and no bar of colours or greys. */
function isTissue({ area, extents }: Patch, { columns, values }: Grid): boolean {
  const sides = [...extents.values()];
  const across = Math.max(...sides.map(([, right]) => right)) - Math.min(...sides.map(([left]) => left)) + 1;
  const down = extents.size;
  const bar = Math.min(across, down) <= 0.08 * columns && area > 0.8 * across * down;
  return area > 0.004 * values.length && !bar;
}

/** The outer corners of a patch's rows, in pixels. */
function cornersOf({ extents }: Patch, { side, content }: Grid): Point[] {
  return [...extents].flatMap(([row, [left, right]]) => {
    const x1 = content.x1 + left * side;
    const x2 = Math.min(content.x1 + (right + 1) * side, content.x2);
    const y1 = content.y1 + row * side;
    const y2 = Math.min(y1 + side, content.y2);
    const corners: Point[] = [
      [x1, y1],
      [x2, y1],
      [x1, y2],
      [x2, y2],
    ];
    return corners;
  });
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
function columnsOf(hull: readonly Point[], { width, height }: Picture): Columns {
  const low = new Float64Array(height).fill(Number.POSITIVE_INFINITY);
  const high = new Float64Array(height).fill(Number.NEGATIVE_INFINITY);
  hull.forEach(([ax, ay], i) => {
    const [bx, by] = hull[(i + 1) % hull.length];
    const last = Math.max(ay, by);
    for (let row = Math.ceil(Math.min(ay, by) - 0.5); row + 0.5 < last; row++) {
      const x = ax + ((row + 0.5 - ay) / (by - ay)) * (bx - ax);
      low[row] = Math.min(low[row], x);
      high[row] = Math.max(high[row], x);
    }
  });
  const isIn = (row: number): boolean => low[row] <= high[row];
  return {
    starts: Int32Array.from(low, (x, row) => (isIn(row) ? Math.max(0, Math.floor(x)) : 0)),
    ends: Int32Array.from(high, (x, row) => (isIn(row) ? Math.min(width, Math.ceil(x)) : 0)),
  };
}

/** A sector's columns with a margin of `by` pixels to all sides, within the content. */
export function grown({ columns }: Sector, by: number, { x1, y1, x2, y2 }: Rectangle): Columns {
  const starts = new Int32Array(columns.starts.length);
  const ends = new Int32Array(columns.ends.length);
  for (let y = y1; y < y2; y++) {
    let [start, end] = [x2, 0];
    for (let row = Math.max(y - by, y1); row <= Math.min(y + by, y2 - 1); row++) {
      if (columns.ends[row] === 0) continue;
      start = Math.min(start, columns.starts[row]);
      end = Math.max(end, columns.ends[row]);
    }
    if (end === 0) continue;
    starts[y] = Math.max(start - by, x1);
    ends[y] = Math.min(end + by, x2);
  }
  return { starts, ends };
}
