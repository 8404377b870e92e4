/** A box by its corners: [x1, y1, x2, y2], x to the right and y down. */
export type Xyxy = readonly [x1: number, y1: number, x2: number, y2: number];

/** A box by its centre and size: [cx, cy, w, h]. */
export type Xywh = readonly [cx: number, cy: number, w: number, h: number];

/** The corners of a box given by centre and size, in the same unit: x1 = cx - w / 2, x2 = cx + w / 2. */
export function xywhToXyxy([cx, cy, w, h]: Xywh): Xyxy {
  return [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2];
}

/** The centre and size of a box given by its corners, in the same unit: cx = (x1 + x2) / 2, w = x2 - x1. */
export function xyxyToXywh([x1, y1, x2, y2]: Xyxy): Xywh {
  return [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1];
}

/**
 * Intersection over union of two boxes, |A ∩ B| / |A ∪ B|, in 0..1 and float64; 0 where the union is empty.
 * @param a,b boxes as x1, y1, x2, y2, or flat arrays of such boxes, with x1 <= x2 and y1 <= y2.
 * @param aOffset,bOffset where in `a` and `b` the box begins, so that flat arrays are compared without copies.
 */
export function boxIouXyxy(a: ArrayLike<number>, b: ArrayLike<number>, aOffset = 0, bOffset = 0): number {
  const ax1 = a[aOffset];
  const ay1 = a[aOffset + 1];
  const ax2 = a[aOffset + 2];
  const ay2 = a[aOffset + 3];
  const bx1 = b[bOffset];
  const by1 = b[bOffset + 1];
  const bx2 = b[bOffset + 2];
  const by2 = b[bOffset + 3];
  const width = Math.min(ax2, bx2) - Math.max(ax1, bx1);
  const height = Math.min(ay2, by2) - Math.max(ay1, by1);
  if (width <= 0 || height <= 0) return 0;
  const intersection = width * height;
  return intersection / ((ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - intersection);
}
