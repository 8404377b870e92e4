import { shapeError } from "../errors.js";
import { boxIouXyxy, type Xyxy } from "./boxes.js";

/** One predicted box. */
export interface Detection {
  /** Corners, in the pixels of the network's input. */
  readonly box: Xyxy;
  /** Objectness times class score, 0..1. */
  readonly confidence: number;
  readonly classIndex: number;
}

/** The size of the decoded output and the thresholds. */
export interface SuppressionOptions {
  /** Candidate boxes of the image: the sum of anchors x cells over the levels. */
  readonly rows: number;
  /** Number of classes. */
  readonly classes: number;
  /** Boxes must have an objectness and a confidence above this; 0.25 by default (0.001 for mAP). */
  readonly confidenceThreshold?: number;
  /** A box is dropped when it overlaps a better one by more than this; 0.45 by default (0.6 for mAP). */
  readonly iouThreshold?: number;
  /** Every class above the threshold makes a detection of the row, not the best class only (for mAP). */
  readonly multiLabel?: boolean;
  /** At most so many detections are kept, 300 by default. */
  readonly maxDetections?: number;
  /** At most so many candidates, the most confident ones, are compared; 30000 by default. */
  readonly maxCandidates?: number;
  /** Boxes suppress one another whatever their class. */
  readonly classAgnostic?: boolean;
}

/**
 * Greedy non-maximum suppression of one image's decoded predictions, as YOLOv5 does it.
 *
 * Confidence = objectness x class score, in float32. Candidates are taken by falling confidence (ties: by
 * row, then class) and kept unless their IoU with a kept box of the same class exceeds `iouThreshold`.
 * YOLOv5 separates the classes by shifting boxes by 7680 pixels a class; comparing within a class is the
 * same without the rounding that such a shift costs.
 *
 * @param decoded float32 [rows, 5 + classes] row-major: cx, cy, w, h in input pixels, objectness, class scores.
 * @returns detections by falling confidence.
 * @throws EchoDuetError `shape` where `decoded` has another size.
 */
export function nonMaximumSuppression(decoded: Float32Array, options: SuppressionOptions): Detection[] {
  const { rows, classes, maxCandidates = 30000 } = options;
  if (decoded.length !== rows * (5 + classes)) {
    shapeError(
      `nonMaximumSuppression: decoded expects [${rows}, ${5 + classes}] = ${rows * (5 + classes)} numbers, ` +
        `got ${decoded.length}`,
    );
  }
  const candidates = collectCandidates(decoded, options);
  const { confidence } = candidates;
  const order = Uint32Array.from(confidence, (_, index) => index);
  order.sort((a, b) => confidence[b] - confidence[a] || a - b);
  return suppress(candidates, order.subarray(0, maxCandidates), options);
}

/** Boxes above the confidence threshold, by row, then class. */
interface Candidates {
  /** Corners, [n, 4]. */
  readonly boxesXyxy: Float32Array;
  readonly confidence: Float32Array;
  readonly classIndex: Int32Array;
}

function collectCandidates(decoded: Float32Array, options: SuppressionOptions): Candidates {
  const { rows, classes, confidenceThreshold = 0.25, multiLabel = false } = options;
  const threshold = Math.fround(confidenceThreshold);
  const boxes: number[] = [];
  const confidences: number[] = [];
  const classIndices: number[] = [];
  const push = (at: number, confidence: number, classIndex: number): void => {
    const halfWidth = Math.fround(decoded[at + 2] / 2);
    const halfHeight = Math.fround(decoded[at + 3] / 2);
    const [cx, cy] = [decoded[at], decoded[at + 1]];
    boxes.push(cx - halfWidth, cy - halfHeight, cx + halfWidth, cy + halfHeight);
    confidences.push(confidence);
    classIndices.push(classIndex);
  };
  for (let row = 0; row < rows; row++) {
    const at = row * (5 + classes);
    const objectness = decoded[at + 4];
    // Written so that a row of NaN is left out too.
    if (!(objectness > threshold)) continue;
    let best = -1;
    let bestConfidence = threshold;
    for (let c = 0; c < classes; c++) {
      const confidence = Math.fround(objectness * decoded[at + 5 + c]);
      if (multiLabel && confidence > threshold) push(at, confidence, c);
      if (confidence > bestConfidence) {
        best = c;
        bestConfidence = confidence;
      }
    }
    if (!multiLabel && best >= 0) push(at, bestConfidence, best);
  }
  return {
    boxesXyxy: Float32Array.from(boxes),
    confidence: Float32Array.from(confidences),
    classIndex: Int32Array.from(classIndices),
  };
}

function suppress(candidates: Candidates, order: Uint32Array, options: SuppressionOptions): Detection[] {
  const { classes, iouThreshold = 0.45, maxDetections = 300, classAgnostic = false } = options;
  const { boxesXyxy, confidence, classIndex } = candidates;
  const keptOfGroup: number[][] = Array.from({ length: classAgnostic ? 1 : classes }, () => []);
  const detections: Detection[] = [];
  for (const candidate of order) {
    // Candidates fall in confidence, so what is kept first is what stays.
    if (detections.length >= maxDetections) break;
    const kept = keptOfGroup[classAgnostic ? 0 : classIndex[candidate]];
    const at = candidate * 4;
    if (kept.some((other) => boxIouXyxy(boxesXyxy, boxesXyxy, at, other * 4) > iouThreshold)) continue;
    kept.push(candidate);
    detections.push({
      box: [boxesXyxy[at], boxesXyxy[at + 1], boxesXyxy[at + 2], boxesXyxy[at + 3]],
      confidence: confidence[candidate],
      classIndex: classIndex[candidate],
    });
  }
  return detections;
}
