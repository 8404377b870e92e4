import { randomStream } from "../../tensor/index.js";

/** The result of a paired permutation test. */
export interface PermutationTest {
  /** Two-sided. */
  readonly p: number;
  /** Assignments looked at, the observed one included. */
  readonly permutations: number;
  /** Whether these are all assignments there are. */
  readonly exact: boolean;
  /** The smallest p that the test can give with so many pairs: what it could detect at best. */
  readonly leastP: number;
}

export interface PermutationOptions {
  /** Every assignment is looked at where there are no more than this; else so many random ones are. */
  readonly most: number;
  readonly seed: number;
}

/**
 * A two-sided paired permutation test of any statistic of two paired sets of results: under the null
 * hypothesis the two results of a pair, such as two designs' predictions on one patient, may be swapped
 * without anyone noticing, and the observed statistic is as good as any other.
 *
 * p = (assignments with |statistic| >= |observed|) / (all assignments); with random assignments
 * (1 + so many) / (1 + drawn) (Phipson & Smyth 2010, "Permutation p-values should never be zero"). For a
 * statistic that is no mean, such as a difference of mAP, this is the approximate randomisation test (Noreen
 * 1989). Swapping every pair must negate the statistic, as it does a difference: half of the assignments are
 * enough then.
 * @param pairs how many pairs there are
 * @param statistic of an assignment: swapped[i] is 1 where pair i is swapped
 */
export function permutationTest(
  pairs: number,
  statistic: (swapped: Uint8Array) => number,
  { most, seed }: PermutationOptions,
): PermutationTest {
  const observed = Math.abs(statistic(new Uint8Array(pairs)));
  // Sums of the same numbers in another order differ in the last bits, and must count as equal.
  const reached = (swapped: Uint8Array): boolean =>
    Math.abs(statistic(swapped)) >= observed - 1e-12 * Math.max(1, observed);
  const all = 2 ** pairs;
  if (all <= most) {
    const half = Math.max(1, all / 2);
    let count = 0;
    for (let bits = 0; bits < half; bits++) {
      if (reached(Uint8Array.from({ length: pairs }, (_, i) => (bits >> i) & 1))) count++;
    }
    return { p: count / half, permutations: all, exact: true, leastP: 1 / half };
  }
  const random = randomStream(seed, "permutation");
  let count = 1;
  for (let i = 1; i <= most; i++) {
    if (reached(Uint8Array.from({ length: pairs }, () => random.integer(2)))) count++;
  }
  return { p: count / (most + 1), permutations: most + 1, exact: false, leastP: 1 / (most + 1) };
}

/** The paired sign-flip test of the mean of differences (Fisher's): null without any difference. */
export function signFlipTest(
  differences: readonly number[],
  options: PermutationOptions,
): PermutationTest | null {
  if (differences.length === 0) return null;
  const mean = (swapped: Uint8Array): number =>
    differences.reduce((sum, value, i) => sum + (swapped[i] === 1 ? -value : value), 0) / differences.length;
  return permutationTest(differences.length, mean, options);
}
