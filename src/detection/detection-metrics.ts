import { EchoDuetError, shapeError } from "../errors.js";
import {
  type AveragePrecisionResult,
  averagePrecision,
  CONFIDENCE_GRID_POINTS,
  type ClassCurves,
  classPointAt,
  IOU_THRESHOLDS,
  type MatchedDetections,
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

/** Detections and labels of one image, matched: what the metrics need of it. */
export type MatchedImage = Omit<MatchedDetections, "classes">;

/**
 * One image's detections matched to its labels at each of `IOU_THRESHOLDS`.
 * @param detections by falling confidence, in the same pixels as the labels.
 */
export function matchImage(detections: readonly Detection[], labels: readonly LabelledBox[]): MatchedImage {
  return {
    tp: matchDetections(detections, labels),
    confidence: Float64Array.from(detections, ({ confidence }) => confidence),
    predictedClass: Int32Array.from(detections, ({ classIndex }) => classIndex),
    targetClass: Int32Array.from(labels, ({ classIndex }) => classIndex),
  };
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
  readonly #images: MatchedImage[] = [];
  #curves: AveragePrecisionResult | undefined;

  /** @param classes the number of classes. */
  constructor(classes: number) {
    this.#classes = classes;
  }

  /** Images added so far, in their order. */
  get matched(): readonly MatchedImage[] {
    return this.#images;
  }

  /** How many images were added. */
  get images(): number {
    return this.#images.length;
  }

  /**
   * Adds one image. Detections come by falling confidence, and both in the same pixels; an image without
   * labels counts, its detections being false positives.
   * @throws EchoDuetError `shape` where a class is out of range.
   */
  add(detections: readonly Detection[], labels: readonly LabelledBox[]): void {
    this.#checkClasses([...detections, ...labels].map(({ classIndex }) => classIndex));
    this.addMatched(matchImage(detections, labels));
  }

  /**
   * Adds one image whose detections are matched already.
   * @throws EchoDuetError `shape` where a class is out of range.
   */
  addMatched(image: MatchedImage): void {
    this.#checkClasses([...image.predictedClass, ...image.targetClass]);
    this.#images.push(image);
    this.#curves = undefined;
  }

  /** The curves on the confidence grid and the average precisions of each class that has labels. */
  curves(): AveragePrecisionResult {
    this.#curves ??= averagePrecision(joinImages(this.#images, this.#classes));
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
    return this.#pointAt(confidenceIndex(confidence));
  }

  #checkClasses(indices: readonly number[]): void {
    const wrong = indices.find((c) => !(Number.isInteger(c) && c >= 0 && c < this.#classes));
    if (wrong === undefined) return;
    shapeError(`detection metrics: class expects 0..${this.#classes - 1}, got ${wrong}`);
  }

  #pointAt(index: number): OperatingPoint {
    return operatingPointAt(this.curves(), index);
  }
}

/** Overall precision, recall and F1 at an index of the confidence grid: means over the classes with labels. */
export function operatingPointAt(
  { perClass, confidenceGrid }: Pick<AveragePrecisionResult, "perClass" | "confidenceGrid">,
  index: number,
): OperatingPoint {
  return {
    precision: mean(perClass.map((entry) => entry.precision[index])),
    recall: mean(perClass.map((entry) => entry.recall[index])),
    f1: mean(perClass.map((entry) => entry.f1[index])),
    confidence: perClass.length > 0 ? confidenceGrid[index] : null,
  };
}

/** The index of the confidence grid's point nearest to `confidence`, 0..1. */
export function confidenceIndex(confidence: number): number {
  return Math.round(confidence * (CONFIDENCE_GRID_POINTS - 1));
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

/** The detections and labels of several images as those of one split, in the order of the images. */
export function joinImages(images: readonly MatchedImage[], classes: number): MatchedDetections {
  const joined = <T extends Uint8Array | Float64Array | Int32Array>(
    pick: (image: MatchedImage) => T,
    make: (length: number) => T,
  ): T => {
    const out = make(images.reduce((sum, image) => sum + pick(image).length, 0));
    let at = 0;
    for (const image of images) {
      out.set(pick(image), at);
      at += pick(image).length;
    }
    return out;
  };
  return {
    tp: joined(
      ({ tp }) => tp,
      (length) => new Uint8Array(length),
    ),
    confidence: joined(
      ({ confidence }) => confidence,
      (length) => new Float64Array(length),
    ),
    predictedClass: joined(
      ({ predictedClass }) => predictedClass,
      (length) => new Int32Array(length),
    ),
    targetClass: joined(
      ({ targetClass }) => targetClass,
      (length) => new Int32Array(length),
    ),
    classes,
  };
}
