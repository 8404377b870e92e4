import { shapeError } from "../errors.js";
import {
  CONFIDENCE_GRID_POINTS,
  EPSILON,
  f1Curve,
  indexOfMaximum,
  RECALL_POINTS,
  smoothedMean,
  unitGrid,
} from "./curve.js";

export { CONFIDENCE_GRID_POINTS } from "./curve.js";

/** IoU thresholds of mAP@.5:.95: 0.50, 0.55, ..., 0.95. */
export const IOU_THRESHOLDS: readonly number[] = Array.from({ length: 10 }, (_, i) => (50 + 5 * i) / 100);

/** Detections of a whole split, already matched to its labels. */
export interface MatchedDetections {
  /** [n, 10]: 1 where the detection matches a label at that IoU threshold. */
  readonly tp: Uint8Array;
  /** Confidence of each detection, [n]. */
  readonly confidence: Float64Array;
  /** Class of each detection, [n]. */
  readonly predictedClass: Int32Array;
  /** Class of each label, [m]. */
  readonly targetClass: Int32Array;
  /** Number of classes. */
  readonly classes: number;
}

/** Curves and average precisions of one class that has labels. Curves are at IoU 0.5, on the confidence grid. */
export interface ClassCurves {
  readonly classIndex: number;
  /** Labels of the class. */
  readonly instances: number;
  readonly precision: Float64Array;
  readonly recall: Float64Array;
  readonly f1: Float64Array;
  /** [10]: average precision at each of `IOU_THRESHOLDS`. */
  readonly averagePrecision: Float64Array;
}

/** Precision, recall and F1 of one class at one confidence. */
export interface ClassPoint {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** True positives, from the recall: round(recall x instances). */
  readonly tpCount: number;
  /** False positives, from the precision: round(tpCount / precision - tpCount). */
  readonly fpCount: number;
}

/** What `averagePrecision` computes. */
export interface AveragePrecisionResult {
  /** Confidences 0 .. 1 at which the curves are tabulated, [1000]. */
  readonly confidenceGrid: Float64Array;
  /** The classes that have labels, by class index. */
  readonly perClass: readonly ClassCurves[];
  /** F1 averaged over `perClass`, smoothed, [1000]; all 0 where no class has labels. */
  readonly smoothedF1: Float64Array;
  /** Where `smoothedF1` is largest (the first such point): the index of the best-F1 confidence. */
  readonly bestIndex: number;
}

/**
 * Precision, recall and F1 curves and average precisions of each class that has labels, as YOLOv5 computes
 * them.
 *
 * Detections of a class are taken by falling confidence: recall_k = tp_k / instances, precision_k =
 * tp_k / k. Curves are interpolated linearly on 1000 confidences; above the highest confidence recall is 0
 * and precision 1. F1 = 2 p r / (p + r + 1e-16). Average precision is the area (trapezoids, 101 points)
 * under the precision envelope, with sentinel ends (0, 1) and (1, 0). The F1 averaged over classes is
 * smoothed by a box filter over a tenth of the grid, padded with its end values. A class with labels and no
 * detection counts with zeros; a class without labels does not count.
 *
 * Deviations from YOLOv5: equal confidences stay in the order given, and of equal smoothed F1 values the
 * first wins (there, both are left to an unstable sort and to rounding).
 *
 * @throws EchoDuetError `shape` where lengths do not agree or a class is out of range.
 */
export function averagePrecision(input: MatchedDetections): AveragePrecisionResult {
  checkInput(input);
  const confidenceGrid = unitGrid(CONFIDENCE_GRID_POINTS);
  const detectionsOfClass = groupByFallingConfidence(input);
  const instances = new Int32Array(input.classes);
  for (const c of input.targetClass) instances[c]++;

  const perClass: ClassCurves[] = [];
  for (let c = 0; c < input.classes; c++) {
    if (instances[c] > 0) perClass.push(curvesOfClass(input, c, instances[c], detectionsOfClass[c]));
  }
  const smoothedF1 = smoothedMean(perClass.map((entry) => entry.f1));
  return { confidenceGrid, perClass, smoothedF1, bestIndex: indexOfMaximum(smoothedF1) };
}

/** Precision, recall, F1 and counts of one class at an index of the confidence grid. */
export function classPointAt(curves: ClassCurves, index: number): ClassPoint {
  const precision = curves.precision[index];
  const recall = curves.recall[index];
  const tpCount = roundHalfToEven(recall * curves.instances);
  const fpCount = roundHalfToEven(tpCount / (precision + EPSILON) - tpCount);
  return { precision, recall, f1: curves.f1[index], tpCount, fpCount };
}

