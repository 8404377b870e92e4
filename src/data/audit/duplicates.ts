import { decodeImage } from "../image.js";
import { type HashWords, hashDistance, hashPairs, hashWords, MOST_DISTANCE } from "./hash-pairs.js";
import type { ImageFacts } from "./measure-image.js";
import { thumbnailCorrelation } from "./thumbnail-correlation.js";

/** An image to compare: its ids, and what was measured of it. */
export interface ComparedImage {
  readonly path: string;
  readonly patient: string | null;
  readonly clip: string | null;
  readonly facts: ImageFacts;
}

/** Two images that show the same, by their indices, a < b. */
export interface DuplicateImages {
  readonly a: number;
  readonly b: number;
  /** exact: the same decoded pixels. near: the same picture, saved, scaled or marked differently. */
  readonly kind: "exact" | "near";
  /** Bits in which the hashes differ. */
  readonly distance: number;
  /** -1..1, see `thumbnailCorrelation`; 1 where exact. */
  readonly correlation: number;
}

/** What looking for duplicates found. */
export interface Duplicates {
  /** Bits up to which pairs were compared, null where there was nothing to learn it from. */
  readonly threshold: number | null;
  /** [65] sampled pairs of images of different patients, by the distance of their hashes. */
  readonly distances: readonly number[];
  /** By a, then b. */
  readonly pairs: readonly DuplicateImages[];
}

/** Correlation from which a pair is the same picture: midway between other frames and copies. */
const SAME_PICTURE = 0.9;
/**
 * Fewest bits compared, and those compared where nothing can be learnt: saving, scaling or shifting a picture
 * by two pixels flips up to four.
 */
const LEAST_DISTANCE = 4;
/** Images that the distribution of distances is taken from. */
const SAMPLE = 2000;

/**
 * Finds images that show the same.
 *
 * Exact are images whose decoded pixels are equal, wherever they are; of more than two, each is paired with
 * the first. Near are pairs of images of different clips (or, without clips, of different patients) whose
 * hashes differ in at most `threshold` bits and whose thumbnails correlate to at least 0.9; of exact images in
 * one clip, the first stands for all. Within a clip, neighbouring frames are near by nature, so a copy is also
 * near the neighbours of its source: of the pairs between an image and a clip, only the nearest counts.
 *
 * Images with a fault are left out. Only images of different bytes that may be equal are decoded again.
 */
export async function findDuplicates(images: readonly ComparedImage[]): Promise<Duplicates> {
  const whole = images.flatMap(({ facts }, i) => (facts.fault === null ? [i] : []));
  const first = await firstOfEqual(images, whole);
  const words = hashWords(images.map(({ facts }) => facts.hash));
  const distances = distancesBetweenPatients(images, words, whole);
  const threshold = learnThreshold(images, distances, whole);
  const pairs = whole.flatMap((b): DuplicateImages[] => {
    const a = first.get(b)!;
    return a === b ? [] : [{ a, b, kind: "exact", distance: 0, correlation: 1 }];
  });
  pairs.push(...nearPairs(images, whole, first, threshold ?? LEAST_DISTANCE));
  return { threshold, distances, pairs: pairs.sort((x, y) => x.a - y.a || x.b - y.b) };
}

/** For each whole image, the first one with the same decoded pixels. */
async function firstOfEqual(
  images: readonly ComparedImage[],
  whole: readonly number[],
): Promise<Map<number, number>> {
  const first = new Map<number, number>();
  const byBytes = new Map<string, number>();
  const alike = new Map<string, number[]>();
  for (const i of whole) {
    const { sha256, width, height, hash, meanLuminance, colouredShare } = images[i].facts;
    const same = byBytes.get(sha256);
    first.set(i, same ?? i);
    if (same !== undefined) continue;
    byBytes.set(sha256, i);
    const key = [width, height, hash, meanLuminance, colouredShare].join(" ");
    alike.set(key, [...(alike.get(key) ?? []), i]);
  }
  for (const group of alike.values()) {
    const kinds: number[] = [];
    for (const i of group) {
      let same: number | undefined;
      for (const kind of kinds) {
        if (same === undefined && (await haveEqualPixels(images[kind], images[i]))) same = kind;
      }
      if (same === undefined) kinds.push(i);
      else first.set(i, same);
    }
  }
  // Copies of a file that is itself equal to an earlier one.
  for (const i of whole) first.set(i, first.get(first.get(i)!)!);
  return first;
}

async function haveEqualPixels(a: ComparedImage, b: ComparedImage): Promise<boolean> {
  if (Buffer.compare(a.facts.thumbnail, b.facts.thumbnail) !== 0) return false;
  const [one, other] = [await decodeImage(a.path), await decodeImage(b.path)];
  return Buffer.compare(one.data, other.data) === 0;
}

