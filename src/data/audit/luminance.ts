import type { DecodedImage } from "../image.js";

/** Columns and rows of a thumbnail: six of each to a cell of the difference hash's 9 x 8 grid. */
export const THUMBNAIL = { width: 54, height: 48 } as const;

/**
 * Rows from which every other row is left out. They say enough for statistics and for finding text, and going
 * through all of them would take as long as decoding; a smaller picture needs them.
 */
const MANY_ROWS = 240;

/** The luminance of a picture: all columns of every row, or of every other one. */
export interface Luminance {
  readonly width: number;
  /** Source rows to a sampled row: 1, or 2 from 240 rows on. */
  readonly step: number;
  /** Sampled rows: ceil(height / step). */
  readonly rows: number;
  /** Values to a row: the width, and zeros up to a multiple of four. */
  readonly stride: number;
  /** [rows, stride] uint8, 0.299 R + 0.587 G + 0.114 B; good until the next picture takes its place. */
  readonly values: Uint8Array;
  /** [rows, stride / 4] int32, the same bytes four to a word, the first lowest. */
  readonly words: Int32Array;
  /** [48, 54] uint8, the means of `values` over the cells of an even grid. */
  readonly thumbnail: Uint8Array;
  /** First and behind-last column of each of the grid's columns, in turn; of a narrow picture, one each. */
  readonly columnEdges: Int32Array;
  /** The same of its rows, in sampled rows. */
  readonly rowEdges: Int32Array;
}

/** Rows of which the sums of 8-bit values fit into 16 bits. */
const MOST_SUMMED = 256;

// One picture at a time is measured, and zeroed memory for each would cost as much as filling it.
let scratch = new Int32Array(0);

/**
 * The luminance of a decoded image and its means, in one pass over the pixels. Words are taken for four bytes,
 * the first lowest, as every platform of Node with a decoder has them.
 */
export function toLuminance({ data, width, height }: DecodedImage): Luminance {
  const step = height < MANY_ROWS ? 1 : 2;
  const rows = Math.ceil(height / step);
  const stride = (width + 3) & ~3;
  const columnEdges = cellEdges(width, THUMBNAIL.width);
  const rowEdges = cellEdges(rows, THUMBNAIL.height);
  if (scratch.length < (rows * stride) / 4) scratch = new Int32Array((rows * stride) / 4);
  const words = scratch.subarray(0, (rows * stride) / 4).fill(0);
  const thumbnail = new Uint8Array(THUMBNAIL.width * THUMBNAIL.height);
  const values = new Uint8Array(words.buffer, 0, rows * stride);
  const pixels = wordsOf(data);
  const sums = new Int32Array(stride / 2);
  const totals = new Int32Array(THUMBNAIL.width);
  for (let cellRow = 0; cellRow < THUMBNAIL.height; cellRow++) {
    const top = rowEdges[2 * cellRow];
    const bottom = rowEdges[2 * cellRow + 1];
    totals.fill(0);
    for (let y = top; y < bottom; y++) {
      const from = 3 * y * step * width;
      const row = from % 4 === 0 ? pixels.subarray(from / 4) : wordsOf(data.subarray(from, from + 3 * width));
      fillRow(row, width >> 2, words.subarray((y * stride) / 4), sums);
      for (let x = width & ~3; x < width; x++) {
        const at = from + 3 * x;
        const value = luminancePair(data[at], data[at + 1], data[at + 2]) & 255;
        values[y * stride + x] = value;
        sums[laneOf(x)] += value << halfOf(x);
      }
      if (y === bottom - 1 || (y - top + 1) % MOST_SUMMED === 0) drainSums(sums, columnEdges, totals);
    }
    for (let column = 0; column < THUMBNAIL.width; column++) {
      const cell = (columnEdges[2 * column + 1] - columnEdges[2 * column]) * (bottom - top);
      thumbnail[cellRow * THUMBNAIL.width + column] = Math.round(totals[column] / cell);
    }
  }
  return { width, step, rows, stride, values, words, thumbnail, columnEdges, rowEdges };
}

/** The bytes as words, copied where they do not start at one; a rest of less than a word is left out. */
function wordsOf(data: Uint8Array): Int32Array {
  const bytes = data.byteOffset % 4 === 0 ? data : Uint8Array.from(data);
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
}

/**
 * Luminance of `fours` times four pixels into `words`, which are zero, and onto `sums`: 0.299 R + 0.587 G +
 * 0.114 B in 1/256. Four pixels are three words, and two of them are computed in the halves of one word, which
 * is several times as fast as byte by byte. Where all four are black but for the noise of compression, below 8,
 * as most of a sector picture is, they stay 0.
 */
function fillRow(pixels: Int32Array, fours: number, words: Int32Array, sums: Int32Array): void {
  for (let four = 0, at = 0; four < fours; four++, at += 3) {
    const a = pixels[at];
    const b = pixels[at + 1];
    const c = pixels[at + 2];
    if (((a | b | c) & 0xf8f8f8f8) === 0) continue;
    const even = luminancePair(
      (a & 255) | (b & 0xff0000),
      ((a >> 8) & 255) | ((b >> 8) & 0xff0000),
      ((a >> 16) & 255) | ((c & 255) << 16),
    );
    const odd = luminancePair(
      (a >>> 24) | ((c << 8) & 0xff0000),
      (b & 255) | (c & 0xff0000),
      ((b >> 8) & 255) | ((c >> 8) & 0xff0000),
    );
    words[four] = even | (odd << 8);
    sums[2 * four] += even;
    sums[2 * four + 1] += odd;
  }
}

/** The word of the sums that holds a column, and the bit at which it starts there. */
function laneOf(x: number): number {
  return ((x >> 2) << 1) | (x & 1);
}

function halfOf(x: number): number {
  return (x & 2) << 3;
}

/** Luminance of two pixels, one in each half of a word. */
function luminancePair(red: number, green: number, blue: number): number {
  return ((Math.imul(77, red) + Math.imul(150, green) + Math.imul(29, blue) + 0x800080) >>> 8) & 0xff00ff;
}

/** Adds the sums of columns, halves of words as `fillRow` leaves them, to those of their cells and zeroes them. */
function drainSums(sums: Int32Array, columnEdges: Int32Array, totals: Int32Array): void {
  for (let column = 0; column < THUMBNAIL.width; column++) {
    let total = 0;
    for (let x = columnEdges[2 * column]; x < columnEdges[2 * column + 1]; x++) {
      total += (sums[laneOf(x)] >>> halfOf(x)) & 0xffff;
    }
    totals[column] += total;
  }
  sums.fill(0);
}

function cellEdges(length: number, count: number): Int32Array {
  const edges = new Int32Array(2 * count);
  for (let i = 0; i < count; i++) {
    edges[2 * i] = Math.floor((i * length) / count);
    edges[2 * i + 1] = Math.max(edges[2 * i] + 1, Math.floor(((i + 1) * length) / count));
  }
  return edges;
}
