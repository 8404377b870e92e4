import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AveragePrecisionResult,
  averagePrecision,
  classPointAt,
  IOU_THRESHOLDS,
} from "../../src/detection/average-precision.js";
import { boxIouXyxy, type Xyxy } from "../../src/detection/boxes.js";
import {
  DetectionMetrics,
  type LabelledBox,
  matchDetections,
} from "../../src/detection/detection-metrics.js";
import type { Detection } from "../../src/detection/non-maximum-suppression.js";

const names = ["AR", "MR", "PR"];
const boxes = fc
  .tuple(fc.nat(12), fc.nat(12), fc.integer({ min: 4, max: 16 }), fc.integer({ min: 4, max: 16 }))
  .map(([x, y, w, h]): Xyxy => [x, y, x + w, y + h]);
const labels = fc.array(
  fc.record({ classIndex: fc.nat(1), box: boxes }).map((label): LabelledBox => label),
  { maxLength: 6 },
);
/** Detections by falling confidence, each confidence a distinct point of the grid. */
const detections = fc
  .uniqueArray(fc.tuple(fc.nat(998), fc.nat(1), boxes), { maxLength: 10, selector: ([index]) => index })
  .map((rows) =>
    rows
      .sort((a, b) => b[0] - a[0])
      .map(([index, classIndex, box]): Detection => ({ confidence: index * (1 / 999), classIndex, box })),
  );
const splits = fc.array(fc.tuple(detections, labels), { maxLength: 5 });

function metricsOf(
  split: readonly (readonly [readonly Detection[], readonly LabelledBox[]])[],
): DetectionMetrics {
  const metrics = new DetectionMetrics(names.length);
  for (const [found, truth] of split) metrics.add(found, truth);
  return metrics;
}

/** The matching as it is described: all pairs by falling IoU, unique by detection, then unique by label. */
function pairwiseMatches(
  found: readonly Detection[],
  truth: readonly LabelledBox[],
  threshold: number,
): number[] {
  const pairs = truth.flatMap((label, l) =>
    found.map((detection, d) => ({
      l,
      d,
      iou: label.classIndex === detection.classIndex ? boxIouXyxy(label.box, detection.box) : -1,
    })),
  );
  const sorted = pairs.filter((pair) => pair.iou >= threshold).sort((a, b) => b.iou - a.iou || b.l - a.l);
  const byDetection = sorted
    .filter((pair, i) => sorted.findIndex((other) => other.d === pair.d) === i)
    .sort((a, b) => a.d - b.d);
  const byLabel = byDetection.filter((pair, i) => byDetection.findIndex((other) => other.l === pair.l) === i);
  return found.map((_, d) => Number(byLabel.some((pair) => pair.d === d)));
}