/** Distances of all pairs of different patients among a sample that is spread evenly over patients and frames. */
function distancesBetweenPatients(
  images: readonly ComparedImage[],
  words: HashWords,
  whole: readonly number[],
): number[] {
  const ofPatient = new Map<string, number[]>();
  for (const i of whole) {
    const { patient } = images[i];
    if (patient === null) continue;
    const own = ofPatient.get(patient);
    if (own) own.push(i);
    else ofPatient.set(patient, [i]);
  }
  const patients = evenly([...ofPatient.values()], SAMPLE);
  const each = Math.ceil(SAMPLE / Math.max(1, patients.length));
  const samples = patients.map((own) => evenly(own, each));
  const distances = new Array<number>(65).fill(0);
  for (const [p, own] of samples.entries()) {
    for (const others of samples.slice(p + 1)) {
      for (const a of own) for (const b of others) distances[hashDistance(words, a, b)]++;
    }
  }
  return distances;
}

function evenly<T>(values: readonly T[], most: number): T[] {
  if (values.length <= most) return [...values];
  return Array.from({ length: most }, (_, i) => values[Math.floor((i * values.length) / most)]);
}

/**
 * The distance up to which hashes are suspiciously near: the median distance between patients less three
 * standard deviations, taken as (upper quartile - median) / 0.6745, within 4..7; null below three patients.
 *
 * Copies between patients make near pairs, and a whole copied clip makes thousands; median and upper quartile
 * do not notice them, while a quantile of the lower tail would shrink to nothing just where it is needed.
 * Beyond 7, pictures of one apparatus chain together. A threshold that is too wide costs time alone, since
 * the correlation has the last word.
 */
function learnThreshold(
  images: readonly ComparedImage[],
  distances: readonly number[],
  whole: readonly number[],
): number | null {
  const patients = new Set(whole.flatMap((i) => images[i].patient ?? []));
  if (patients.size < 3) return null;
  const median = quantile(distances, 0.5);
  const deviation = (quantile(distances, 0.75) - median) / 0.6745;
  return Math.max(LEAST_DISTANCE, Math.min(MOST_DISTANCE, Math.floor(median - 3 * deviation)));
}

/** The smallest distance that at least the share `part` of the pairs do not exceed. */
function quantile(histogram: readonly number[], part: number): number {
  const total = histogram.reduce((a, b) => a + b, 0);
  let below = 0;
  return histogram.findIndex((count) => {
    below += count;
    return below >= part * total;
  });
}

function nearPairs(
  images: readonly ComparedImage[],
  whole: readonly number[],
  first: ReadonlyMap<number, number>,
  threshold: number,
): DuplicateImages[] {
  const compared = firstOfClips(images, whole, first);
  const correlation = thumbnailCorrelation(images.map(({ facts }) => facts));
  const pairs: DuplicateImages[] = [];
  hashPairs(hashWords(compared.map((i) => images[i].facts.hash)), threshold, (i, j, distance) => {
    const [a, b] = [compared[i], compared[j]];
    if (!areOfDifferentClips(images[a], images[b])) return;
    // Equal ones take part, since nothing is nearer, and are told of elsewhere.
    if (first.get(a) === first.get(b)) pairs.push({ a, b, kind: "exact", distance, correlation: Infinity });
    else {
      const found = correlation(a, b);
      if (found >= SAME_PICTURE) pairs.push({ a, b, kind: "near", distance, correlation: found });
    }
  });
  return mutuallyNearest(images, pairs).filter(({ kind }) => kind === "near");
}

/** The pairs of which each image is the one of its clip that the other is most like, the first of equals. */
function mutuallyNearest(
  images: readonly ComparedImage[],
  pairs: readonly DuplicateImages[],
): DuplicateImages[] {
  const nearest = new Map<string, DuplicateImages>();
  const keys = ({ a, b }: DuplicateImages): string[] => [
    JSON.stringify([a, images[b].patient, images[b].clip]),
    JSON.stringify([b, images[a].patient, images[a].clip]),
  ];
  for (const pair of pairs) {
    for (const key of keys(pair)) {
      const known = nearest.get(key);
      if (!known || precedes(pair, known)) nearest.set(key, pair);
    }
  }
  return pairs.filter((pair) => keys(pair).every((key) => nearest.get(key) === pair));
}

function precedes(one: DuplicateImages, other: DuplicateImages): boolean {
  if (one.correlation !== other.correlation) return one.correlation > other.correlation;
  return one.a !== other.a ? one.a < other.a : one.b < other.b;
}

/** The images that stand for all equal ones of their clip. */
function firstOfClips(
  images: readonly ComparedImage[],
  whole: readonly number[],
  first: ReadonlyMap<number, number>,
): number[] {
  const seen = new Set<string>();
  return whole.filter((i) => {
    const { patient, clip } = images[i];
    const key = JSON.stringify([first.get(i), patient, clip]);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function areOfDifferentClips(a: ComparedImage, b: ComparedImage): boolean {
  if (a.clip !== null && b.clip !== null) return a.clip !== b.clip;
  return a.patient !== null && b.patient !== null && a.patient !== b.patient;
}
