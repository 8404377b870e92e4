import { describe, expect, it } from "vitest";
import { classificationMetrics, reliabilityBins } from "../../src/classification/index.js";
import type { FrameRecord } from "../../src/data/index.js";
import { DetectionMetrics, type Detection, type LabelledBox, matchImage } from "../../src/detection/index.js";
import {
  addHits,
  detectionConfusion,
  envelopeAt,
  f1Of,
  hitsAt,
  precisionRecall,
} from "../../src/experiments/report/detection-detail.js";
import type { PredictedFrame } from "../../src/experiments/report/predict-boxes.js";
import { galleries, rankFrames } from "../../src/experiments/report/ranking.js";
import { randomStream } from "../../src/tensor/index.js";
import type { FrameBoxes } from "../../src/training/index.js";

const box = (x: number): [number, number, number, number] => [x, 0, x + 10, 10];
const label = (classIndex: number, x: number): LabelledBox => ({ classIndex, box: box(x) });
const found = (classIndex: number, x: number, confidence: number): Detection => ({
  ...{ classIndex, box: box(x), confidence },
});
const frame = (detections: Detection[], labels: LabelledBox[]): FrameBoxes => ({
  ...{ width: 100, height: 10, labels },
  detections: detections.toSorted((a, b) => b.confidence - a.confidence),
});
const matched = ({ detections, labels }: FrameBoxes) => matchImage(detections, labels);

describe("confusion of the boxes", () => {
  it("counts right and wrong classes, missed labels and background, each box once", () => {
    const boxes = frame(
      [found(0, 0, 0.9), found(1, 20.5, 0.8), found(1, 60, 0.7), found(0, 0.5, 0.6), found(1, 80, 0.1)],
      [label(0, 0), label(0, 20), label(1, 40)],
    );
    // [true][predicted], background last: the box of .1 is below the confidence, the second on x = 0 has no label left.
    expect(detectionConfusion([boxes], 2, 0.5)).toEqual([
      [1, 1, 0],
      [0, 0, 1],
      [1, 1, 0],
    ]);
    expect(detectionConfusion([boxes, boxes], 2, 0.95)).toEqual([
      [0, 0, 4],
      [0, 0, 2],
      [0, 0, 0],
    ]);
  });

  it("pairs the greatest overlap first, and none below .5", () => {
    const boxes = frame([found(0, 4, 0.9), found(0, 1, 0.8)], [label(0, 0)]);
    expect(detectionConfusion([boxes], 1, 0.5)).toEqual([
      [1, 0],
      [1, 0],
    ]);
    expect(detectionConfusion([frame([found(0, 6, 0.9)], [label(0, 0)])], 1, 0)).toEqual([
      [0, 1],
      [1, 0],
    ]);
  });
});

describe("hits", () => {
  const image = matched(
    frame([found(0, 0, 0.9), found(1, 50, 0.8), found(0, 70, 0.3)], [label(0, 0), label(1, 20)]),
  );

  it("are counted at a confidence, of all classes or of one", () => {
    expect(hitsAt(image, 0.5)).toEqual({
      ...{ labels: 2, truePositives: 1, falsePositives: 1, falseNegatives: 1 },
    });
    expect(hitsAt(image, 0, 0)).toEqual({
      ...{ labels: 1, truePositives: 1, falsePositives: 1, falseNegatives: 0 },
    });
    expect(f1Of(hitsAt(image, 0.5))).toBe(0.5);
    expect(f1Of(addHits([]))).toBeNull();
    expect(addHits([hitsAt(image, 0.5), hitsAt(image, 0.5)]).labels).toBe(4);
  });
});

