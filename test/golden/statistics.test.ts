import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  detectableDifference,
  hodgesLehmann,
  holm,
  percentileInterval,
  permutationTest,
  signFlipTest,
  standardisedDifference,
} from "../../src/experiments/statistics/index.js";

interface Fixture {
  readonly paired: Record<
    string,
    { differences: number[]; signFlipP: number; hodgesLehmann: number; standardised: number }
  >;
  readonly holm: readonly { p: number[]; adjusted: number[] }[];
  readonly quantiles: readonly { values: number[]; low: number; high: number }[];
  readonly detectable: number;
}

/** SciPy's and NumPy's values (tools/reference/make_statistics.py). */
const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/statistics.json", import.meta.url), "utf8"),
) as Fixture;
const everything = { most: 2 ** 15, seed: 0 };

describe("paired tests", () => {
  it.each(Object.entries(fixture.paired))("of %s agree with SciPy", (_, expected) => {
    const { differences } = expected;
    const test = signFlipTest(differences, everything);
    expect(test?.exact).toBe(true);
    expect(test?.p).toBeCloseTo(expected.signFlipP, 12);
    expect(hodgesLehmann(differences)).toBeCloseTo(expected.hodgesLehmann, 12);
    expect(standardisedDifference(differences)).toBeCloseTo(expected.standardised, 12);
  });

  it("give Fisher's value on Darwin's Zea mays: 1726 of 32768 assignments", () => {
    expect(signFlipTest(fixture.paired.darwin.differences, everything)?.p).toBe(1726 / 32768);
  });

  it("come near the exact value with random assignments, never at 0", () => {
    const { differences, signFlipP } = fixture.paired.darwin;
    const drawn = signFlipTest(differences, { most: 4000, seed: 3 });
    expect(drawn).toMatchObject({ exact: false, permutations: 4001, leastP: 1 / 4001 });
    // Four standard errors of a share of 4000.
    expect(Math.abs((drawn?.p ?? 1) - signFlipP)).toBeLessThan(0.0142);
    const clear = Array.from({ length: 30 }, () => 1);
    expect(signFlipTest(clear, { most: 200, seed: 0 })?.p).toBe(1 / 201);
  });

  it("say how small p can get: 2 / 2^n", () => {
    expect(signFlipTest([1, 2, 3], everything)).toMatchObject({ p: 0.25, leastP: 0.25, permutations: 8 });
    expect(signFlipTest([5], everything)).toMatchObject({ p: 1, leastP: 1 });
    expect(signFlipTest([], everything)).toBeNull();
  });

  it("hold for a statistic that is no mean", () => {
    // The difference of two ratios of sums, over every assignment by hand.
    const [a, b] = [
      [1, 3, 2],
      [2, 1, 2],
    ];
    const ratio = (values: number[]) => values[0] / (values[0] + values[1] + values[2]);
    const statistic = (swapped: Uint8Array) => {
      const left = a.map((value, i) => (swapped[i] === 1 ? b[i] : value));
      const right = a.map((value, i) => (swapped[i] === 1 ? value : b[i]));
      return ratio(left) - ratio(right);
    };
    const all = Array.from({ length: 8 }, (_, bits) =>
      Math.abs(statistic(Uint8Array.from([bits & 1, (bits >> 1) & 1, bits >> 2]))),
    );
    const expected = all.filter((value) => value >= all[0] - 1e-12).length / 8;
    expect(permutationTest(3, statistic, everything).p).toBe(expected);
  });
});

describe("corrections and intervals", () => {
  it("Holm's values are those of the definition", () => {
    for (const { p, adjusted } of fixture.holm) {
      for (const [i, value] of holm(p).entries()) expect(value).toBeCloseTo(adjusted[i], 12);
    }
    expect(holm([])).toEqual([]);
  });

  it("percentiles are NumPy's, and null values are left out", () => {
    for (const { values, low, high } of fixture.quantiles) {
      const interval = percentileInterval([...values, null]);
      expect(interval?.low).toBeCloseTo(low, 12);
      expect(interval?.high).toBeCloseTo(high, 12);
    }
    expect(percentileInterval([1, null, null])).toBeNull();
    expect(percentileInterval([])).toBeNull();
  });

  it("the detectable difference is SciPy's 2.80 standard errors", () => {
    // The library's probit is good to four digits.
    expect(detectableDifference(1)).toBeCloseTo(fixture.detectable, 2);
  });
});
