import { shapeError } from "../errors.js";
import {
  type AveragePrecisionResult,
  type ClassCurves,
  type MatchedDetections,
  IOU_THRESHOLDS,
} from "./average-precision.js";
import {
  CONFIDENCE_GRID_POINTS,
  EPSILON,
  f1Curve,
  indexOfMaximum,
  RECALL_POINTS,
  smoothedMean,
  unitGrid,
} from "./curve.js";
import { joinImages, type MatchedImage } from "./detection-metrics.js";

const confidenceGrid = unitGrid(CONFIDENCE_GRID_POINTS);
const recallGrid = unitGrid(RECALL_POINTS);
const thresholds = IOU_THRESHOLDS.length;

/** Average precision over the classes that have labels; null where none has. */
export interface MeanAveragePrecision {
  readonly map50: number | null;
  readonly map50_95: number | null;
  /** Classes that have labels in groups of a weight above 0. */
  readonly classes: number;
}

/**
 * Matched detections in groups, such as patients, whose metrics can be had again and again with other weights
 * of the groups: what a bootstrap needs, which draws a patient several times or not at all.
 *
 * Every number is the one that `averagePrecision` gives for a split in which the images of group g occur
 * weights[g] times. Average precision costs a visit to each true positive and to each run of false positives
 * between two of them, because between the recalls of two true positives the precision envelope is constant.
 */
export class GroupedDetections {
  readonly #classes: readonly ClassOfGroups[];

  /**
   * @param images matched detections of each image
   * @param groups the group of each image, 0 .. groupCount - 1
   * @throws EchoDuetError `shape` where the lengths do not agree
   */
  constructor(
    images: readonly MatchedImage[],
    groups: ArrayLike<number>,
    options: { readonly groupCount: number; readonly classes: number },
  ) {
    if (groups.length !== images.length) {
      shapeError(`grouped detections: ${images.length} images expect as many groups, got ${groups.length}`);
    }
    const { groupCount, classes } = options;
    const split = joinImages(images, classes);
    const groupOf = (pick: (image: MatchedImage) => ArrayLike<unknown>): Int32Array =>
      Int32Array.from(images.flatMap((image, i) => new Array<number>(pick(image).length).fill(groups[i])));
    const detectionGroup = groupOf(({ confidence }) => confidence);
    const labelGroup = groupOf(({ targetClass }) => targetClass);
    const order = Uint32Array.from(split.confidence, (_, index) => index);
    order.sort((a, b) => split.confidence[b] - split.confidence[a] || a - b);
    this.#classes = Array.from({ length: classes }, (_, c) => {
      const instances = new Float64Array(groupCount);
      split.targetClass.forEach((target, i) => {
        if (target === c) instances[labelGroup[i]]++;
      });
      const own = order.filter((index) => split.predictedClass[index] === c);
      return new ClassOfGroups(split, own, detectionGroup, instances);
    });
  }

  /** mAP where group g counts weights[g] times, a whole number of at least 0. */
  meanAveragePrecision(weights: ArrayLike<number>): MeanAveragePrecision {
    let [sum50, sum, classes] = [0, 0, 0];
    for (const each of this.#classes) {
      if (each.instances(weights) === 0) continue;
      const areas = each.averagePrecision(weights);
      classes++;
      sum50 += areas[0];
      sum += areas.reduce((total, area) => total + area, 0) / thresholds;
    }
    if (classes === 0) return { map50: null, map50_95: null, classes };
    return { map50: sum50 / classes, map50_95: sum / classes, classes };
  }

  /** mAP@.5 alone, the same number as that of `meanAveragePrecision` for a fraction of its time. */
  map50(weights: ArrayLike<number>): number | null {
    const labelled = this.#classes.filter((each) => each.instances(weights) > 0);
    if (labelled.length === 0) return null;
    return labelled.reduce((sum, each) => sum + each.averagePrecision(weights, 1)[0], 0) / labelled.length;
  }

  /** All that `averagePrecision` gives, where group g counts weights[g] times. */
  curves(weights: ArrayLike<number>): AveragePrecisionResult {
    const perClass = this.#classes.flatMap((each, c) =>
      each.instances(weights) > 0 ? [each.curves(c, weights)] : [],
    );
    const smoothedF1 = smoothedMean(perClass.map(({ f1 }) => f1));
    return { confidenceGrid, perClass, smoothedF1, bestIndex: indexOfMaximum(smoothedF1) };
  }
}

/** The detections and labels of one class, by falling confidence. */
class ClassOfGroups {
  readonly #confidence: Float64Array;
  readonly #group: Int32Array;
  /** Bit t is set where the detection is a true positive at threshold t. */
  readonly #hits: Uint16Array;
  /** Detections that are true positives at any threshold, by position; what lies between them stands in `#runs`. */
  readonly #positives: Int32Array;
  /** Misses before each of `#positives` and after the last, counted by group: pairs of group and count. */
  readonly #runs: readonly Int32Array[];
  /** Labels of each group. */
  readonly #instances: Float64Array;
  /** Recall and precision at the true positives of each threshold, reused from call to call. */
  readonly #points: readonly { readonly recall: Float64Array; readonly precision: Float64Array }[];

