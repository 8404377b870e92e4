import { inverse, type Placement } from "./affine.js";
import type { Picture } from "./picture.js";

/** Fraction bits of the positions of source pixels. */
const one = 1 << 16;

/**
 * Writes what a placement shows of a picture into a planar image, uint8 [3, height, width]: every pixel of
 * its region whose centre falls on the source, bilinear, at steps of 1/16 pixel; all others are left alone.
 */
export function warp(
  { words, width, height }: Picture,
  out: Uint8Array,
  { affine, region }: Placement,
): void {
  const back = inverse(affine);
  const plane = width * height;
  const [stepX, stepY] = [Math.round(back.a * one), Math.round(back.c * one)];
  for (let y = region.y1; y < region.y2; y++) {
    // Source position of the centre of the row's first pixel.
    const atX = back.a * 0.5 + back.b * (y + 0.5) + back.x0;
    const atY = back.c * 0.5 + back.d * (y + 0.5) + back.y0;
    const across = within(atX, back.a, width);
    const down = within(atY, back.c, height);
    const start = Math.max(region.x1, across.start, down.start);
    const end = Math.min(region.x2, across.end, down.end);
    // Pixel i of the source has its centre at i + 1/2; 1/32 rounds to the nearest sixteenth.
    let sourceX = Math.round((atX + back.a * start - 0.5 + 1 / 32) * one);
    let sourceY = Math.round((atY + back.c * start - 0.5 + 1 / 32) * one);
    for (let to = y * width + start; to < y * width + end; to++) {
      const x = sourceX >> 16;
      const row = sourceY >> 16;
      const left = x < 0 ? 0 : x;
      const right = x + 1 < width ? x + 1 : width - 1;
      const top = (row < 0 ? 0 : row) * width;
      const bottom = (row + 1 < height ? row + 1 : height - 1) * width;
      const p = words[top + left];
      const q = words[top + right];
      const r = words[bottom + left];
      const s = words[bottom + right];
      const shareX = (sourceX >> 12) & 15;
      const shareY = (sourceY >> 12) & 15;
      // The four weights add up to 256; red and blue, 16 bits apart, are weighed in one multiplication.
      const ws = shareX * shareY;
      const wq = (shareX << 4) - ws;
      const wr = (shareY << 4) - ws;
      const wp = 256 - wq - wr - ws;
      const redBlue =
        (((Math.imul(p & 0xff00ff, wp) + Math.imul(q & 0xff00ff, wq)) | 0) +
          ((Math.imul(r & 0xff00ff, wr) + Math.imul(s & 0xff00ff, ws)) | 0) +
          0x800080) |
        0;
      const green = (p & 0xff00) * wp + (q & 0xff00) * wq + (r & 0xff00) * wr + (s & 0xff00) * ws + 0x8000;
      out[to] = redBlue >> 8;
      out[to + plane] = green >> 16;
      out[to + 2 * plane] = redBlue >> 24;
      sourceX += stepX;
      sourceY += stepY;
    }
  }
}

/** The whole numbers i, from start to end, with 0 <= first + step i < length. */
function within(first: number, step: number, length: number): { start: number; end: number } {
  if (step === 0) {
    const inside = first >= 0 && first < length;
    return { start: 0, end: inside ? Number.MAX_SAFE_INTEGER : 0 };
  }
  if (step > 0) return { start: Math.ceil(-first / step), end: Math.ceil((length - first) / step) };
  return { start: Math.floor((length - first) / step) + 1, end: Math.floor(-first / step) + 1 };
}
