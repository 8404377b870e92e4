import type { InputSize } from "../image.js";
import type { RandomStream } from "../../tensor/index.js";
import type { Placement } from "./affine.js";

/**
 * An image and three others around a random point, each with one corner there, at half to full size.
 * @param others the images of the batch to take them from
 */
export function mosaicPlacements(
  image: number,
  others: readonly number[],
  random: RandomStream,
  { width, height }: InputSize,
): Placement[] {
  const x = Math.round(width * random.uniform(0.3, 0.7));
  const y = Math.round(height * random.uniform(0.3, 0.7));
  const quarters = [
    { left: true, top: true },
    { left: false, top: true },
    { left: true, top: false },
    { left: false, top: false },
  ];
  return quarters.map(({ left, top }, quarter) => {
    const scale = random.uniform(0.5, 1);
    const x0 = left ? x - width * scale : x;
    const y0 = top ? y - height * scale : y;
    return {
      image: quarter === 0 ? image : others[random.integer(others.length)],
      affine: { a: scale, b: 0, c: 0, d: scale, x0, y0 },
      region: { x1: left ? 0 : x, y1: top ? 0 : y, x2: left ? x : width, y2: top ? y : height },
    };
  });
}