describe("matching", () => {
  it("equals the pairwise definition at every threshold", () => {
    fc.assert(
      fc.property(detections, labels, (found, truth) => {
        const tp = matchDetections(found, truth);
        IOU_THRESHOLDS.forEach((threshold, t) => {
          const column = found.map((_, d) => tp[d * IOU_THRESHOLDS.length + t]);
          expect(column).toEqual(pairwiseMatches(found, truth, threshold));
        });
      }),
    );
  });

  it("gives a label found twice to the more confident detection, even where the other fits better", () => {
    const truth: LabelledBox[] = [{ classIndex: 0, box: [0, 0, 10, 10] }];
    const found: Detection[] = [
      { classIndex: 0, confidence: 0.9, box: [0, 0, 10, 6] },
      { classIndex: 0, confidence: 0.8, box: [0, 0, 10, 10] },
    ];
    const tp = matchDetections(found, truth);
    expect([...tp.subarray(0, 10)]).toEqual([1, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
    expect([...tp.subarray(10)]).toEqual([0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
  });

  it("gives a detection between two labels of equal IoU to the later one", () => {
    const truth: LabelledBox[] = [
      { classIndex: 0, box: [0, 0, 8, 10] },
      { classIndex: 0, box: [2, 0, 10, 10] },
    ];
    const between: Detection = { classIndex: 0, confidence: 0.9, box: [0, 0, 10, 10] };
    const on = (label: LabelledBox): Detection => ({ classIndex: 0, confidence: 0.8, box: label.box });
    expect([...matchDetections([between, on(truth[1])], truth, [0.5])]).toEqual([1, 0]);
    expect([...matchDetections([between, on(truth[0])], truth, [0.5])]).toEqual([1, 1]);
  });
});

/** Every number of a result as text: much quicker to compare than the arrays, element by element. */
function textOf({ perClass, smoothedF1, bestIndex }: AveragePrecisionResult): string {
  const curves = perClass.flatMap(({ precision, recall, f1, averagePrecision: ap }) => [
    precision,
    recall,
    f1,
    ap,
  ]);
  return `${bestIndex} ${[...curves, smoothedF1].map((curve) => curve.join()).join()}`;
}

describe("curves", () => {
  it("hold the counted precision and recall at the detections' own confidences", () => {
    fc.assert(
      fc.property(splits, (split) => {
        // Confidences may repeat across images; the counts below take whole groups of equals.
        const all = split.flatMap(([found, truth]) => {
          const tp = matchDetections(found, truth);
          return found.map((detection, d) => ({ ...detection, tp: tp[d * IOU_THRESHOLDS.length] }));
        });
        for (const curves of metricsOf(split).curves().perClass) {
          const own = all.filter((detection) => detection.classIndex === curves.classIndex);
          for (const { confidence } of own) {
            const above = own.filter((detection) => detection.confidence >= confidence);
            const hits = above.filter((detection) => detection.tp === 1).length;
            const index = Math.round(confidence * 999);
            expect(curves.recall[index]).toBeCloseTo(hits / curves.instances, 9);
            expect(curves.precision[index]).toBeCloseTo(hits / above.length, 9);
          }
        }
      }),
    );
  });

  it("do not depend on the order of the detections, and stay within 0..1", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.record({ confidence: fc.nat(9999), hits: fc.nat(10), classIndex: fc.nat(1) }), {
          selector: (row) => row.confidence,
        }),
        fc.array(fc.nat(1), { minLength: 1 }),
        (rows, targetClass) => {
          const run = (order: typeof rows) =>
            averagePrecision({
              tp: Uint8Array.from(
                order.flatMap(({ hits }) => IOU_THRESHOLDS.map((_, t) => Number(t < hits))),
              ),
              confidence: Float64Array.from(order, (row) => row.confidence / 10000),
              predictedClass: Int32Array.from(order, (row) => row.classIndex),
              targetClass: Int32Array.from(targetClass),
              classes: 2,
            });
          const result = run(rows);
          expect(textOf(run([...rows].reverse()))).toBe(textOf(result));
          for (const { precision } of result.perClass) {
            expect(precision.every((value) => value >= 0 && value <= 1)).toBe(true);
          }
        },
      ),
    );
  });

  it("give a faultless detector 0.995, whose envelope falls to 0 at recall 1, and full counts", () => {
    const { perClass, bestIndex } = averagePrecision({
      tp: new Uint8Array(40).fill(1),
      confidence: Float64Array.of(0.9, 0.8, 0.7, 0.6),
      predictedClass: new Int32Array(4),
      targetClass: new Int32Array(4),
      classes: 1,
    });
    for (const ap of perClass[0].averagePrecision) expect(ap).toBeCloseTo(0.995, 12);
    expect(classPointAt(perClass[0], bestIndex)).toEqual({
      precision: 1,
      recall: 1,
      f1: 1,
      tpCount: 4,
      fpCount: 0,
    });
    expect(bestIndex).toBe(0);
  });

  it("have no recall and full precision above the highest confidence", () => {
    const { perClass } = averagePrecision({
      tp: new Uint8Array(10),
      confidence: Float64Array.of(0.5),
      predictedClass: Int32Array.of(0),
      targetClass: Int32Array.of(0),
      classes: 1,
    });
    const [{ precision, recall }] = perClass;
    expect([precision[499], precision[500], precision[999]]).toEqual([0, 1, 1]);
    expect([recall[500], recall[999]]).toEqual([0, 0]);
  });

  it("refuse lengths and classes that do not fit", () => {
    const one = { tp: new Uint8Array(10), confidence: Float64Array.of(0.5), classes: 2 };
    const targetClass = Int32Array.of(0);
    expect(() => averagePrecision({ ...one, predictedClass: Int32Array.of(0, 1), targetClass })).toThrow(
      /1 predicted classes, got 10 and 2/,
    );
    expect(() => averagePrecision({ ...one, predictedClass: Int32Array.of(2), targetClass })).toThrow(
      /classes expect 0\.\.1, got 2/,
    );
  });
});