describe("precision over recall", () => {
  it("has under its envelope the area that average precision has", () => {
    const random = randomStream(0, "precision recall");
    const metrics = new DetectionMetrics(2);
    for (let i = 0; i < 60; i++) {
      const labels = [label(i % 2, 0), label(0, 40)];
      const x = random.uniform() < 0.6 ? 1 : 20;
      metrics.addMatched(
        matched(frame([found(i % 2, x, random.uniform()), found(0, 70, random.uniform())], labels)),
      );
    }
    const { perClass } = metrics.curves();
    for (const curve of precisionRecall(metrics.matched, 2)) {
      const known = perClass.find(({ classIndex }) => classIndex === curve.classIndex);
      const steps = 2000;
      const area = Array.from({ length: steps }, (_, i) => envelopeAt(curve, (i + 0.5) / steps)).reduce(
        (sum, height) => sum + height / steps,
        0,
      );
      // Average precision falls to (1, 0) behind the last point, which adds a triangle.
      const [lastRecall, lastPrecision] = curve.points.at(-1) ?? [0, 0];
      const tail = (lastPrecision * (1 - lastRecall)) / 2;
      expect(Math.abs((known?.averagePrecision[0] ?? 0) - area)).toBeLessThan(tail + 0.01);
    }
  });
});

describe("bins of calibration", () => {
  it("add up to the expected calibration error", () => {
    const random = randomStream(1, "bins");
    const rows = Array.from({ length: 300 }, () => {
      const p = 0.5 + 0.5 * random.uniform();
      return [p, 1 - p];
    });
    const labels = rows.map(([p]) => (random.uniform() < p ** 2 ? 0 : 1));
    const bins = reliabilityBins(
      rows.map(([p]) => p),
      labels.map((each) => each === 0),
    );
    const ece = bins.reduce(
      (sum, { count, accuracy, confidence }) =>
        sum + (count / rows.length) * Math.abs((accuracy ?? 0) - (confidence ?? 0)),
      0,
    );
    expect(ece).toBeCloseTo(classificationMetrics(rows.flat(), labels, 2).ece ?? 0, 12);
    expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(300);
    expect(bins[0]).toMatchObject({ count: 0, confidence: null, accuracy: null });
  });
});

describe("galleries", () => {
  const frameOf = (i: number, view: number): FrameRecord => ({
    ...{ name: `f${i}`, imagePath: `f${i}.jpg`, labelPath: null, boxes: new Float32Array(), view },
    ...{ patient: "p", video: `c${Math.floor(i / 2)}`, detectionMasked: false },
  });
  const from = { run: "r", checkpointSha256: "a", dataFingerprint: "b", split: "val" };
  const predicted = (i: number, boxes: FrameBoxes | null, views: number[] | null): PredictedFrame => ({
    frame: frameOf(i, 0),
    prediction: { detection: boxes && matched(boxes), views: views && Float32Array.from(views) },
    boxes,
    from,
  });
  const right = frame([found(0, 0, 0.9)], [label(0, 0)]);
  const wrong = frame([found(0, 50, 0.7)], [label(0, 0)]);
  const names = (all: readonly PredictedFrame[]) => all.map((each) => each.frame.name);

  it("show the best, the worst and the most confident errors, another clip first", () => {
    const frames = [
      predicted(0, right, [0.9, 0.1]),
      predicted(1, right, [0.8, 0.2]),
      predicted(2, right, [0.6, 0.4]),
      predicted(3, wrong, [0.05, 0.95]),
      predicted(4, wrong, [0.6, 0.4]),
    ];
    const { best, worst, confident } = galleries(rankFrames(frames, 0.5), 3);
    expect(names(best)).toEqual(["f0", "f2", "f4"]);
    expect(names(worst)).toEqual(["f3", "f4", "f1"]);
    expect(confident.map(({ frame: { name }, error }) => [name, Number(error?.toFixed(2))])).toEqual([
      ["f3", 0.95],
      ["f4", 0.7],
    ]);
  });

  it("rank a model of one task by that task, and a frame that is masked by nothing", () => {
    const views = rankFrames([predicted(0, null, [0.3, 0.7]), predicted(2, null, [0.9, 0.1])], null);
    expect(views.map(({ score }) => Number(score?.toFixed(1)))).toEqual([0.3, 0.9]);
    const [masked] = rankFrames([predicted(0, null, null)], 0.5);
    expect(masked).toMatchObject({ hits: null, view: null, score: null, error: null });
    expect(galleries([masked], 3)).toEqual({ best: [], worst: [], confident: [] });
  });
});
