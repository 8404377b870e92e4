import { type Luminance, THUMBNAIL } from "./luminance.js";

/** Luminance from which a pixel may be ink; text is burnt in brighter, its blurred edges are darker. */
const INK = 80;
/** Mean luminance from which a cell of the thumbnail is no background. */
const BRIGHT_CELL = 16;
/** Heights of a glyph in pixels; less is a dot or a tick, more is anatomy. */
const LEAST_HEIGHT = 6;
const MOST_HEIGHT = 48;
/** Letters from which a row is text; a machine's own marks ("cm/s", "+61.6", "JPEG") are shorter. */
const LEAST_LETTERS = 6;
/** Letters that may touch to one piece of ink. */
const MOST_TOUCHING = 8;

/** A rectangle of pixels, [left, right) x [top, bottom). */
interface Bounds {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** A connected piece of ink: a letter, or several that touch. */
interface Glyph extends Bounds {
  /** Mean strokes that a row of pixels crosses. */
  readonly strokes: number;
}

/**
 * Lines of burnt-in text, such as names and dates: [x, y, w, h] in pixels, from the top, then from the left.
 *
 * A line is a row of at least six letters: connected pieces of ink of like height that stand on one baseline,
 * close together, with nothing but dark above and below. So the ticks of a ruler (narrow), its numbers (far
 * apart), a logo and an ECG are no text, and neither is tissue. Short words that stand alone, text on tissue
 * and dark text on a light ground are not found: finding none does not prove that there is none.
 */
export function findTextAreas(picture: Luminance): number[][] {
  return findRows(findGlyphs(picture))
    .filter(isLineOfText)
    .map(boundsOf)
    .filter((bounds) => standsAlone(picture, bounds))
    .map(({ left, right, top, bottom }) => [left, top, right - left, bottom - top])
    .sort((a, b) => a[1] - b[1] || a[0] - b[0]);
}

/**
 * Bounds in pixels of the connected pieces of ink that are as large as a glyph and whole: one that the
 * picture's edge cuts says nothing. The inside of bright areas is left out, since that is tissue.
 */
function findGlyphs(picture: Luminance): Glyph[] {
  const { words, width, step, rows, stride, thumbnail, columnEdges, rowEdges } = picture;
  const pieces = new Pieces();
  // Left, right and piece of each run of ink in the row above and in this one.
  let above = new Int32Array(3 * (width + 1));
  let here = new Int32Array(3 * (width + 1));
  let aboveEnd = 0;
  let cellRow = 0;
  const amid = amidBright(thumbnail);
  let stretches = inkStretches(thumbnail, amid, 0, columnEdges);
  for (let y = 0; y < rows; y++) {
    while (cellRow < THUMBNAIL.height - 1 && y >= rowEdges[2 * cellRow + 1]) {
      stretches = inkStretches(thumbnail, amid, ++cellRow, columnEdges);
    }
    let hereEnd = 0;
    let other = 0;
    const start = y * stride;
    for (const [first, last] of stretches) {
      const end = start + last;
      for (let at = nextInk(words, start + first, end); at < end; at = nextInk(words, at, end)) {
        const left = at - start;
        at = nextDark(words, at, end);
        const right = at - start;
        while (other < aboveEnd && above[other + 1] < left) other += 3;
        let piece = -1;
        for (let touching = other; touching < aboveEnd && above[touching] <= right; touching += 3) {
          piece = piece < 0 ? pieces.rootOf(above[touching + 2]) : pieces.join(piece, above[touching + 2]);
        }
        if (piece < 0) piece = pieces.add(left, right, y);
        else pieces.extend(piece, left, right, y);
        here[hereEnd++] = left;
        here[hereEnd++] = right;
        here[hereEnd++] = piece;
      }
    }
    [above, here] = [here, above];
    aboveEnd = hereEnd;
  }
  return pieces
    .glyphs(LEAST_HEIGHT / step)
    .filter(({ left, top, right, bottom }) => left > 0 && top > 0 && right < width && bottom < rows)
    .map((glyph) => ({ ...glyph, top: glyph.top * step, bottom: glyph.bottom * step }))
    .filter(isGlyphSized);
}

/** Highest bits of the bytes of a word. */
const EACH_BYTE = 0x80808080 | 0;

/** The highest bit of every byte of a word that is ink: four pixels at once. */
function inkOf(word: number): number {
  return (((word & ~EACH_BYTE) + 0x01010101 * (128 - INK)) | word) & EACH_BYTE;
}

/** First pixel of [at, end) that is ink, else `end`. */
function nextInk(words: Int32Array, at: number, end: number): number {
  let word = at >> 2;
  let found = inkOf(words[word]) & (-1 << (8 * (at & 3)));
  while (found === 0) {
    if (4 * ++word >= end) return end;
    found = inkOf(words[word]);
  }
  return Math.min(end, 4 * word + lowestByte(found));
}

/** First pixel of [at, end) that is not ink, else `end`. */
function nextDark(words: Int32Array, at: number, end: number): number {
  let word = at >> 2;
  let found = ~inkOf(words[word]) & EACH_BYTE & (-1 << (8 * (at & 3)));
  while (found === 0) {
    if (4 * ++word >= end) return end;
    found = ~inkOf(words[word]) & EACH_BYTE;
  }
  return Math.min(end, 4 * word + lowestByte(found));
}

/** Index of the lowest byte of a word that is not 0. */
function lowestByte(word: number): number {
  return (31 - Math.clz32(word & -word)) >> 3;
}

/** Stretches of columns of one row of cells that are neither black nor amid a bright area, by their edges. */
function inkStretches(
  thumbnail: Uint8Array,
  amid: Uint8Array,
  row: number,
  edges: Int32Array,
): [number, number][] {
  const stretches: [number, number][] = [];
  for (let column = 0; column < THUMBNAIL.width; column++) {
    const cell = row * THUMBNAIL.width + column;
    if (thumbnail[cell] === 0 || amid[cell] === 1) continue;
    const last = stretches.at(-1);
    if (last && last[1] >= edges[2 * column]) last[1] = edges[2 * column + 1];
    else stretches.push([edges[2 * column], edges[2 * column + 1]]);
  }
  return stretches;
}

/** [48, 54], 1 for each cell of which all cells within two are bright; lines of text are thinner. */
function amidBright(thumbnail: Uint8Array): Uint8Array {
  const amid = new Uint8Array(thumbnail.length);
  // Rows up to this one that end a run of five bright cells at a column; five of them make a square.
  const tall = new Uint8Array(THUMBNAIL.width);
  for (let row = 0, cell = 0; row < THUMBNAIL.height; row++) {
    let run = 0;
    for (let column = 0; column < THUMBNAIL.width; column++, cell++) {
      run = thumbnail[cell] < BRIGHT_CELL ? 0 : run + 1;
      tall[column] = run < 5 ? 0 : tall[column] + 1;
      if (tall[column] >= 5) amid[cell - 2 * THUMBNAIL.width - 2] = 1;
    }
  }
  return amid;
}

/** Growing pieces of ink, joined where they meet; plain number arrays, since tissue makes thousands. */
class Pieces {
  readonly #parents: number[] = [];
  readonly #left: number[] = [];
  readonly #right: number[] = [];
  readonly #top: number[] = [];
  readonly #bottom: number[] = [];
  readonly #runs: number[] = [];

