import { greyOf, type Picture } from "./picture.js";

/** Bits of a weight: those of the two passes, 5 each, and 8 of a pixel fill the low 18 bits of a sum. */
const weightBits = 5;
const valueBits = 8 + 2 * weightBits;
/** All weights of both passes. */
const whole = 1 << (2 * weightBits);
const taps = 5;
const reach = 2;

/**
 * The luminance of the picture's grey pixels, blurred over grey pixels alone: flow neither spreads into the
 * tissue nor is it spread. Uint8 [height, width], of use at the grey pixels of the content only.
 * @param sigma standard deviation in pixels; up to 1, since the kernel has five taps
 */
export function blurredGrey(picture: Picture, sigma: number): Uint8Array {
  const { width, height, content } = picture;
  const { x1, y1, x2, y2 } = content;
  const weights = kernel(sigma);
  const [w0, w1, w2] = weights;
  const blurred = new Uint8Array(width * height);
  const line = new Int32Array(width + 2 * reach);
  // The latest five rows, blurred across; those beyond the image count nothing.
  const rows = Array.from({ length: taps }, () => new Int32Array(width));
  for (let y = y1; y < y2 + reach; y++) {
    if (y < y2) blurRow(picture, y, { weights, line, out: rows[y % taps] });
    else rows[y % taps].fill(0);
    const middle = y - reach;
    if (middle < y1) continue;
    const [a, b, c, d, e] = [1, 2, 3, 4, 5].map((later) => rows[(y + later) % taps]);
    for (let x = x1, at = middle * width + x1; x < x2; x++, at++) {
      const sum = c[x] * w0 + (b[x] + d[x]) * w1 + (a[x] + e[x]) * w2;
      const weight = sum >> valueBits;
      const value = sum & ((1 << valueBits) - 1);
      blurred[at] = weight === whole ? (value + whole / 2) >> (2 * weightBits) : value / weight + 0.5;
    }
  }
  return blurred;
}

/**
 * One row blurred across. A word holds the sum of the weighted values and, above it, that of the weights:
 * grey pixels count, coloured ones do not.
 */
function blurRow(
  { words, width, content }: Picture,
  y: number,
  {
    weights: [w0, w1, w2],
    line,
    out,
  }: { weights: readonly [number, number, number]; line: Int32Array; out: Int32Array },
): void {
  const { x1, x2 } = content;
  for (let x = x1; x < x2; x++) {
    const grey = greyOf(words[y * width + x]);
    line[x + reach] = grey < 0 ? 0 : grey | (1 << valueBits);
  }
  for (let x = x1; x < x2; x++) {
    out[x] = line[x + 2] * w0 + (line[x + 1] + line[x + 3]) * w1 + (line[x] + line[x + 4]) * w2;
  }
}

/** Weights of a Gaussian at 0, 1, 2 pixels in 1/32; with both sides they add up to 1. */
function kernel(sigma: number): readonly [number, number, number] {
  const raw = [0, 1, 2].map((x) => Math.exp(-(x * x) / (2 * sigma * sigma)));
  const total = raw[0] + 2 * (raw[1] + raw[2]);
  const [w1, w2] = raw.slice(1).map((weight) => Math.round((weight / total) * 2 ** weightBits));
  return [2 ** weightBits - 2 * (w1 + w2), w1, w2];
}
