import { FrameLoader, fingerprint, listFrames, loadDataDescription } from "../data/index.js";
import type { OperatingPoint } from "../detection/index.js";
import { sha256File } from "../io/index.js";
import type { DeviceName } from "../runtime/index.js";
import {
  echoduetVersion,
  type Evaluation,
  evaluate,
  type LeakageMark,
  Predictor,
  requireSame,
  seenImages,
  type Speed,
} from "../training/index.js";
import { openTrainedModel } from "./trained-model.js";

export interface ValidateOptions {
  /** A run, a checkpoint, a `.pt` or a `.safetensors` file. */
  readonly weights: string;
  /** data.yaml. */
  readonly data: string;
  /** train, val (or valid) or test. */
  readonly split: string;
  /** Network input; by default the one of the training, else 640x640. */
  readonly size?: { readonly width: number; readonly height: number };
  readonly batch: number;
  readonly device: DeviceName;
  readonly threads: number;
  readonly onProgress?: (images: number, total: number) => void;
}

/** Scores of the views; how many images they are measured on is the sum of the confusion. */
type ViewScores = Omit<NonNullable<Evaluation["classification"]>, "labelled" | "unlabelled">;

/** What `echoduet val --json` prints: metrics with the provenance of every one of them. */
export interface ValidationReport {
  readonly provenance: {
    readonly checkpoint: string;
    readonly checkpointSha256: string;
    readonly data: string;
    readonly dataFingerprint: string;
    readonly split: string;
    readonly images: number;
    /** Of these images, those of patients that the model was trained on; null where that is not known. */
    readonly seenPatients: number | null;
    /** What the model's training split shared with those that judged it; null where that is not known. */
    readonly leakage: readonly LeakageMark[] | null;
    readonly version: string;
  };
  readonly detection:
    | (NonNullable<Evaluation["detection"]> & { readonly atValidationConfidence: OperatingPoint | null })
    | null;
  readonly classification: ViewScores | null;
  /** Milliseconds an image. */
  readonly speed: Speed;
}

/**
 * Scores a model on a split of labelled data.
 * @throws EchoDuetError where data and model disagree on classes, or a file is wrong
 */
export async function validate(options: ValidateOptions): Promise<ValidationReport> {
  const description = loadDataDescription(options.data);
  const frames = listFrames(description, options.split);
  const trained = openTrainedModel(options.weights, description.names);
  const { model, metadata, weights } = trained;
  const place = { file: options.data, path: options.weights };
  // Another program's weights name no classes: their number must do.
  const known = metadata !== null || trained.names.length !== description.names.length;
  if (model.classes > 0 && known) requireSame("names", trained.names, description.names, place);
  if (model.views > 0) requireSame("views", trained.views, description.views, place);
  const size = options.size ?? metadata?.config.size ?? { width: 640, height: 640 };
  const { device, threads, batch } = options;
  const predictor = await Predictor.create(model, weights.tensors, size, { device, threads });
  const loader = new FrameLoader(frames, size, { cacheBytes: 0 });
  try {
    const evaluation = await evaluate({
      predictor,
      loader,
      frames,
      names: model.classes > 0 ? description.names : [],
      views: model.views > 0 ? description.views : [],
      batch,
      onProgress: (images) => options.onProgress?.(images, frames.length),
    });
    const { detection, detectionMetrics, classification, speed } = evaluation;
    const chosen = metadata?.metrics.confidence ?? null;
    return {
      provenance: {
        checkpoint: weights.path,
        checkpointSha256: sha256File(weights.path),
        data: options.data,
        dataFingerprint: fingerprint(frames),
        split: options.split,
        images: frames.length,
        seenPatients: seenImages(frames, metadata?.trainedOn?.patients ?? null),
        leakage: metadata?.trainedOn?.leakage ?? null,
        version: echoduetVersion,
      },
      detection: detection && {
        ...detection,
        atValidationConfidence: chosen === null ? null : (detectionMetrics?.atConfidence(chosen) ?? null),
      },
      classification: classification && viewScores(classification),
      speed,
    };
  } finally {
    await Promise.all([predictor.close(), loader.close()]);
  }
}

function viewScores(metrics: ViewScores): ViewScores {
  const { accuracy, balancedAccuracy, macroF1, auroc, ece, confusion } = metrics;
  return { accuracy, balancedAccuracy, macroF1, auroc, ece, confusion };
}
