import {
  detectableDifference,
  hodgesLehmann,
  holm,
  type Interval,
  percentileInterval,
  type PermutationTest,
  permutationTest,
  resampledSeeds,
  signFlipTest,
  standardDeviation,
  standardisedDifference,
} from "../statistics/index.js";
import { type Endpoint, meanOf, Pool, type PooledFrame } from "./pool.js";
import type { ScoredDesign, SeedPool } from "./scoring.js";

/** A design against the best one, on one endpoint. Differences are design minus best. */
export interface Contrast {
  readonly design: string;
  readonly reference: string;
  readonly endpoint: Endpoint;
  /** Seeds that both have: what is paired. */
  readonly seeds: readonly number[];
  /** Mean over these seeds. */
  readonly difference: number;
  /** Over patients, and over seeds where there are two or more. */
  readonly interval: Interval | null;
  /** Predictions of a patient swapped between the designs, in all seeds at once. */
  readonly patients: PermutationTest & { readonly n: number; readonly adjustedP: number };
  /** Differences of the seeds; null for one seed. */
  readonly seedTest: SeedTest | null;
  /** What 80 of 100 studies like this one would detect at 5 %, before correction; null without resamples. */
  readonly detectable: number | null;
  readonly verdict: "worse" | "better" | "not told apart";
}

/** The seeds' side of a contrast: how far the difference depends on the training's chance. */
export interface SeedTest extends PermutationTest {
  readonly differences: readonly number[];
  readonly hodgesLehmann: number | null;
  /** Mean over standard deviation; null where none differs. */
  readonly standardised: number | null;
}

export interface ContrastOptions {
  readonly seed: number;
}

/** Level of the corrected tests. */
export const significanceLevel = 0.05;
/** Assignments that a permutation test looks at, where it cannot look at all. */
const mostPermutations = 2000;

/**
 * Tests every design against `best` on every endpoint that both have. The p-values of all of them are one family
 * for Holm's correction.
 * @param designs those that are compared, `best` among them or not
 */
export function contrastsWith(
  best: ScoredDesign,
  designs: readonly ScoredDesign[],
  endpoints: readonly Endpoint[],
  options: ContrastOptions,
): Contrast[] {
  const raw = designs
    .filter((design) => design !== best)
    .flatMap((design) => endpoints.flatMap((endpoint) => contrast(design, best, endpoint, options) ?? []));
  const adjusted = holm(raw.map(({ patients }) => patients.p));
  return raw.map((each, i) => ({
    ...each,
    patients: { ...each.patients, adjustedP: adjusted[i] },
    verdict: verdictOf(each.difference, adjusted[i]),
  }));
}

type Uncorrected = Omit<Contrast, "patients" | "verdict"> & {
  readonly patients: PermutationTest & { readonly n: number };
};

interface Pair {
  readonly seed: number;
  readonly mine: SeedPool;
  readonly theirs: SeedPool;
}

function contrast(
  design: ScoredDesign,
  best: ScoredDesign,
  endpoint: Endpoint,
  { seed }: ContrastOptions,
): Uncorrected | null {
  const pairs = design.seeds.flatMap((mine): Pair[] => {
    const theirs = best.seeds.find((each) => each.seed === mine.seed);
    return theirs ? [{ seed: mine.seed, mine, theirs }] : [];
  });
  const differences = pairs.map(({ mine, theirs }) =>
    minus(mine.pool.endpoint(endpoint, mine.pool.ones), theirs.pool.endpoint(endpoint, theirs.pool.ones)),
  );
  const difference = meanOf(differences);
  if (difference === null) return null;
  const resampled = (pairs[0]?.mine.samples ?? []).map((_, i) =>
    resampledDifference(pairs, endpoint, i, seed),
  );
  const spread = standardDeviation(resampled.filter((value) => value !== null));
  const bySeed = differences.filter((value) => value !== null);
  const seedTest = bySeed.length > 1 ? signFlipTest(bySeed, { most: mostPermutations, seed }) : null;
  return {
    design: design.design.name,
    reference: best.design.name,
    endpoint,
    seeds: pairs.map((pair) => pair.seed),
    difference,
    interval: percentileInterval(resampled),
    patients: swapTest(pairs, endpoint, seed),
    seedTest: seedTest && {
      ...seedTest,
      differences: bySeed,
      hodgesLehmann: hodgesLehmann(bySeed),
      standardised: standardisedDifference(bySeed),
    },
    detectable: spread === null ? null : detectableDifference(spread),
  };
}

/** The mean difference in one resample of patients and of seeds. */
function resampledDifference(
  pairs: readonly Pair[],
  endpoint: Endpoint,
  resample: number,
  seed: number,
): number | null {
  const drawn = resampledSeeds(pairs.length, resample, seed).map((i) => pairs[i]);
  return meanOf(
    drawn.map(({ mine, theirs }) =>
      minus(mine.samples[resample][endpoint], theirs.samples[resample][endpoint]),
    ),
  );
}

/**
 * The permutation test over patients: both designs' predictions on a patient are swapped, and the difference of
 * the pooled metric is taken anew.
 */
function swapTest(pairs: readonly Pair[], endpoint: Endpoint, seed: number) {
  const { clusters } = pairs[0].mine.pool;
  const n = clusters.size;
  const both = pairs.map(({ mine, theirs }) => joined(mine.pool, theirs.pool));
  const statistic = (swapped: Uint8Array): number => {
    const first = new Int32Array(2 * n);
    const second = new Int32Array(2 * n);
    swapped.forEach((isSwapped, i) => {
      first[isSwapped ? n + i : i] = 1;
      second[isSwapped ? i : n + i] = 1;
    });
    return (
      meanOf(both.map((pool) => minus(pool.endpoint(endpoint, first), pool.endpoint(endpoint, second)))) ?? 0
    );
  };
  return { n, ...permutationTest(n, statistic, { most: mostPermutations, seed }) };
}

/** The frames of two designs in one pool: cluster i is the first one's patient i, n + i the second one's. */
function joined(first: Pool, second: Pool): Pool {
  const tagged = (pool: Pool, tag: string): PooledFrame[] =>
    pool.frames.map((frame) => ({ ...frame, cluster: `${tag} ${frame.cluster}` }));
  const names = [...first.clusters.keys()];
  const tags = ["a", "b"].flatMap((tag) => names.map((name) => `${tag} ${name}`));
  const clusters = new Map(tags.map((name, index) => [name, index]));
  return new Pool([...tagged(first, "a"), ...tagged(second, "b")], clusters, first.classes);
}

function minus(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a - b;
}

function verdictOf(difference: number, adjustedP: number): Contrast["verdict"] {
  if (adjustedP > significanceLevel) return "not told apart";
  return difference < 0 ? "worse" : "better";
}
