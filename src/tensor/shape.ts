import { shapeError } from "../errors.js";

/** A static shape: the length of each axis, outermost first. */
export type Shape = readonly number[];

/** Number of elements of `shape` (1 for a scalar, `[]`). */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((length, axis) => length === b[axis]);
}

/** `[1, 3, 320, 320]`, for messages. */
export function showShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** NumPy's broadcasting of two shapes; throws a shape error that names `subject` where they do not fit. */
export function broadcastShapes(subject: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 0; i < rank; i++) {
    const left = a[a.length - rank + i] ?? 1;
    const right = b[b.length - rank + i] ?? 1;
    if (left !== right && left !== 1 && right !== 1) {
      shapeError(
        `${subject}: cannot broadcast ${showShape(a)} with ${showShape(b)} (axis ${i}: ${left} and ${right})`,
      );
    }
    out[i] = left === 1 ? right : left;
  }
  return out;
}

/** The axis counted from the front; throws where it is outside `-rank .. rank - 1`. */
export function normaliseAxis(subject: string, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= rank) {
    shapeError(`${subject}: expects an axis in ${-rank}..${rank - 1}, got ${axis}`);
  }
  return positive;
}
