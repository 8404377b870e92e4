import { mean, median, probit, sampleStandardDeviation } from "simple-statistics";

/** The Hodges-Lehmann estimate of paired differences: the median of all means of two, each with itself too. */
export function hodgesLehmann(differences: readonly number[]): number | null {
  if (differences.length === 0) return null;
  return median(differences.flatMap((a, i) => differences.slice(i).map((b) => (a + b) / 2)));
}

/** Cohen's d of paired differences, mean / standard deviation; null for fewer than two, or where none differs. */
export function standardisedDifference(differences: readonly number[]): number | null {
  const spread = standardDeviation(differences);
  return spread === null || spread === 0 ? null : mean([...differences]) / spread;
}

/** The standard deviation (n - 1); null for fewer than two values. */
export function standardDeviation(values: readonly number[]): number | null {
  return values.length < 2 ? null : sampleStandardDeviation([...values]);
}

/**
 * The difference that a two-sided test at 5 % detects with a chance of 80 %, by the normal approximation:
 * (z_0.975 + z_0.8) · standard error. What is smaller may exist and stay unseen.
 */
export function detectableDifference(standardError: number): number {
  return (probit(0.975) + probit(0.8)) * standardError;
}
