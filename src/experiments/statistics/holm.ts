/**
 * Holm's step-down correction of p-values of one family of tests (Holm 1979): of m values in rising order the
 * k-th becomes max over j <= k of min(1, (m - j + 1) · p_j). The chance of any false rejection stays below the
 * level, whatever the tests' dependence.
 * @returns the adjusted values, in the order given
 */
export function holm(pValues: readonly number[]): number[] {
  const order = [...pValues.keys()].sort((a, b) => pValues[a] - pValues[b]);
  const adjusted = new Array<number>(pValues.length);
  let largest = 0;
  order.forEach((index, rank) => {
    largest = Math.max(largest, Math.min(1, (pValues.length - rank) * pValues[index]));
    adjusted[index] = largest;
  });
  return adjusted;
}
