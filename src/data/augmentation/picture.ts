import type { InputSize, Letterbox } from "../image.js";

/** The pixels [x1, x2) x [y1, y2). */
export interface Rectangle {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** A letterboxed image at work. */
export interface Picture extends InputSize {
  /** [height, width] one word a pixel: red | green << 8 | blue << 16. One load and one store a pixel. */
  readonly words: Int32Array;
  /** The image inside the padding. */
  readonly content: Rectangle;
}

/** Added to a word, it raises all three channels by one. */
export const greyStep = 0x010101;
/** A pixel counts as grey tissue, not as flow, while its channels differ by less than this. */
const greySpread = 24;

/** The luminance of a grey pixel, 0..255, and -1 of a coloured one. */
export function greyOf(word: number): number {
  const red = word & 255;
  const green = (word >> 8) & 255;
  const blue = word >> 16;
  const high = red > green ? (red > blue ? red : blue) : green > blue ? green : blue;
  const low = red < green ? (red < blue ? red : blue) : green < blue ? green : blue;
  // 0.299, 0.587, 0.114 in 1/256.
  return high - low < greySpread ? (77 * red + 150 * green + 29 * blue + 128) >> 8 : -1;
}

/** Whether a pixel is coloured: flow, or a coloured mark. */
export function isColoured(word: number): boolean {
  return greyOf(word) < 0;
}

/** The picture of a planar image, uint8 [3, height, width]. */
export function pack(
  planes: Uint8Array,
  { width, height, padX, padY, newWidth, newHeight }: Letterbox,
): Picture {
  const plane = width * height;
  const words = new Int32Array(plane);
  for (let i = 0; i < plane; i++) {
    words[i] = planes[i] | (planes[i + plane] << 8) | (planes[i + 2 * plane] << 16);
  }
  return { width, height, words, content: { x1: padX, y1: padY, x2: padX + newWidth, y2: padY + newHeight } };
}

/** Writes a picture as a planar image, uint8 [3, height, width]. */
export function unpack({ words }: Picture, out: Uint8Array): void {
  const plane = words.length;
  for (let i = 0; i < plane; i++) {
    const word = words[i];
    out[i] = word;
    out[i + plane] = word >> 8;
    out[i + 2 * plane] = word >> 16;
  }
}
