import { randomStream } from "../../tensor/index.js";
import type { SplitName } from "../description.js";
import { groupBy } from "./order.js";
import { type DataScan, type ScannedFrame, splitNames } from "./scan.js";
import type { Counts, ShiftTest } from "./types.js";

/** A distance below this is no finding, however certain: one label in ten would have to change. */
const leastDistance = 0.1;
/** Share of data sets split at random in which all tests together may raise a false alarm. */
const familyLevel = 0.0025;
const permutations = 4999;
/** Once chance has come this far this often, the rest of the permutations would change nothing. */
const enoughExceedances = 20;

/**
 * Whether the classes (by boxes) and the views (by frames) are spread alike over each pair of splits.
 *
 * The distance is the total variation between the two distributions. Whether it may be chance is told by a
 * permutation test with a fixed seed, which deals out anew what the splits were dealt from. Frames of one clip
 * or patient are alike, so they are kept together as far as the splits keep them together:
 * - patients that are in one of the two splits alone are dealt out whole;
 * - of the other patients, clips that are in one split alone are dealt out whole, among themselves: splits that
 *   share patients were not made of patients;
 * - the frames of clips that both splits have are dealt out one by one, among themselves.
 * Each pool keeps its number of units a split. Where data.yaml declares no clips, a patient in both splits
 * counts as two whole units. Where it declares no `groups` at all, nothing is known of what belongs together
 * and there is no test.
 *
 * A split counts as shifted where the distance is at least 0.1 and p is at most 0.0025 divided by the number of
 * tests (Bonferroni): splits that were dealt at random raise an alarm in fewer than 1 of 100 cases, also where
 * single clips leaked between splits of whole patients (docs/audit.md has the measured rates).
 */
export function testShift(scan: DataScan): ShiftTest[] {
  const { names } = scan.description;
  const kinds = [
    { of: "class", labels: names, count: countClasses },
    { of: "view", labels: scan.views, count: countView },
  ] as const;
  const present = splitNames.filter((split) => scan.frames.some((frame) => frame.split === split));
  const pairs = present.flatMap((from, i) => present.slice(i + 1).map((to) => ({ from, to })));
  const wanted = kinds.filter(({ labels }) => labels.length > 0);
  const level = familyLevel / Math.max(1, wanted.length * pairs.length);
  return wanted.flatMap(({ of, labels, count }) =>
    pairs.map(({ from, to }) => {
      const frames = scan.frames.filter(({ split }) => split === from || split === to);
      const pools = poolsOf(frames, { from, labels: labels.length, count });
      const distance = distanceOf(pools, labels.length);
      const grouped = frames.some(({ patient, video }) => patient !== null || video !== null);
      const pValue =
        distance === null || !grouped ? null : permute(pools, distance, ["audit", "shift", of, from, to]);
      const shifted = distance !== null && pValue !== null && distance >= leastDistance && pValue <= level;
      const shares = { from: sharesOf(pools, "from", labels), to: sharesOf(pools, "to", labels) };
      const [patients, clips, single] = pools.map((pool) => pool.length);
      return { of, from, to, distance, pValue, units: { patients, clips, frames: single }, shifted, shares };
    }),
  );
}

type Count = (frame: ScannedFrame, into: Float64Array) => void;

const countClasses: Count = (frame, into) => {
  for (const box of frame.boxes) into[box.class]++;
};

const countView: Count = (frame, into) => {
  if (frame.view >= 0) into[frame.view]++;
};

/** Units that may change places: their labels, counted, and whether each is in the first split. */
type Pool = { readonly counts: Float64Array; readonly inFirst: boolean }[];

/** Pools of patients, of clips and of frames; units without a label are left out. */
function poolsOf(
  frames: readonly ScannedFrame[],
  { from, labels, count }: { readonly from: SplitName; readonly labels: number; readonly count: Count },
): [Pool, Pool, Pool] {
  const [patients, clips, single]: [Pool, Pool, Pool] = [[], [], []];
  const add = (pool: Pool, unit: readonly ScannedFrame[]): void => {
    const counts = new Float64Array(labels);
    for (const frame of unit) count(frame, counts);
    if (counts.some((n) => n > 0)) pool.push({ counts, inFirst: unit[0].split === from });
  };
  for (const patient of groupBy(frames, patientKey).values()) {
    if (!isCut(patient)) {
      add(patients, patient);
      continue;
    }
    for (const clip of groupBy(patient, clipKey).values()) {
      if (!isCut(clip)) add(clips, clip);
      else if (clip[0].video !== null) for (const frame of clip) add(single, [frame]);
      else for (const piece of groupBy(clip, ({ split }) => split).values()) add(patients, piece);
    }
  }
  return [patients, clips, single];
}

