import { type ClassificationMetrics, classificationMetrics } from "../classification/index.js";
import { batches, type FrameBatch, type FrameLoader, type FrameRecord, toSourceBox } from "../data/index.js";
import {
  type Detection,
  type DetectionSummary,
  DetectionMetrics,
  type LabelledBox,
  type MatchedImage,
  matchImage,
  nonMaximumSuppression,
  xywhToXyxy,
} from "../detection/index.js";
import type { Predictor, Predictions } from "./predictor.js";

/** Milliseconds an image, as measured around each stage. */
export interface Speed {
  readonly preprocessMs: number;
  readonly inferenceMs: number;
  readonly postprocessMs: number;
}

/** What a model achieves on a set of frames. */
export interface Evaluation {
  readonly images: number;
  readonly detection: DetectionSummary | null;
  /** The detection metrics behind the summary, for other confidences and curves. */
  readonly detectionMetrics: DetectionMetrics | null;
  readonly classification: ClassificationMetrics | null;
  /** What each frame was scored on, in the order of the frames. */
  readonly perFrame: readonly FramePrediction[];
  readonly speed: Speed;
}

/** A frame's boxes in source pixels, as they were matched. */
export interface FrameBoxes {
  /** Size of the source image in pixels. */
  readonly width: number;
  readonly height: number;
  /** By falling confidence. */
  readonly detections: readonly Detection[];
  readonly labels: readonly LabelledBox[];
}

/** One frame's predictions against its labels. */
export interface FramePrediction {
  /** null without detection, and for a frame that data.yaml masks. */
  readonly detection: MatchedImage | null;
  /** Probabilities of the views; null without classification. */
  readonly views: Float32Array | null;
}

export interface EvaluationOptions {
  readonly predictor: Predictor;
  readonly loader: FrameLoader;
  readonly frames: readonly FrameRecord[];
  /** Class names; empty without detection. */
  readonly names: readonly string[];
  /** View names; empty without classification. */
  readonly views: readonly string[];
  readonly batch: number;
  /** Called after each batch with the images done. */
  readonly onProgress?: (images: number) => void;
  /** Told of the boxes of each frame that is scored, by its index. */
  readonly onBoxes?: (index: number, boxes: FrameBoxes) => void;
}

/** Suppression as average precision needs it: nearly every box, several classes a box. */
export const evaluationSuppression = {
  confidenceThreshold: 0.001,
  iouThreshold: 0.6,
  multiLabel: true,
  maxDetections: 300,
} as const;

/**
 * Scores predictions on labelled frames. Boxes are compared in source pixels, clipped to the image.
 * Images that data.yaml masks (`unlabelled: mask`) are left out of the detection metrics, images
 * without a view out of the classification metrics.
 */
export async function evaluate(options: EvaluationOptions): Promise<Evaluation> {
  const { predictor, loader, frames, names, views } = options;
  const metrics = names.length > 0 ? new DetectionMetrics(names.length) : null;
  const perFrame: FramePrediction[] = [];
  const spent = { preprocessMs: 0, inferenceMs: 0, postprocessMs: 0 };
  const timed = async <T>(stage: keyof Speed, work: () => T | Promise<T>): Promise<T> => {
    const start = performance.now();
    const result = await work();
    spent[stage] += performance.now() - start;
    return result;
  };
  let done = 0;
  const order = Int32Array.from(frames.keys());
  for (const indices of batches(order, options.batch)) {
    const batch = await timed("preprocessMs", () => loader.batch(indices));
    const predictions = await timed("inferenceMs", () => predictor.predict(batch.images));
    const matched = await timed("postprocessMs", () => matchBatch(batch, predictions, names.length));
    batch.frames.forEach((_, i) => {
      const { image: detection = null, boxes } = matched?.[i] ?? {};
      const probabilities = predictions.views?.[i] ?? null;
      if (boxes) options.onBoxes?.(indices[i], boxes);
      if (detection) metrics?.addMatched(detection);
      perFrame.push({ detection, views: probabilities?.slice() ?? null });
    });
    done += batch.frames.length;
    options.onProgress?.(done);
  }
  return {
    images: frames.length,
    detection: metrics?.summary(names) ?? null,
    detectionMetrics: metrics,
    classification:
      views.length > 0
        ? classificationMetrics(
            Float32Array.from(perFrame.flatMap((frame) => [...(frame.views ?? [])])),
            Int32Array.from(frames, ({ view }) => view),
            views.length,
          )
        : null,
    perFrame,
    speed: {
      preprocessMs: spent.preprocessMs / frames.length,
      inferenceMs: spent.inferenceMs / frames.length,
      postprocessMs: spent.postprocessMs / frames.length,
    },
  };
}

/** The matched detections of each image of a batch, null for one that is masked; null without detection. */
function matchBatch(
  batch: FrameBatch,
  { detections }: Predictions,
  classes: number,
): ({ readonly image: MatchedImage; readonly boxes: FrameBoxes } | null)[] | null {
  if (!detections) return null;
  return batch.frames.map((frame, i) => {
    if (batch.detectionMask[i] === 0) return null;
    const letterbox = batch.letterboxes[i];
    const found = nonMaximumSuppression(detections.perImage[i], {
      rows: detections.rows,
      classes,
      ...evaluationSuppression,
    }).map((detection) => ({ ...detection, box: toSourceBox(letterbox, detection.box) }));
    const labels = sourceLabels(frame, letterbox);
    const { sourceWidth: width, sourceHeight: height } = letterbox;
    return {
      image: matchImage(found, labels),
      boxes: { width, height, detections: found, labels },
    };
  });
}

/** A frame's boxes in source pixels. */
export function sourceLabels(
  frame: FrameRecord,
  source: { readonly sourceWidth: number; readonly sourceHeight: number },
): { classIndex: number; box: [number, number, number, number] }[] {
  return Array.from({ length: frame.boxes.length / 5 }, (_, i) => {
    const [classIndex, cx, cy, w, h] = frame.boxes.subarray(5 * i, 5 * i + 5);
    const [x1, y1, x2, y2] = xywhToXyxy([cx, cy, w, h]);
    const { sourceWidth, sourceHeight } = source;
    return { classIndex, box: [x1 * sourceWidth, y1 * sourceHeight, x2 * sourceWidth, y2 * sourceHeight] };
  });
}

/** The evaluation's headline numbers by name, as checkpoints and logs keep them. */
export function headlineMetrics({ detection, classification }: Evaluation): Record<string, number | null> {
  return {
    ...(detection
      ? {
          map50: detection.map50,
          map50_95: detection.map50_95,
          precision: detection.precision,
          recall: detection.recall,
          f1: detection.f1,
          confidence: detection.confidence,
        }
      : {}),
    ...(classification
      ? {
          accuracy: classification.accuracy,
          balancedAccuracy: classification.balancedAccuracy,
          macroF1: classification.macroF1,
          auroc: classification.auroc,
          ece: classification.ece,
        }
      : {}),
  };
}

/** Σ weight · metric over the metrics that have a weight and a value: what the best checkpoint is chosen by. */
export function fitnessOf(
  metrics: Readonly<Record<string, number | null>>,
  weights: Readonly<Record<string, number>>,
): number {
  return Object.entries(weights).reduce((sum, [name, weight]) => sum + weight * (metrics[name] ?? 0), 0);
}
