import { greyOf, type Picture } from "./picture.js";

/** Bits of a weight: those of the two passes, 5 each, and 8 of a pixel fill the low 18 bits of a sum. */
const weightBits = 5;
const valueBits = 8 + 2 * weightBits;

/**
 * The luminance of the picture's grey pixels, blurred over grey pixels alone: flow neither spreads into the
 * tissue nor is it spread. Uint8 [height, width], of use at the grey pixels of the content only.
 * @param sigma standard deviation in pixels; up to 1.5, since the kernel has seven taps
 */
export function blurredGrey({ words, width, height, content }: Picture, sigma: number): Uint8Array {
  const { x1, y1, x2, y2 } = content;
  const [w0, w1, w2, w3] = kernel(sigma);
  const blurred = new Uint8Array(width * height);
  // A word holds the sum of weighted values and, above it, that of the weights: grey pixels count, others do not.
  const across = new Int32Array(width * height);
  const line = new Int32Array(width + 6);
  for (let y = y1; y < y2; y++) {
    const row = y * width;
    for (let x = x1; x < x2; x++) {
      const grey = greyOf(words[row + x]);
      line[x + 3] = grey < 0 ? 0 : grey | (1 << valueBits);
    }
    line.fill(0, x2 + 3);
    line.fill(0, 0, x1 + 3);
    for (let x = x1; x < x2; x++) {
      across[row + x] =
        line[x + 3] * w0 +
        (line[x + 2] + line[x + 4]) * w1 +
        (line[x + 1] + line[x + 5]) * w2 +
        (line[x] + line[x + 6]) * w3;
    }
  }
  const nothing = new Int32Array(width);
  const rowAt = (y: number): Int32Array =>
    y < y1 || y >= y2 ? nothing : across.subarray(y * width, (y + 1) * width);
  for (let y = y1; y < y2; y++) {
    const rows = [-3, -2, -1, 0, 1, 2, 3].map((offset) => rowAt(y + offset));
    const [a, b, c, d, e, f, g] = rows;
    for (let x = x1; x < x2; x++) {
      const sum = d[x] * w0 + (c[x] + e[x]) * w1 + (b[x] + f[x]) * w2 + (a[x] + g[x]) * w3;
      const weight = sum >> valueBits;
      blurred[y * width + x] = weight === 0 ? 0 : (sum & ((1 << valueBits) - 1)) / weight + 0.5;
    }
  }
  return blurred;
}

/** Weights of a Gaussian at 0, 1, 2, 3 pixels in 1/32; with both sides they add up to 1. */
function kernel(sigma: number): readonly [number, number, number, number] {
  const raw = [0, 1, 2, 3].map((x) => Math.exp(-(x * x) / (2 * sigma * sigma)));
  const total = raw[0] + 2 * (raw[1] + raw[2] + raw[3]);
  const [w1, w2, w3] = raw.slice(1).map((weight) => Math.round((weight / total) * 2 ** weightBits));
  return [2 ** weightBits - 2 * (w1 + w2 + w3), w1, w2, w3];
}