function checkInput({ tp, confidence, predictedClass, targetClass, classes }: MatchedDetections): void {
  const n = confidence.length;
  if (tp.length !== n * IOU_THRESHOLDS.length || predictedClass.length !== n) {
    shapeError(
      `averagePrecision: ${n} confidences expect tp [${n}, ${IOU_THRESHOLDS.length}] and ${n} predicted ` +
        `classes, got ${tp.length} and ${predictedClass.length} numbers`,
    );
  }
  for (const list of [predictedClass, targetClass]) {
    const wrong = list.find((c) => c < 0 || c >= classes);
    if (wrong !== undefined) shapeError(`averagePrecision: classes expect 0..${classes - 1}, got ${wrong}`);
  }
}

/** For each class the indices of its detections by falling confidence. */
function groupByFallingConfidence({ confidence, predictedClass, classes }: MatchedDetections): number[][] {
  const order = Uint32Array.from(confidence, (_, index) => index);
  order.sort((a, b) => confidence[b] - confidence[a] || a - b);
  const groups: number[][] = Array.from({ length: classes }, () => []);
  for (const index of order) groups[predictedClass[index]].push(index);
  return groups;
}

function curvesOfClass(
  { tp, confidence }: MatchedDetections,
  classIndex: number,
  instances: number,
  detections: readonly number[],
): ClassCurves {
  const thresholds = IOU_THRESHOLDS.length;
  const precision = new Float64Array(CONFIDENCE_GRID_POINTS);
  const recall = new Float64Array(CONFIDENCE_GRID_POINTS);
  const areas = new Float64Array(thresholds);
  if (detections.length > 0) {
    const negatedConfidence = Float64Array.from(detections, (index) => -confidence[index]);
    const negatedGrid = unitGrid(CONFIDENCE_GRID_POINTS).map((x) => -x);
    for (let t = 0; t < thresholds; t++) {
      const matched = detections.map((index) => tp[index * thresholds + t]);
      const running = precisionAndRecall(matched, instances);
      areas[t] = areaUnderEnvelope(running.recall, running.precision);
      if (t > 0) continue;
      recall.set(negatedGrid.map((x) => interpolate(x, negatedConfidence, running.recall, 0)));
      precision.set(negatedGrid.map((x) => interpolate(x, negatedConfidence, running.precision, 1)));
    }
  }
  return {
    classIndex,
    instances,
    precision,
    recall,
    f1: f1Curve(precision, recall),
    averagePrecision: areas,
  };
}

function precisionAndRecall(
  matched: readonly number[],
  instances: number,
): { precision: Float64Array; recall: Float64Array } {
  const precision = new Float64Array(matched.length);
  const recall = new Float64Array(matched.length);
  let hits = 0;
  matched.forEach((hit, k) => {
    hits += hit;
    precision[k] = hits / (k + 1);
    recall[k] = hits / (instances + EPSILON);
  });
  return { precision, recall };
}

function areaUnderEnvelope(recall: Float64Array, precision: Float64Array): number {
  const x = Float64Array.from([0, ...recall, 1]);
  const envelope = Float64Array.from([1, ...precision, 0]);
  for (let i = envelope.length - 2; i >= 0; i--) envelope[i] = Math.max(envelope[i], envelope[i + 1]);
  const grid = unitGrid(RECALL_POINTS);
  const heights = grid.map((at) => interpolate(at, x, envelope, envelope[0]));
  let area = 0;
  for (let i = 1; i < grid.length; i++) {
    area += ((grid[i] - grid[i - 1]) * (heights[i] + heights[i - 1])) / 2;
  }
  return area;
}

/**
 * Linear interpolation of (xs, ys) at x, xs ascending: `left` before the first point, the last value after
 * the last one; of several points at one x the last counts.
 */
function interpolate(x: number, xs: Float64Array, ys: Float64Array, left: number): number {
  if (x < xs[0]) return left;
  let low = 0;
  let high = xs.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle;
  }
  if (low === xs.length - 1 || xs[low] === x) return ys[low];
  return ((ys[low + 1] - ys[low]) / (xs[low + 1] - xs[low])) * (x - xs[low]) + ys[low];
}

/** Rounds to the nearest integer and halves to the even one, as NumPy does. */
function roundHalfToEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
