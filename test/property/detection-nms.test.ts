import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { boxIouXyxy } from "../../src/detection/boxes.js";
import { type Detection, nonMaximumSuppression } from "../../src/detection/non-maximum-suppression.js";
import { randomStream } from "../../src/tensor/index.js";

const classes = 3;
// Even whole pixels and sixteenths, so that corners and scores are exact and ties are frequent.
const pixel = fc.nat(20).map((x) => x * 2);
const size = fc.integer({ min: 1, max: 12 }).map((x) => x * 2);
const score = fc.nat(16).map((x) => x / 16);
const predictions = fc
  .array(fc.tuple(pixel, pixel, size, size, score, ...Array<typeof score>(classes).fill(score)), {
    maxLength: 40,
  })
  .map((rows) => ({ decoded: Float32Array.from(rows.flat()), rows: rows.length, classes }));
const settings = fc.record({
  multiLabel: fc.boolean(),
  classAgnostic: fc.boolean(),
  maxDetections: fc.constantFrom(3, 300),
  maxCandidates: fc.constantFrom(10, 30000),
  iouThreshold: fc.constantFrom(0.2, 0.45, 0.6),
});

type Settings = typeof settings extends fc.Arbitrary<infer T> ? T : never;

/** The definition, written with no care for speed: strike out, best first, whatever a kept box covers. */
function bruteForce(decoded: Float32Array, rows: number, o: Settings): Detection[] {
  let pool: Detection[] = [];
  for (let row = 0; row < rows; row++) {
    const [cx, cy, w, h, objectness, ...scores] = decoded.subarray(
      row * (5 + classes),
      (row + 1) * (5 + classes),
    );
    const all = scores.map(
      (s, classIndex): Detection => ({
        box: [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2],
        confidence: objectness * s,
        classIndex,
      }),
    );
    const best = [...all].sort((a, b) => b.confidence - a.confidence).slice(0, 1);
    if (objectness > 0.25) pool.push(...(o.multiLabel ? all : best).filter((d) => d.confidence > 0.25));
  }
  pool = pool.sort((a, b) => b.confidence - a.confidence).slice(0, o.maxCandidates);
  const kept: Detection[] = [];
  while (pool.length > 0) {
    const [first, ...rest] = pool;
    kept.push(first);
    pool = rest.filter(
      (d) =>
        (!o.classAgnostic && d.classIndex !== first.classIndex) ||
        boxIouXyxy(d.box, first.box) <= o.iouThreshold,
    );
  }
  return kept.slice(0, o.maxDetections);
}

function asPredictions(detections: readonly Detection[]): Float32Array {
  return Float32Array.from(
    detections.flatMap(({ box: [x1, y1, x2, y2], confidence, classIndex }) => [
      (x1 + x2) / 2,
      (y1 + y2) / 2,
      x2 - x1,
      y2 - y1,
      confidence,
      ...Array.from({ length: classes }, (_, c) => Number(c === classIndex)),
    ]),
  );
}

describe("non-maximum suppression", () => {
  it("equals its brute-force definition", () => {
    fc.assert(
      fc.property(predictions, settings, ({ decoded, rows }, options) => {
        const actual = nonMaximumSuppression(decoded, { rows, classes, ...options });
        expect(actual).toEqual(bruteForce(decoded, rows, options));
      }),
    );
  });

  it("is idempotent", () => {
    fc.assert(
      fc.property(predictions, settings, ({ decoded, rows }, options) => {
        const once = nonMaximumSuppression(decoded, { rows, classes, ...options });
        const again = nonMaximumSuppression(asPredictions(once), { rows: once.length, classes, ...options });
        expect(again).toEqual(once);
      }),
    );
  });

  it("is sorted, above the threshold, and keeps no pair of a class that overlaps too much", () => {
    fc.assert(
      fc.property(predictions, settings, ({ decoded, rows }, options) => {
        const kept = nonMaximumSuppression(decoded, { rows, classes, ...options });
        kept.forEach((a, i) => {
          expect(a.confidence).toBeGreaterThan(0.25);
          if (i > 0) expect(a.confidence).toBeLessThanOrEqual(kept[i - 1].confidence);
          for (const b of kept.slice(0, i)) {
            if (!options.classAgnostic && a.classIndex !== b.classIndex) continue;
            expect(boxIouXyxy(a.box, b.box)).toBeLessThanOrEqual(options.iouThreshold);
          }
        });
      }),
    );
  });

  it("keeps a box that overlaps a better one by exactly the threshold", () => {
    const decoded = Float32Array.of(5, 5, 10, 10, 1, 1, 0, 0, 5, 2.5, 10, 5, 0.5, 1, 0, 0);
    const kept = (iouThreshold: number) =>
      nonMaximumSuppression(decoded, { rows: 2, classes, iouThreshold }).length;
    expect([kept(0.5), kept(0.49)]).toEqual([2, 1]);
  });

  it("leaves out rows that are not numbers, and takes no rows at all", () => {
    const row = Float32Array.of(5, 5, 4, 4, Number.NaN, 1, 1, 1);
    expect(nonMaximumSuppression(row, { rows: 1, classes })).toEqual([]);
    expect(nonMaximumSuppression(new Float32Array(0), { rows: 0, classes })).toEqual([]);
  });

  it("refuses an output of another size", () => {
    expect(() => nonMaximumSuppression(new Float32Array(7), { rows: 1, classes })).toThrow(
      /\[1, 8\] = 8 numbers, got 7/,
    );
  });

  it("suppresses 6300 rows of 80 classes at mAP's settings within two seconds", () => {
    const random = randomStream(1, "nms");
    const rows = 6300;
    const decoded = new Float32Array(rows * 85);
    for (let at = 0; at < decoded.length; at += 85) {
      decoded.set(
        [random.uniform(0, 320), random.uniform(0, 320), random.uniform(4, 60), random.uniform(4, 60)],
        at,
      );
      for (let c = 4; c < 85; c++) decoded[at + c] = random.uniform() ** 8;
    }
    const started = performance.now();
    const kept = nonMaximumSuppression(decoded, {
      rows,
      classes: 80,
      confidenceThreshold: 0.001,
      iouThreshold: 0.6,
      multiLabel: true,
    });
    expect(kept).toHaveLength(300);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
