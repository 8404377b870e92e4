/** Hashes split for arithmetic: the upper and the lower 32 bits of each. */
export interface HashWords {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
}

/** Most bits in which the hashes of a pair of `hashPairs` may differ. */
export const MOST_DISTANCE = 7;

const BANDS = 4;
const BAND_BITS = 16;

/** 64-bit hashes as words. */
export function hashWords(hashes: readonly bigint[]): HashWords {
  return {
    high: Uint32Array.from(hashes, (hash) => Number(hash >> 32n)),
    low: Uint32Array.from(hashes, (hash) => Number(hash & 0xffffffffn)),
  };
}

/** Bits in which hashes `a` and `b` differ, 0..64. */
export function hashDistance({ high, low }: HashWords, a: number, b: number): number {
  return countBits(high[a] ^ high[b]) + countBits(low[a] ^ low[b]);
}

/**
 * Calls `visit(a, b, distance)`, a < b, once for each pair of hashes at most `threshold` (0..7) bits apart, by
 * a and then in no particular order.
 *
 * The 64 bits are dealt into four bands of 16. Hashes at most 7 bits apart differ in at most one bit of one
 * band at least (pigeonholes), so only those that share a band, or a band but for one bit, are compared; no
 * pair is missed. Bits that split the hashes evenly are dealt first, so that every band tells hashes apart.
 */
export function hashPairs(
  words: HashWords,
  threshold: number,
  visit: (a: number, b: number, distance: number) => void,
): void {
  const bands = dealBits(words).map((bits) => bandValues(words, bits));
  const buckets = bands.map(bucketsOf);
  const reach = Math.floor(threshold / BANDS);
  for (let a = 0; a < words.high.length; a++) {
    for (let band = 0; band < BANDS; band++) {
      const own = bands[band][a];
      for (let flip = -1; flip < (reach === 0 ? 0 : BAND_BITS); flip++) {
        const key = flip < 0 ? own : own ^ (1 << flip);
        const { starts, members } = buckets[band];
        for (let at = starts[key + 1] - 1; at >= starts[key] && members[at] > a; at--) {
          const b = members[at];
          const distance = hashDistance(words, a, b);
          if (distance <= threshold && isFirstBand(bands, band, a, b, reach)) visit(a, b, distance);
        }
      }
    }
  }
}

/** Whether no earlier band brings the pair together too, so that it counts once. */
function isFirstBand(
  bands: readonly Uint16Array[],
  band: number,
  a: number,
  b: number,
  reach: number,
): boolean {
  for (let earlier = 0; earlier < band; earlier++) {
    if (countBits(bands[earlier][a] ^ bands[earlier][b]) <= reach) return false;
  }
  return true;
}

/** The positions of the bits, those nearest to one half first, dealt in turn to the bands. */
function dealBits(words: HashWords): number[][] {
  const count = words.high.length;
  const skew = Array.from({ length: 64 }, (_, bit) => {
    let ones = 0;
    for (let i = 0; i < count; i++) ones += bitAt(words, i, bit);
    return Math.abs(2 * ones - count);
  });
  const order = skew.map((_, bit) => bit).sort((a, b) => skew[a] - skew[b] || a - b);
  return Array.from({ length: BANDS }, (_, band) => order.filter((_bit, rank) => rank % BANDS === band));
}

function bitAt({ high, low }: HashWords, index: number, bit: number): number {
  return (bit < 32 ? low[index] >>> bit : high[index] >>> (bit - 32)) & 1;
}

function bandValues(words: HashWords, bits: readonly number[]): Uint16Array {
  return Uint16Array.from(words.high, (_, i) =>
    bits.reduce((value, bit, rank) => value | (bitAt(words, i, bit) << rank), 0),
  );
}

interface Buckets {
  /** [2^16 + 1] where each value's members begin. */
  readonly starts: Uint32Array;
  /** Indices of hashes by value, ascending within each. */
  readonly members: Uint32Array;
}

function bucketsOf(values: Uint16Array): Buckets {
  const starts = new Uint32Array((1 << BAND_BITS) + 1);
  for (const value of values) starts[value + 1]++;
  for (let value = 0; value < 1 << BAND_BITS; value++) starts[value + 1] += starts[value];
  const next = starts.slice();
  const members = new Uint32Array(values.length);
  values.forEach((value, i) => {
    members[next[value]++] = i;
  });
  return { starts, members };
}

function countBits(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