describe("summary", () => {
  const box: Xyxy = [0, 0, 10, 10];
  const hit: Detection = { classIndex: 0, confidence: 0.75, box };

  it("agrees with atConfidence at its own confidence", () => {
    fc.assert(
      fc.property(splits, (split) => {
        const metrics = metricsOf(split);
        const { precision, recall, f1, confidence } = metrics.summary(names);
        if (confidence === null) return;
        expect(metrics.atConfidence(confidence)).toEqual({ precision, recall, f1, confidence });
      }),
    );
  });

  it("averages over classes with labels and says null for the others", () => {
    const metrics = metricsOf([
      [[hit], [{ classIndex: 0, box }]],
      [[{ ...hit, classIndex: 2 }], [{ classIndex: 1, box }]],
    ]);
    const summary = metrics.summary(names);
    expect(metrics.images).toBe(2);
    expect(summary.map50).toBeCloseTo(0.995 / 2, 12);
    expect(summary.recall).toBeCloseTo(0.5, 12);
    expect(summary.f1).toBeCloseTo(0.5, 12);
    expect(summary.perClass[1]).toMatchObject({ name: "MR", ap50: 0, recall: 0, f1: 0, instances: 1 });
    const nothing = { ap50: null, ap50_95: null, precision: null, recall: null, f1: null };
    expect(summary.perClass[2]).toEqual({ name: "PR", ...nothing, instances: 0 });
  });

  it("counts detections on images without labels as false positives", () => {
    const labelled: [Detection[], LabelledBox[]] = [[hit], [{ classIndex: 0, box }]];
    const negative: [Detection[], LabelledBox[]] = [[{ ...hit, confidence: 0.8 }], []];
    expect(metricsOf([labelled, negative]).atConfidence(0.2).precision).toBe(0.5);
    expect(metricsOf([labelled]).atConfidence(0.2).precision).toBe(1);
  });

  it("is null throughout without labels, and zero without detections", () => {
    const none = metricsOf([[[hit], []]]);
    const point = { precision: null, recall: null, f1: null, confidence: null };
    expect(none.summary(names)).toMatchObject({ map50: null, map50_95: null, ...point });
    expect(none.atConfidence(0.5)).toEqual(point);
    expect(metricsOf([[[], [{ classIndex: 0, box }]]]).summary(names)).toMatchObject({ map50: 0, recall: 0 });
  });

  it("refuses unknown classes, a wrong number of names and impossible confidences", () => {
    const metrics = new DetectionMetrics(1);
    expect(() => metrics.add([], [{ classIndex: 1, box }])).toThrow(/expects 0\.\.0, got 1/);
    expect(() => metrics.summary(names)).toThrow(/expect 1 classes, got 3/);
    expect(() => metrics.atConfidence(1.5)).toThrow(/expects 0\.\.1, got 1\.5/);
  });
});
