import { quantile } from "simple-statistics";
import { randomStream } from "../../tensor/index.js";

/** A confidence interval; null where too few resamples have a value. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Coverage that every interval is made for. */
export const intervalLevel = 0.95;

/** An interval is given where at least this share of the resamples has a value. */
const leastValues = 0.5;

/**
 * How often each of `clusters` clusters occurs in one bootstrap resample: as many clusters are drawn with
 * replacement as there are, and their frames come with them. A resample depends on the seed and its number
 * alone, so that everything that is measured on it is paired.
 * @returns int32 [clusters], its sum `clusters`
 */
export function clusterWeights(clusters: number, resample: number, seed: number): Int32Array {
  const random = randomStream(seed, "bootstrap", "clusters", resample);
  const weights = new Int32Array(clusters);
  for (let i = 0; i < clusters; i++) weights[random.integer(clusters)]++;
  return weights;
}

/** `count` indices 0 .. count - 1 drawn with replacement: the seeds of one bootstrap resample. */
export function resampledSeeds(count: number, resample: number, seed: number): number[] {
  const random = randomStream(seed, "bootstrap", "seeds", resample);
  return Array.from({ length: count }, () => random.integer(count));
}

/**
 * The percentile interval of a statistic over bootstrap resamples (Efron & Tibshirani 1993, chapter 13): the
 * 2.5 % and 97.5 % quantiles of its values.
 * @param values one a resample; null where the resample gives the statistic no value
 * @returns null where fewer than half of the resamples have a value
 */
export function percentileInterval(values: readonly (number | null)[]): Interval | null {
  const present = values.filter((value) => value !== null);
  if (present.length === 0 || present.length < leastValues * values.length) return null;
  const tail = (1 - intervalLevel) / 2;
  const [low, high] = quantile(present, [tail, 1 - tail]);
  return { low, high };
}
