import type { InputSize } from "../image.js";
import { isIdentity, type Placement } from "./affine.js";

/** A box of which less than this share is left in the picture is dropped. */
const leastVisible = 0.2;

/**
 * Rows [image, class, cx, cy, w, h] of a placed image's boxes, clipped to what is seen of it.
 *
 * A turned box becomes the bound of its turned inscribed ellipse. A jet is a blob, and the bound of the turned
 * corners would grow around it with every degree. Without rotation both are the box itself.
 * @param targets rows of the batch
 * @param image the image that the rows are to carry
 */
export function movedTargets(
  targets: Float32Array,
  image: number,
  { image: source, affine, region }: Placement,
  { width, height }: InputSize,
): number[] {
  const moved: number[] = [];
  for (let row = 0; row < targets.length; row += 6) {
    if (targets[row] !== source) continue;
    const [, label, cx, cy, w, h] = targets.subarray(row, row + 6);
    if (isIdentity(affine)) {
      moved.push(image, label, cx, cy, w, h);
      continue;
    }
    // A label may reach over the edge of its image; there is nothing to see there.
    const x = clippedSide(cx - w / 2, cx + w / 2, 0, 1);
    const y = clippedSide(cy - h / 2, cy + h / 2, 0, 1);
    const [halfX, halfY] = [(x.size / 2) * width, (y.size / 2) * height];
    const centreX = affine.a * x.centre * width + affine.b * y.centre * height + affine.x0;
    const centreY = affine.c * x.centre * width + affine.d * y.centre * height + affine.y0;
    const reachX = Math.hypot(affine.a * halfX, affine.b * halfY);
    const reachY = Math.hypot(affine.c * halfX, affine.d * halfY);
    const across = clippedSide(centreX - reachX, centreX + reachX, region.x1, region.x2);
    const down = clippedSide(centreY - reachY, centreY + reachY, region.y1, region.y2);
    if (!(across.size * down.size >= leastVisible * 4 * reachX * reachY)) continue;
    if (!(across.size > 0 && down.size > 0)) continue;
    moved.push(
      image,
      label,
      across.centre / width,
      down.centre / height,
      across.size / width,
      down.size / height,
    );
  }
  return moved;
}

/** The part of a side from `start` to `end` between two limits. */
function clippedSide(
  start: number,
  end: number,
  low: number,
  high: number,
): { centre: number; size: number } {
  const from = Math.max(start, low);
  const to = Math.min(end, high);
  return { centre: (from + to) / 2, size: Math.max(to - from, 0) };
}