  constructor(
    { tp, confidence }: MatchedDetections,
    order: Uint32Array,
    groups: Int32Array,
    instances: Float64Array,
  ) {
    this.#instances = instances;
    this.#confidence = Float64Array.from(order, (index) => confidence[index]);
    this.#group = Int32Array.from(order, (index) => groups[index]);
    this.#hits = Uint16Array.from(order, (index) =>
      IOU_THRESHOLDS.reduce((bits, _, t) => bits | (tp[index * thresholds + t] << t), 0),
    );
    this.#positives = Int32Array.from([...this.#hits.keys()].filter((at) => this.#hits[at] !== 0));
    this.#runs = [...this.#positives, order.length].map((end, i) =>
      countGroups(this.#group.subarray(i === 0 ? 0 : this.#positives[i - 1] + 1, end)),
    );
    const points = () => new Float64Array(this.#positives.length);
    this.#points = IOU_THRESHOLDS.map(() => ({ recall: points(), precision: points() }));
  }

  instances(weights: ArrayLike<number>): number {
    return weightedSum(this.#instances, weights);
  }

  /** [thresholdCount]: average precision at the first thresholds. */
  averagePrecision(weights: ArrayLike<number>, thresholdCount = thresholds): Float64Array {
    const instances = this.instances(weights) + EPSILON;
    const found = new Float64Array(thresholdCount);
    const points = new Int32Array(thresholdCount);
    let detections = 0;
    this.#runs.forEach((run, i) => {
      for (let k = 0; k < run.length; k += 2) detections += weights[run[k]] * run[k + 1];
      if (i === this.#positives.length) return;
      const at = this.#positives[i];
      const weight = weights[this.#group[at]];
      if (weight === 0) return;
      detections += weight;
      for (let t = 0; t < thresholdCount; t++) {
        if (((this.#hits[at] >> t) & 1) === 0) continue;
        found[t] += weight;
        this.#points[t].recall[points[t]] = found[t] / instances;
        this.#points[t].precision[points[t]] = found[t] / detections;
        points[t]++;
      }
    });
    return found.map((hits, t) => {
      const { recall, precision } = this.#points[t];
      return areaUnderSteps(recall, precision, {
        points: points[t],
        last: detections === 0 ? 0 : hits / detections,
      });
    });
  }

  curves(classIndex: number, weights: ArrayLike<number>): ClassCurves {
    const instances = this.instances(weights);
    const precision = new Float64Array(CONFIDENCE_GRID_POINTS);
    const recall = new Float64Array(CONFIDENCE_GRID_POINTS);
    this.#tabulate(weights, instances + EPSILON, precision, recall);
    const f1 = f1Curve(precision, recall);
    return { classIndex, instances, precision, recall, f1, averagePrecision: this.averagePrecision(weights) };
  }

  /** Fills the curves at IoU 0.5 from the lowest confidence of the grid to the highest; see `averagePrecision`. */
  #tabulate(
    weights: ArrayLike<number>,
    instances: number,
    precision: Float64Array,
    recall: Float64Array,
  ): void {
    const count = this.#group.length;
    const presentFrom = (at: number): number => {
      let k = at;
      while (k < count && weights[this.#group[k]] === 0) k++;
      return k;
    };
    let [last, next] = [-1, presentFrom(0)];
    if (next === count) return;
    let [hits, detections] = [0, 0];
    for (let i = CONFIDENCE_GRID_POINTS - 1; i >= 0; i--) {
      const x = confidenceGrid[i];
      for (; next < count && this.#confidence[next] >= x; last = next, next = presentFrom(next + 1)) {
        const weight = weights[this.#group[next]];
        hits += weight * (this.#hits[next] & 1);
        detections += weight;
      }
      if (last < 0) {
        precision[i] = 1;
        continue;
      }
      const here = this.#confidence[last];
      const before = { recall: hits / instances, precision: hits / detections };
      recall[i] = before.recall;
      precision[i] = before.precision;
      if (next === count || here === x) continue;
      // The next point of the curve is the first copy of the next detection.
      const nextHits = hits + (this.#hits[next] & 1);
      const width = here - this.#confidence[next];
      recall[i] += ((nextHits / instances - before.recall) / width) * (here - x);
      precision[i] += ((nextHits / (detections + 1) - before.precision) / width) * (here - x);
    }
  }
}

/**
 * The area under the precision envelope by 101 trapezoids. From the recall of one true positive up to that of
 * the next, the envelope is the best precision from the next on; behind the last it falls to (1, 0).
 * @param last precision after all detections
 */
function areaUnderSteps(
  recall: Float64Array,
  precision: Float64Array,
  { points, last }: { readonly points: number; readonly last: number },
): number {
  for (let i = points - 2; i >= 0; i--) precision[i] = Math.max(precision[i], precision[i + 1]);
  const end = points === 0 ? 0 : recall[points - 1];
  const heightAt = (x: number, next: number): number => {
    if (next < points) return precision[next];
    return x >= 1 ? 0 : ((0 - last) / (1 - end)) * (x - end) + last;
  };
  let [area, next, height] = [0, 0, 0];
  recallGrid.forEach((x, i) => {
    while (next < points && recall[next] <= x) next++;
    const here = heightAt(x, next);
    if (i > 0) area += ((x - recallGrid[i - 1]) * (here + height)) / 2;
    height = here;
  });
  return area;
}

function countGroups(groups: Int32Array): Int32Array {
  const counts = new Map<number, number>();
  for (const group of groups) counts.set(group, (counts.get(group) ?? 0) + 1);
  return Int32Array.from([...counts].flat());
}

function weightedSum(values: Float64Array, weights: ArrayLike<number>): number {
  let sum = 0;
  for (let g = 0; g < values.length; g++) sum += values[g] * weights[g];
  return sum;
}
