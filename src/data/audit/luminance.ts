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
  /** [rows, width] uint8, 0.299 R + 0.587 G + 0.114 B; good until the next picture takes its place. */
  readonly values: Uint8Array;
  /** [48, 54] uint8, the means of `values` over the cells of an even grid. */
  readonly thumbnail: Uint8Array;
  /** First and behind-last column of each of the grid's columns, in turn; of a narrow picture, one each. */
  readonly columnEdges: Int32Array;
  /** The same of its rows, in sampled rows. */
  readonly rowEdges: Int32Array;
}

// One picture at a time is measured, and zeroed memory for each would cost as much as filling it.
let scratch = new Uint8Array(0);

/** The luminance of a decoded image and its means, in one pass over the pixels. */
export function toLuminance({ data, width, height }: DecodedImage): Luminance {
  const step = height < MANY_ROWS ? 1 : 2;
  const rows = Math.ceil(height / step);
  const columnEdges = cellEdges(width, THUMBNAIL.width);
  const rowEdges = cellEdges(rows, THUMBNAIL.height);
  if (scratch.length < rows * width) scratch = new Uint8Array(rows * width);
  const values = scratch.subarray(0, rows * width).fill(0);
  const words = wordsOf(data);
  for (let y = 0; y < rows; y++) {
    const pixel = y * step * width;
    fillRow(data, words, pixel, pixel + width, values, y * width);
  }
  const thumbnail = cellMeans(values, width, columnEdges, rowEdges);
  return { width, step, rows, values, thumbnail, columnEdges, rowEdges };
}

const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** The bytes as 32-bit words, the first byte lowest; a rest of less than a word is left out. */
function wordsOf(data: Uint8Array): Int32Array {
  const fits = LITTLE_ENDIAN && data.byteOffset % 4 === 0;
  const bytes = fits ? data : Uint8Array.from(data);
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  if (!LITTLE_ENDIAN) Buffer.from(words.buffer, 0, words.byteLength).swap32();
  return words;
}

/**
 * Luminance of the pixels [pixel, end) into `values` from `to` on, which is zero. Four pixels are three words:
 * several times as fast as byte by byte. Where all four are black but for the noise of compression, below 8, as
 * most of a sector picture is, they stay 0.
 */
function fillRow(
  data: Uint8Array,
  words: Int32Array,
  pixel: number,
  end: number,
  values: Uint8Array,
  to: number,
): void {
  const shift = to - pixel;
  const firstFour = Math.min(end, (pixel + 3) & ~3);
  const lastFour = Math.max(firstFour, end & ~3);
  fillPixels(data, pixel, firstFour, values, to);
  for (let at = firstFour; at < lastFour; at += 4) {
    const word = (at >> 2) * 3;
    const a = words[word];
    const b = words[word + 1];
    const c = words[word + 2];
    if (((a | b | c) & 0xf8f8f8f8) === 0) continue;
    const into = at + shift;
    values[into] = (77 * (a & 255) + 150 * ((a >> 8) & 255) + 29 * ((a >> 16) & 255) + 128) >> 8;
    values[into + 1] = (77 * (a >>> 24) + 150 * (b & 255) + 29 * ((b >> 8) & 255) + 128) >> 8;
    values[into + 2] = (77 * ((b >> 16) & 255) + 150 * (b >>> 24) + 29 * (c & 255) + 128) >> 8;
    values[into + 3] = (77 * ((c >> 8) & 255) + 150 * ((c >> 16) & 255) + 29 * (c >>> 24) + 128) >> 8;
  }
  fillPixels(data, lastFour, end, values, lastFour + shift);
}

/** The same byte by byte: 0.299 R + 0.587 G + 0.114 B in 1/256. */
function fillPixels(data: Uint8Array, pixel: number, end: number, values: Uint8Array, to: number): void {
  for (let at = pixel, into = to; at < end; at++, into++) {
    values[into] = (77 * data[3 * at] + 150 * data[3 * at + 1] + 29 * data[3 * at + 2] + 128) >> 8;
  }
}

function cellEdges(length: number, count: number): Int32Array {
  const edges = new Int32Array(2 * count);
  for (let i = 0; i < count; i++) {
    edges[2 * i] = Math.floor((i * length) / count);
    edges[2 * i + 1] = Math.max(edges[2 * i] + 1, Math.floor(((i + 1) * length) / count));
  }
  return edges;
}

function cellMeans(values: Uint8Array, width: number, columns: Int32Array, rows: Int32Array): Uint8Array {
  const means = new Uint8Array(THUMBNAIL.width * THUMBNAIL.height);
  const sums = new Int32Array(THUMBNAIL.width);
  for (let row = 0; row < THUMBNAIL.height; row++) {
    const top = rows[2 * row];
    const bottom = rows[2 * row + 1];
    sums.fill(0);
    for (let y = top; y < bottom; y++) {
      for (let column = 0; column < THUMBNAIL.width; column++) {
        const end = y * width + columns[2 * column + 1];
        let sum = 0;
        for (let at = y * width + columns[2 * column]; at < end; at++) sum += values[at];
        sums[column] += sum;
      }
    }
    for (let column = 0; column < THUMBNAIL.width; column++) {
      const pixels = (columns[2 * column + 1] - columns[2 * column]) * (bottom - top);
      means[row * THUMBNAIL.width + column] = Math.round(sums[column] / pixels);
    }
  }
  return means;
}
