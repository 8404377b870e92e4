import {
  FrameLoader,
  type FrameRecord,
  fingerprint,
  listFrames,
  loadDataDescription,
} from "../data/index.js";
import type { OperatingPoint } from "../detection/index.js";
import { EchoDuetError } from "../errors.js";
import { sha256File } from "../io/index.js";
import type { DeviceName } from "../runtime/index.js";
import {
  echoduetVersion,
  type Evaluation,
  evaluate,
  type LeakageMark,
  Predictor,
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
  requireSame(
    "names",
    model.classes > 0 ? trained.names : description.names,
    description.names,
    options,
    metadata === null,
  );
  requireSame(
    "views",
    model.views > 0 ? trained.views : description.views,
    description.views,
    options,
    false,
  );
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

/** Images of patients among `patients`; null where no ids tell. */
function seenImages(frames: readonly FrameRecord[], patients: readonly string[] | null): number | null {
  if (patients === null || patients.length === 0) return null;
  const seen = new Set(patients);
  return frames.filter(({ patient }) => patient !== null && seen.has(patient)).length;
}

function viewScores(metrics: ViewScores): ViewScores {
  const { accuracy, balancedAccuracy, macroF1, auroc, ece, confusion } = metrics;
  return { accuracy, balancedAccuracy, macroF1, auroc, ece, confusion };
}

function requireSame(
  key: "names" | "views",
  model: readonly string[],
  data: readonly string[],
  { weights, data: file }: ValidateOptions,
  countOnly: boolean,
): void {
  const same = countOnly ? model.length === data.length : JSON.stringify(model) === JSON.stringify(data);
  if (same) return;
  throw new EchoDuetError(
    "data",
    `${file}: ${key} are [${data.join(", ")}], but ${weights} was trained on [${model.join(", ")}]; use the data.yaml of its classes, in their order`,
  );
}
