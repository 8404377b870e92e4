import { shapeError } from "../errors.js";

/** What `assignTargets` needs to know of the detection head. */
export interface AssignmentOptions {
  /** Cells of each level's grid, finest first. */
  readonly gridSizes: readonly { readonly width: number; readonly height: number }[];
  /** Anchor sizes in grid units of their own level: [level][anchor][width, height]. */
  readonly anchors: readonly (readonly (readonly number[])[])[];
  /** A target fits an anchor when no side is this many times larger or smaller; 4 by default. */
  readonly anchorThreshold?: number;
}

/** The targets that one level of the head must predict, one entry a match, in a fixed order. */
export interface LevelMatches {
  readonly count: number;
  /** Index of the image in the batch, [count]. */
  readonly image: Int32Array;
  /** Index of the anchor within the level, [count]. */
  readonly anchorIndex: Int32Array;
  /** Row of the cell, [count]. */
  readonly gj: Int32Array;
  /** Column of the cell, [count]. */
  readonly gi: Int32Array;
  /** Class of the target, [count]. */
  readonly classIndex: Int32Array;
  /** [count, 4]: centre relative to the cell's corner, then width and height, all in grid units. */
  readonly box: Float32Array;
  /** [count, 2]: width and height of the anchor, in grid units. */
  readonly anchor: Float32Array;
  /**
   * [count]: 1 where the match is the last one of its (image, anchor, row, column), the one whose IoU is
   * the objectness target. Chosen here because ONNX leaves duplicate indices of `ScatterND` undefined.
   */
  readonly winner: Uint8Array;
}

/** Numbers in one row of targets: image, class, cx, cy, w, h. */
const TARGET_WIDTH = 6;

/** How far a centre is shifted before its cell is read: its own cell, then left, up, right and down. */
const SHIFTS = [
  [0, 0],
  [0.5, 0],
  [0, 0.5],
  [-0.5, 0],
  [0, -0.5],
] as const;

/**
 * YOLOv5's assignment of targets to anchors and cells, level by level.
 *
 * A target fits an anchor when max(r, 1 / r) < `anchorThreshold` for both ratios r = target side / anchor
 * side. It is then given to the cell that holds its centre (x, y) and to the nearer horizontal and the
 * nearer vertical neighbour: left when frac(x) < 0.5 and x > 1, right when the same holds of width - x, and
 * so for y. Cells beyond the border are clamped to the grid. Matches come in the order neighbour, anchor,
 * target. Arithmetic is float32, as in the original, since it decides comparisons.
 *
 * @param targets [n, 6] row-major: image, class, cx, cy, w, h; the box normalised to 0..1.
 * @returns one `LevelMatches` for each level.
 * @throws EchoDuetError `shape` where `targets` is not made of rows of six, or levels and anchors differ.
 * Source: the behaviour of YOLOv5 v6.2's loss; no paper describes it.
 */
export function assignTargets(targets: ArrayLike<number>, options: AssignmentOptions): LevelMatches[] {
  const { gridSizes, anchors, anchorThreshold = 4 } = options;
  if (targets.length % TARGET_WIDTH !== 0) {
    shapeError(
      `assignTargets: targets expect rows of ${TARGET_WIDTH} numbers, got ${targets.length} numbers`,
    );
  }
  if (anchors.length !== gridSizes.length) {
    shapeError(
      `assignTargets: anchors expect ${gridSizes.length} levels as the grids, got ${anchors.length}`,
    );
  }
  return gridSizes.map((grid, level) => assignLevel(targets, grid, anchors[level], anchorThreshold));
}

function assignLevel(
  targets: ArrayLike<number>,
  grid: { readonly width: number; readonly height: number },
  anchors: readonly (readonly number[])[],
  anchorThreshold: number,
): LevelMatches {
  const scaled = scaleTargets(targets, grid);
  const fits = anchors.map((anchor) =>
    scaled.filter((target) => fitsAnchor(target, anchor, anchorThreshold)),
  );
  const rows: { target: GridTarget; anchorIndex: number; gj: number; gi: number }[] = [];
  SHIFTS.forEach(([shiftX, shiftY], shift) => {
    fits.forEach((fitting, anchorIndex) => {
      for (const target of fitting) {
        if (!target.reaches[shift]) continue;
        const gi = clampCell(Math.fround(target.x - shiftX), grid.width);
        const gj = clampCell(Math.fround(target.y - shiftY), grid.height);
        rows.push({ target, anchorIndex, gj, gi });
      }
    });
  });

  const matches = {
    count: rows.length,
    image: Int32Array.from(rows, (row) => row.target.image),
    anchorIndex: Int32Array.from(rows, (row) => row.anchorIndex),
    gj: Int32Array.from(rows, (row) => row.gj),
    gi: Int32Array.from(rows, (row) => row.gi),
    classIndex: Int32Array.from(rows, (row) => row.target.classIndex),
    box: Float32Array.from(
      rows.flatMap(({ target, gj, gi }) => [target.x - gi, target.y - gj, target.w, target.h]),
    ),
    anchor: Float32Array.from(rows.flatMap((row) => anchors[row.anchorIndex])),
  };
  return { ...matches, winner: lastOfEachCell(matches) };
}

/** A target in the units of one level's grid, float32 throughout. */
interface GridTarget {
  readonly image: number;
  readonly classIndex: number;
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
  /** For each of `SHIFTS`, whether the target is given to that cell too. */
  readonly reaches: readonly boolean[];
}

function scaleTargets(
  targets: ArrayLike<number>,
  grid: { readonly width: number; readonly height: number },
): GridTarget[] {
  const scaled: GridTarget[] = [];
  for (let at = 0; at < targets.length; at += TARGET_WIDTH) {
    const x = Math.fround(Math.fround(targets[at + 2]) * grid.width);
    const y = Math.fround(Math.fround(targets[at + 3]) * grid.height);
    scaled.push({
      image: targets[at],
      classIndex: targets[at + 1],
      x,
      y,
      w: Math.fround(Math.fround(targets[at + 4]) * grid.width),
      h: Math.fround(Math.fround(targets[at + 5]) * grid.height),
      reaches: [
        true,
        nearBorder(x),
        nearBorder(y),
        nearBorder(Math.fround(grid.width - x)),
        nearBorder(Math.fround(grid.height - y)),
      ],
    });
  }
  return scaled;
}

/** Whether a coordinate lies in the first half of its cell, and that cell is not the first one. */
function nearBorder(coordinate: number): boolean {
  return coordinate - Math.floor(coordinate) < 0.5 && coordinate > 1;
}

function fitsAnchor(target: GridTarget, anchor: readonly number[], threshold: number): boolean {
  return (
    sideRatio(target.w, Math.fround(anchor[0])) < threshold &&
    sideRatio(target.h, Math.fround(anchor[1])) < threshold
  );
}

function sideRatio(side: number, anchorSide: number): number {
  const ratio = Math.fround(side / anchorSide);
  return Math.max(ratio, Math.fround(1 / ratio));
}

function clampCell(coordinate: number, cells: number): number {
  return Math.min(Math.max(Math.trunc(coordinate), 0), cells - 1);
}

function lastOfEachCell(
  matches: Pick<LevelMatches, "count" | "image" | "anchorIndex" | "gj" | "gi">,
): Uint8Array {
  const last = new Map<string, number>();
  for (let m = 0; m < matches.count; m++) {
    last.set(`${matches.image[m]},${matches.anchorIndex[m]},${matches.gj[m]},${matches.gi[m]}`, m);
  }
  const winner = new Uint8Array(matches.count);
  for (const m of last.values()) winner[m] = 1;
  return winner;
}
