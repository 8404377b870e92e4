import type { InputSize } from "../image.js";
import type { Draws } from "./draws.js";
import type { AugmentOptions } from "./options.js";
import type { Rectangle } from "./picture.js";

/** (x, y) goes to (a x + b y + x0, c x + d y + y0), in pixels of the input. */
export interface Affine {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly x0: number;
  readonly y0: number;
}

/** Where an image of the batch goes, inside a rectangle of the input. */
export interface Placement {
  readonly image: number;
  readonly affine: Affine;
  readonly region: Rectangle;
}

/** Whether a map leaves everything where it is. */
export function isIdentity({ a, b, c, d, x0, y0 }: Affine): boolean {
  return a === 1 && b === 0 && c === 0 && d === 1 && x0 === 0 && y0 === 0;
}

/** The map back. The scale is never 0, so there is one. */
export function inverse({ a, b, c, d, x0, y0 }: Affine): Affine {
  const det = a * d - b * c;
  const [ia, ib, ic, id] = [d / det, -b / det, -c / det, a / det];
  return { a: ia, b: ib, c: ic, d: id, x0: -(ia * x0 + ib * y0), y0: -(ic * x0 + id * y0) };
}

/** Flips, scale and rotation about the centre, then the shift, as one map. */
export function drawAffine(options: AugmentOptions, draws: Draws, { width, height }: InputSize): Affine {
  const scale = 1 + options.scale * draws.signed("scale");
  const angle = (options.rotate * draws.signed("rotate") * Math.PI) / 180;
  const flipX = draws.happens("flipHorizontal", options.unsafe.flipHorizontal) ? -1 : 1;
  const flipY = draws.happens("flipVertical", options.unsafe.flipVertical) ? -1 : 1;
  const [cos, sin] = [scale * Math.cos(angle), scale * Math.sin(angle)];
  const [a, b, c, d] = [cos * flipX, -sin * flipY, sin * flipX, cos * flipY];
  const [centreX, centreY] = [width / 2, height / 2];
  return {
    ...{ a, b, c, d },
    x0: centreX - (a * centreX + b * centreY) + options.translate * width * draws.signed("translate-x"),
    y0: centreY - (c * centreX + d * centreY) + options.translate * height * draws.signed("translate-y"),
  };
}
