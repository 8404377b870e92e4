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
export const greySpread = 24;

/** The smallest channel of a pixel, and above its 8 bits the largest. */
export function extremes(word: number): number {
  const red = word & 255;
  const green = (word >> 8) & 255;
  const blue = word >> 16;
  // Without branches: which channel of a grey pixel is the largest is chance, and cannot be predicted.
  const below = (red - green) & ((red - green) >> 31);
  const high = red - below;
  const low = green + below;
  const above = (high - blue) & ((high - blue) >> 31);
  const under = (blue - low) & ((blue - low) >> 31);
  return ((high - above) << 8) | (low + under);
}

/** The luminance of a grey pixel, 0..255, and -1 of a coloured one. */
export function greyOf(word: number): number {
  const ends = extremes(word);
  return (ends >> 8) - (ends & 255) < greySpread ? luminance(word) : -1;
}

/** 0.299 red + 0.587 green + 0.114 blue of a pixel, in 1/256, rounded: 0..255. */
export function luminance(word: number): number {
  return (77 * (word & 255) + 150 * ((word >> 8) & 255) + 29 * (word >> 16) + 128) >> 8;
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
