import { EchoDuetError, shapeError } from "../errors.js";
import {
  type AveragePrecisionResult,
  averagePrecision,
  CONFIDENCE_GRID_POINTS,
  type ClassCurves,
  classPointAt,
  IOU_THRESHOLDS,
} from "./average-precision.js";
import { boxIouXyxy, type Xyxy } from "./boxes.js";
import type { Detection } from "./non-maximum-suppression.js";

/** One labelled box, in the same pixels as the detections that it is compared with. */
export interface LabelledBox {
  readonly classIndex: number;
  readonly box: Xyxy;
}

/** Precision, recall and F1 at one confidence; null where there is no label to measure them on. */
export interface OperatingPoint {
  readonly precision: number | null;
  readonly recall: number | null;
  readonly f1: number | null;
  /** The confidence at which they hold, a point of the 1000-point grid. */
  readonly confidence: number | null;
}

/** The metrics of one class; null where the split has no label of it. */
export interface ClassSummary {
  readonly name: string;
  readonly ap50: number | null;
  readonly ap50_95: number | null;
  readonly precision: number | null;
  readonly recall: number | null;
  readonly f1: number | null;
  /** Labels of the class. */
  readonly instances: number;
}

/** The metrics of a split at its own best-F1 confidence. */
export interface DetectionSummary extends OperatingPoint {
  readonly map50: number | null;
  readonly map50_95: number | null;
  readonly perClass: readonly ClassSummary[];
}

/**
 * Which detections of one image are true positives at each IoU threshold, as YOLOv5 decides.
 *
 * Pairs of one class whose IoU reaches the threshold are candidates; each detection keeps its label of
 * highest IoU (of equal ones the later label), then each label keeps its first detection. A label whose
 * detections all prefer another label stays unmatched. Differs from YOLOv5 only in computing IoU in
 * float64 and without the 1e-7 added to the union.
 *
 * @param detections in the order that decides between them: falling confidence, as suppression returns them.
 * @returns uint8 [detections, thresholds], 1 for a true positive.
 */
export function matchDetections(
  detections: readonly Detection[],
  labels: readonly LabelledBox[],
  iouThresholds: readonly number[] = IOU_THRESHOLDS,
): Uint8Array {
  const best = detections.map((detection) => bestLabel(detection, labels));
  const tp = new Uint8Array(detections.length * iouThresholds.length);
  iouThresholds.forEach((threshold, t) => {
    const taken = new Set<number>();
    best.forEach(({ label, iou }, d) => {
      if (label < 0 || iou < threshold || taken.has(label)) return;
      taken.add(label);
      tp[d * iouThresholds.length + t] = 1;
    });
  });
  return tp;
}

function bestLabel(detection: Detection, labels: readonly LabelledBox[]): { label: number; iou: number } {
  let best = { label: -1, iou: 0 };
  labels.forEach(({ classIndex, box }, label) => {
    if (classIndex !== detection.classIndex) return;
    const iou = boxIouXyxy(detection.box, box);
    if (iou >= best.iou) best = { label, iou };
  });
  return best;
}

/**
 * Gathers the detections and labels of a split, image by image, and computes YOLOv5's metrics.
 *
 * Overall precision, recall and F1 are means over the classes that have labels, at the one confidence where
 * the smoothed mean F1 is highest; overall F1 is the mean of the classes' F1, as in YOLOv5, not the harmonic
 * mean of the overall precision and recall. That confidence is chosen on the split that is scored, which
 * flatters it: `atConfidence` gives the same metrics at a confidence chosen elsewhere.
 */
export class DetectionMetrics {
  readonly #classes: number;
  readonly #tp: Uint8Array[] = [];
  readonly #confidence: number[] = [];
  readonly #predictedClass: number[] = [];
  readonly #targetClass: number[] = [];
  #images = 0;
  #curves: AveragePrecisionResult | undefined;

  /** @param classes the number of classes. */
  constructor(classes: number) {
    this.#classes = classes;
  }

