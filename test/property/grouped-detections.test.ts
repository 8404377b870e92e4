import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AveragePrecisionResult,
  averagePrecision,
  GroupedDetections,
  IOU_THRESHOLDS,
  joinImages,
  type MatchedImage,
} from "../../src/detection/index.js";

const classes = 3;
const thresholds = IOU_THRESHOLDS.length;
/** A detection's confidence, class, and at how many thresholds it is a true positive; few labels, so that some are found. */
const detection = fc.record({ confidence: fc.nat(40), classIndex: fc.nat(1), hits: fc.nat(2 * thresholds) });
const image = fc
  .record({
    detections: fc.uniqueArray(detection, { maxLength: 8, selector: ({ confidence }) => confidence }),
    labels: fc.array(fc.nat(1), { maxLength: 4 }),
  })
  .map(({ detections, labels }): MatchedImage => {
    const sorted = detections.toSorted((a, b) => b.confidence - a.confidence);
    // A label is found once at a threshold at most.
    const left = Array.from({ length: classes }, (_, c) =>
      new Array<number>(thresholds).fill(labels.filter((label) => label === c).length),
    );
    const tp = sorted.flatMap(({ classIndex, hits }) =>
      IOU_THRESHOLDS.map((_, t) => (t < hits && left[classIndex][t]-- > 0 ? 1 : 0)),
    );
    return {
      tp: Uint8Array.from(tp),
      confidence: Float64Array.from(sorted, ({ confidence }) => confidence / 40),
      predictedClass: Int32Array.from(sorted, ({ classIndex }) => classIndex),
      targetClass: Int32Array.from(labels),
    };
  });
const split = fc.array(fc.record({ image, group: fc.nat(3) }), { minLength: 1, maxLength: 6 });
const weights = fc.array(fc.nat(3), { minLength: 4, maxLength: 4 });

/** The metrics of the split in which each image occurs as often as its group's weight says. */
function repeated(
  images: readonly { readonly image: MatchedImage; readonly group: number }[],
  counts: readonly number[],
): AveragePrecisionResult {
  const copies = images.flatMap((each) => new Array<MatchedImage>(counts[each.group]).fill(each.image));
  return averagePrecision(joinImages(copies, classes));
}

describe("GroupedDetections", () => {
  it("gives what averagePrecision gives for images that occur as often as their group's weight", () => {
    fc.assert(
      fc.property(split, weights, (images, counts) => {
        const grouped = new GroupedDetections(
          images.map((each) => each.image),
          images.map(({ group }) => group),
          { groupCount: 4, classes },
        );
        const expected = repeated(images, counts);
        const actual = grouped.curves(counts);
        expect(actual.perClass.map(({ classIndex }) => classIndex)).toEqual(
          expected.perClass.map(({ classIndex }) => classIndex),
        );
        actual.perClass.forEach((curves, i) => {
          const wanted = expected.perClass[i];
          expect(curves.instances).toBe(wanted.instances);
          for (const key of ["precision", "recall", "f1", "averagePrecision"] as const) {
            const furthest = curves[key].reduce(
              (most, x, k) => Math.max(most, Math.abs(x - wanted[key][k])),
              0,
            );
            expect(furthest, key).toBeLessThan(1e-12);
          }
        });
        const { map50, classes: labelled } = grouped.meanAveragePrecision(counts);
        const areas = expected.perClass.map(({ averagePrecision: [first] }) => first);
        expect(labelled).toBe(areas.length);
        expect(grouped.map50(counts)).toBe(map50);
        if (areas.length === 0) expect(map50).toBeNull();
        else expect(map50).toBeCloseTo(areas.reduce((a, b) => a + b) / areas.length, 12);
      }),
      { numRuns: 300 },
    );
  });

  it("refuses groups that are not one an image", () => {
    expect(() => new GroupedDetections([], [0], { groupCount: 1, classes })).toThrow(
      "grouped detections: 0 images expect as many groups, got 1",
    );
  });
});