/** Whether both splits have some of the frames. */
function isCut(frames: readonly ScannedFrame[]): boolean {
  return frames.some(({ split }) => split !== frames[0].split);
}

// A frame that no pattern matches stands for itself.
const patientKey = ({ patient, video, name }: ScannedFrame): string =>
  patient !== null ? `patient ${patient}` : video !== null ? `clip ${video}` : `frame ${name}`;
const clipKey = ({ video }: ScannedFrame): string => (video === null ? "none" : `clip ${video}`);

/** How far the two splits are apart as they are. */
function distanceOf(pools: readonly Pool[], labels: number): number | null {
  const [total, first] = [new Float64Array(labels), new Float64Array(labels)];
  for (const { counts, inFirst } of pools.flat()) {
    for (let i = 0; i < labels; i++) {
      total[i] += counts[i];
      if (inFirst) first[i] += counts[i];
    }
  }
  return totalVariation(first, total);
}

/** The share of deals that come at least as far; null where there is only one way to deal. */
function permute(pools: readonly Pool[], distance: number, key: readonly string[]): number | null {
  const labels = pools.flat()[0].counts.length;
  const deals = pools.map((pool) => new Deal(pool, labels));
  if (deals.every((deal) => deal.fixed)) return null;
  const total = new Float64Array(labels);
  for (const { counts } of pools.flat()) for (let i = 0; i < labels; i++) total[i] += counts[i];
  const random = randomStream(0, ...key);
  const first = new Float64Array(labels);
  let asFar = 0;
  let done = 0;
  while (done < permutations && asFar < enoughExceedances) {
    first.fill(0);
    for (const deal of deals) deal.addFirst(first, (bound) => random.integer(bound));
    const chance = totalVariation(first, total);
    if (chance !== null && chance >= distance - 1e-12) asFar++;
    done++;
  }
  // Besag and Clifford 1991: a test that stops early has the share itself as its p-value.
  return asFar === enoughExceedances ? asFar / done : (asFar + 1) / (done + 1);
}

/** Half the sum of the differences of the shares; null where one side is empty. */
function totalVariation(first: Float64Array, total: Float64Array): number | null {
  let inFirst = 0;
  let all = 0;
  for (let i = 0; i < total.length; i++) {
    inFirst += first[i];
    all += total[i];
  }
  if (inFirst === 0 || inFirst === all) return null;
  let sum = 0;
  for (let i = 0; i < total.length; i++) {
    sum += Math.abs(first[i] / inFirst - (total[i] - first[i]) / (all - inFirst));
  }
  return sum / 2;
}

/** Deals a pool's units out to the two splits anew, as many to each as it has. */
class Deal {
  readonly #counts: Float64Array[];
  readonly #total: Float64Array;
  readonly #drawn: number;
  readonly #drawsFirst: boolean;

  constructor(units: Pool, labels: number) {
    this.#counts = units.map(({ counts }) => counts);
    this.#total = new Float64Array(labels);
    for (const counts of this.#counts) for (let i = 0; i < labels; i++) this.#total[i] += counts[i];
    const inFirst = units.filter((unit) => unit.inFirst).length;
    // Only the smaller side is drawn; the other has the rest.
    this.#drawsFirst = 2 * inFirst <= units.length;
    this.#drawn = this.#drawsFirst ? inFirst : units.length - inFirst;
  }

  /** Whether there is only one way to deal. */
  get fixed(): boolean {
    return this.#drawn === 0;
  }

  /** Adds the labels of the units that the first split is dealt; a partial Fisher-Yates shuffle. */
  addFirst(into: Float64Array, integer: (bound: number) => number): void {
    const counts = this.#counts;
    const sign = this.#drawsFirst ? 1 : -1;
    if (!this.#drawsFirst) for (let i = 0; i < into.length; i++) into[i] += this.#total[i];
    for (let at = 0; at < this.#drawn; at++) {
      const other = at + integer(counts.length - at);
      const unit = counts[other];
      counts[other] = counts[at];
      counts[at] = unit;
      for (let i = 0; i < into.length; i++) into[i] += sign * unit[i];
    }
  }
}

function sharesOf(pools: readonly Pool[], side: "from" | "to", labels: readonly string[]): Counts {
  const sums = labels.map(() => 0);
  for (const { counts, inFirst } of pools.flat()) {
    if (inFirst !== (side === "from")) continue;
    for (let i = 0; i < sums.length; i++) sums[i] += counts[i];
  }
  const all = sums.reduce((a, b) => a + b, 0);
  return Object.fromEntries(labels.map((label, i) => [label, all === 0 ? 0 : sums[i] / all]));
}
