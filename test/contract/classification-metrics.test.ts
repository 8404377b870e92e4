import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { auroc, classificationMetrics } from "../../src/classification/metrics.js";

describe("classification metrics", () => {
  it("have their closed-form values on a small example", () => {
    // Predictions 0, 0, 1, 1, 0 for labels 0, 0, 1, 0, 1; class 2 occurs nowhere.
    const probabilities = [
      [0.8, 0.1, 0.1],
      [0.7, 0.2, 0.1],
      [0.3, 0.6, 0.1],
      [0.4, 0.5, 0.1],
      [0.6, 0.3, 0.1],
    ];
    const metrics = classificationMetrics(probabilities.flat(), [0, 0, 1, 0, 1], 3);
    expect(metrics.confusion).toEqual([
      [2, 1, 0],
      [1, 1, 0],
      [0, 0, 0],
    ]);
    expect(metrics.accuracy).toBeCloseTo(3 / 5, 12);
    expect(metrics.balancedAccuracy).toBeCloseTo((2 / 3 + 1 / 2) / 2, 12);
    expect(metrics.macroF1).toBeCloseTo((4 / 6 + 2 / 4) / 2, 12);
    // Class 0: positives .8 .7 .4 against .3 .6; class 1: positives .6 .3 against .1 .2 .5.
    expect(metrics.auroc).toBeCloseTo((5 / 6 + 5 / 6) / 2, 12);
    // Confidences .8, .7 and .5 have bins of their own; the two of .6, one right and one wrong, share theirs.
    expect(metrics.ece).toBeCloseTo((0.2 + 0.3 + 0.5 + Math.abs(1 - 2 * 0.6)) / 5, 12);
    expect(metrics).toMatchObject({ labelled: 5, unlabelled: 0 });
  });

  it("counts a class that is only predicted in the F1 but not in the balanced accuracy", () => {
    const metrics = classificationMetrics([1, 0, 0, 1], [0, 0], 2);
    expect(metrics.balancedAccuracy).toBe(0.5);
    expect(metrics.macroF1).toBeCloseTo(2 / 3 / 2, 12);
    expect(metrics.auroc).toBeNull();
  });

  it("leaves unlabelled images out and counts them", () => {
    const labelled = classificationMetrics([0.9, 0.1, 0.2, 0.8], [0, 1], 2);
    const mixed = classificationMetrics([0.9, 0.1, 0.5, 0.5, 0.2, 0.8], [0, -1, 1], 2);
    expect(mixed).toEqual({ ...labelled, unlabelled: 1 });
  });

  it("is null, not zero, without any label", () => {
    const nothing = { accuracy: null, balancedAccuracy: null, macroF1: null, auroc: null, ece: null };
    expect(classificationMetrics([0.5, 0.5], [-1], 2)).toMatchObject({
      ...nothing,
      labelled: 0,
      unlabelled: 1,
    });
  });

  it("has no calibration error where every bin is right as often as it is sure", () => {
    const probabilities = [0.75, 0.25, 0.75, 0.25, 0.75, 0.25, 0.75, 0.25];
    expect(classificationMetrics(probabilities, [0, 0, 0, 1], 2).ece).toBeCloseTo(0, 12);
    expect(classificationMetrics(probabilities, [1, 1, 1, 1], 2).ece).toBeCloseTo(0.75, 12);
  });

  it("refuses lengths that do not agree, labels out of range and logits", () => {
    expect(() => classificationMetrics([1, 0, 1], [0, 1], 2)).toThrow(/\[2, 2\] = 4 numbers, got 3/);
    expect(() => classificationMetrics([1, 0], [2], 2)).toThrow(/label of image 0 expects -1\.\.1, got 2/);
    expect(() => classificationMetrics([3, 0], [0], 2)).toThrow(/got 3; pass softmax outputs/);
    expect(() => classificationMetrics([Number.NaN, 0], [0], 2)).toThrow(/got NaN/);
  });
});

describe("AUROC", () => {
  const cases = fc.array(fc.tuple(fc.nat(8), fc.boolean()), { maxLength: 30 });

  it("equals counting pairs, ties one half", () => {
    fc.assert(
      fc.property(cases, (rows) => {
        const scoresOf = (wanted: boolean) =>
          rows.flatMap(([s, positive]) => (positive === wanted ? [s] : []));
        const pairs = scoresOf(true).flatMap((p) =>
          scoresOf(false).map((q) => (p > q ? 1 : p === q ? 0.5 : 0)),
        );
        const expected = pairs.length > 0 ? pairs.reduce((a: number, b) => a + b, 0) / pairs.length : null;
        const actual = auroc(
          rows.map(([s]) => s),
          rows.map(([, positive]) => positive),
        );
        if (expected === null) expect(actual).toBeNull();
        else expect(actual).toBeCloseTo(expected, 12);
      }),
    );
  });
});

describe("calibration error", () => {
  it("equals its definition, bin by bin", () => {
    const images = fc.array(fc.tuple(fc.integer({ min: 51, max: 100 }), fc.nat(1)), { minLength: 1 });
    fc.assert(
      fc.property(images, (rows) => {
        let expected = 0;
        for (let b = 0; b < 15; b++) {
          // In whole numbers: confidence percent x 15 in (100 b, 100 (b + 1)].
          const bin = rows.filter(([percent]) => percent * 15 > 100 * b && percent * 15 <= 100 * (b + 1));
          if (bin.length === 0) continue;
          const accuracy = bin.filter(([, label]) => label === 0).length / bin.length;
          const confidence = bin.reduce((total, [percent]) => total + percent / 100, 0) / bin.length;
          expected += (bin.length / rows.length) * Math.abs(accuracy - confidence);
        }
        const probabilities = rows.flatMap(([percent]) => [percent / 100, 1 - percent / 100]);
        const labels = rows.map(([, label]) => label);
        expect(classificationMetrics(probabilities, labels, 2).ece).toBeCloseTo(expected, 12);
      }),
    );
  });
});
