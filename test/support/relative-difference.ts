/** The furthest difference between numbers and those expected, over the largest expected magnitude. */
export function relativeDifference(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [largest, furthest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]));
    furthest = Math.max(furthest, Math.abs(got[i] - expected[i]));
  }
  return furthest / largest;
}