  /** Images added so far. */
  get images(): number {
    return this.#images;
  }

  /**
   * Adds one image. Detections come by falling confidence, and both in the same pixels; an image without
   * labels counts, its detections being false positives.
   * @throws EchoDuetError `shape` where a class is out of range.
   */
  add(detections: readonly Detection[], labels: readonly LabelledBox[]): void {
    for (const { classIndex } of [...detections, ...labels]) {
      if (!(Number.isInteger(classIndex) && classIndex >= 0 && classIndex < this.#classes)) {
        shapeError(`detection metrics: class expects 0..${this.#classes - 1}, got ${classIndex}`);
      }
    }
    this.#tp.push(matchDetections(detections, labels));
    for (const { confidence, classIndex } of detections) {
      this.#confidence.push(confidence);
      this.#predictedClass.push(classIndex);
    }
    for (const { classIndex } of labels) this.#targetClass.push(classIndex);
    this.#images++;
    this.#curves = undefined;
  }

  /** The curves on the confidence grid and the average precisions of each class that has labels. */
  curves(): AveragePrecisionResult {
    this.#curves ??= averagePrecision({
      tp: concatenate(this.#tp),
      confidence: Float64Array.from(this.#confidence),
      predictedClass: Int32Array.from(this.#predictedClass),
      targetClass: Int32Array.from(this.#targetClass),
      classes: this.#classes,
    });
    return this.#curves;
  }

  /**
   * mAP, and precision, recall and F1 at the split's own best-F1 confidence, per class and overall.
   * @param names of the classes, by class index.
   * @throws EchoDuetError `shape` where the number of names is not the number of classes.
   */
  summary(names: readonly string[]): DetectionSummary {
    if (names.length !== this.#classes) {
      shapeError(`detection metrics: names expect ${this.#classes} classes, got ${names.length}`);
    }
    const { perClass, bestIndex } = this.curves();
    return {
      map50: mean(perClass.map(ap50)),
      map50_95: mean(perClass.map(ap50To95)),
      ...this.#pointAt(bestIndex),
      perClass: names.map((name, c) =>
        summaryOfClass(
          name,
          perClass.find((entry) => entry.classIndex === c),
          bestIndex,
        ),
      ),
    };
  }

  /**
   * Overall precision, recall and F1 at the point of the confidence grid that is nearest to `confidence`.
   * @throws EchoDuetError `config` where the confidence is not in 0..1.
   */
  atConfidence(confidence: number): OperatingPoint {
    if (!(confidence >= 0 && confidence <= 1)) {
      throw new EchoDuetError("config", `atConfidence: confidence expects 0..1, got ${confidence}`);
    }
    return this.#pointAt(Math.round(confidence * (CONFIDENCE_GRID_POINTS - 1)));
  }

  #pointAt(index: number): OperatingPoint {
    const { perClass, confidenceGrid } = this.curves();
    return {
      precision: mean(perClass.map((entry) => entry.precision[index])),
      recall: mean(perClass.map((entry) => entry.recall[index])),
      f1: mean(perClass.map((entry) => entry.f1[index])),
      confidence: perClass.length > 0 ? confidenceGrid[index] : null,
    };
  }
}

function summaryOfClass(name: string, curves: ClassCurves | undefined, index: number): ClassSummary {
  if (curves === undefined) {
    return { name, ap50: null, ap50_95: null, precision: null, recall: null, f1: null, instances: 0 };
  }
  const { precision, recall, f1 } = classPointAt(curves, index);
  const { instances } = curves;
  return { name, ap50: ap50(curves), ap50_95: ap50To95(curves), precision, recall, f1, instances };
}

function ap50(curves: ClassCurves): number {
  return curves.averagePrecision[0];
}

function ap50To95(curves: ClassCurves): number {
  return curves.averagePrecision.reduce((sum, ap) => sum + ap, 0) / IOU_THRESHOLDS.length;
}

function mean(values: readonly number[]): number | null {
  return values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}

function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}