  /** A piece of one run of the sampled row `y`. */
  add(left: number, right: number, y: number): number {
    this.#left.push(left);
    this.#right.push(right);
    this.#top.push(y);
    this.#bottom.push(y + 1);
    this.#runs.push(1);
    return this.#parents.push(this.#parents.length) - 1;
  }

  rootOf(piece: number): number {
    let at = piece;
    while (this.#parents[at] !== at) {
      this.#parents[at] = this.#parents[this.#parents[at]];
      at = this.#parents[at];
    }
    return at;
  }

  /** Joins a piece to the root `root`, which stays one. */
  join(root: number, piece: number): number {
    const other = this.rootOf(piece);
    if (other === root) return root;
    this.#parents[other] = root;
    this.#left[root] = Math.min(this.#left[root], this.#left[other]);
    this.#right[root] = Math.max(this.#right[root], this.#right[other]);
    this.#top[root] = Math.min(this.#top[root], this.#top[other]);
    this.#bottom[root] = Math.max(this.#bottom[root], this.#bottom[other]);
    this.#runs[root] += this.#runs[other];
    return root;
  }

  /** Adds a run of the sampled row `y` to the root `root`. */
  extend(root: number, left: number, right: number, y: number): void {
    if (left < this.#left[root]) this.#left[root] = left;
    if (right > this.#right[root]) this.#right[root] = right;
    this.#bottom[root] = y + 1;
    this.#runs[root]++;
  }

  /** Those of at least `leastRows` sampled rows; their bounds are in such rows. */
  glyphs(leastRows: number): Glyph[] {
    const whole: Glyph[] = [];
    for (let i = 0; i < this.#parents.length; i++) {
      // Dots are most of them.
      if (this.#parents[i] !== i || this.#bottom[i] - this.#top[i] < leastRows) continue;
      const [left, right, top, bottom] = [this.#left[i], this.#right[i], this.#top[i], this.#bottom[i]];
      whole.push({ left, right, top, bottom, strokes: this.#runs[i] / (bottom - top) });
    }
    return whole;
  }
}

function isGlyphSized(glyph: Glyph): boolean {
  const { left, right, top, bottom, strokes } = glyph;
  const height = bottom - top;
  if (height < LEAST_HEIGHT || height > MOST_HEIGHT) return false;
  // Letters that touch have strokes along their whole length; a line, a box or a curve has one or two.
  return (
    2 * (right - left) <= 3 * height ||
    (lettersOf(glyph) <= MOST_TOUCHING && strokes >= 0.9 * lettersOf(glyph))
  );
}

/** Letters in a piece of ink, by its shape: none in a narrow one, which may be a tick as well as an i. */
function lettersOf({ left, right, top, bottom }: Bounds): number {
  const shape = (right - left) / (bottom - top);
  return shape < 0.25 ? 0 : Math.max(1, Math.round(shape));
}

/** Glyphs chained from left to right: each with the nearest one to its right that stands on its line. */
function findRows(glyphs: readonly Bounds[]): Bounds[][] {
  const sorted = [...glyphs].sort((a, b) => a.left - b.left || a.top - b.top);
  const rowOf = new Map<Bounds, Bounds[]>();
  const rows: Bounds[][] = [];
  for (const [i, glyph] of sorted.entries()) {
    const row = rowOf.get(glyph) ?? [glyph];
    if (row.length === 1) rows.push(row);
    const reach = glyph.right + glyphGap(glyph);
    for (let j = i + 1; j < sorted.length && sorted[j].left <= reach; j++) {
      if (rowOf.has(sorted[j]) || !areNeighbours(glyph, sorted[j])) continue;
      row.push(sorted[j]);
      rowOf.set(sorted[j], row);
      break;
    }
  }
  return rows;
}

/** The widest gap within a line: a space, or a dash too flat to be a glyph with its own two gaps. */
function glyphGap({ top, bottom }: Bounds): number {
  return Math.round(1.3 * (bottom - top));
}

function areNeighbours(a: Bounds, b: Bounds): boolean {
  const low = Math.min(a.bottom - a.top, b.bottom - b.top);
  const high = Math.max(a.bottom - a.top, b.bottom - b.top);
  const overlap = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return high <= 2 * low && overlap >= 0.6 * low && b.left >= a.right - 1;
}

function isLineOfText(row: readonly Bounds[]): boolean {
  const height = median(row.map(({ top, bottom }) => bottom - top));
  const baseline = median(row.map(({ bottom }) => bottom));
  const slack = Math.max(2, 0.15 * height);
  const standing = row.filter(({ bottom }) => Math.abs(bottom - baseline) <= slack);
  const letters = standing.reduce((sum, glyph) => sum + lettersOf(glyph), 0);
  const narrow = standing.filter((glyph) => lettersOf(glyph) === 0).length;
  // Of letters, only some are narrow.
  return letters >= LEAST_LETTERS && 4 * standing.length >= 3 * row.length && 2 * narrow <= letters;
}

function boundsOf(row: readonly Bounds[]): Bounds {
  return {
    left: Math.min(...row.map(({ left }) => left)),
    right: Math.max(...row.map(({ right }) => right)),
    top: Math.min(...row.map(({ top }) => top)),
    bottom: Math.max(...row.map(({ bottom }) => bottom)),
  };
}

/** Whether the strips above and below a line are dark, as they are around text and nowhere in tissue. */
function standsAlone({ values, stride, step, rows }: Luminance, line: Bounds): boolean {
  const [top, bottom] = [line.top / step, line.bottom / step];
  const margin = Math.max(1, Math.round(0.25 * (bottom - top)));
  const share = (from: number, to: number): number => {
    let ink = 0;
    let total = 0;
    for (let y = Math.max(0, from); y < Math.min(rows, to); y++) {
      for (let x = line.left; x < line.right; x++, total++) if (values[y * stride + x] >= INK) ink++;
    }
    return total === 0 ? 0 : ink / total;
  };
  return share(top - margin, top) <= 0.1 && share(bottom, bottom + margin) <= 0.1;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
