import { join } from "node:path";
import {
  FrameLoader,
  type FrameRecord,
  fingerprint,
  listFrames,
  loadDataDescription,
} from "../../data/index.js";
import { sha256File } from "../../io/index.js";
import { createModel, type Model } from "../../models/index.js";
import type { DeviceName } from "../../runtime/index.js";
import type { HostTensor } from "../../tensor/index.js";
import {
  type Checkpoint,
  evaluate,
  findWeights,
  type FramePrediction,
  type LeakageMark,
  Predictor,
  readCheckpoint,
  requireSame,
  seenImages,
} from "../../training/index.js";
import type { ComparedRun } from "./gather.js";
import { readPredictions, writePredictions } from "./prediction-file.js";

/** Where the numbers of one run come from. */
export interface RunProvenance {
  readonly run: string;
  readonly checkpoint: string;
  readonly checkpointSha256: string;
  /** Epochs that the checkpoint was trained. */
  readonly epoch: number;
  readonly data: string;
  readonly dataFingerprint: string;
  readonly split: string;
  readonly images: number;
  /** Of these images, those of patients that the model was trained on; null where that is not known. */
  readonly seenPatients: number | null;
  readonly leakage: readonly LeakageMark[] | null;
}

/** What a run predicts on a split, matched to the labels. */
export interface RunPredictions {
  readonly provenance: RunProvenance;
  readonly frames: readonly FrameRecord[];
  /** One a frame. */
  readonly predictions: readonly FramePrediction[];
  readonly names: readonly string[];
  readonly views: readonly string[];
}

/** What gives the predictions of runs. */
export interface PredictionSource {
  of(run: ComparedRun, split: "val" | "test"): Promise<RunPredictions>;
}

/** How predictions are made. */
export interface PredictionOptions {
  readonly device: DeviceName;
  readonly threads: number;
}

/** Images at a time, as `val` has them by default. */
export const predictionBatch = 16;

/** The model of a run with its checkpoint. */
export interface OpenedRun {
  readonly path: string;
  readonly model: Model;
  readonly metadata: Checkpoint["metadata"];
  readonly tensors: ReadonlyMap<string, HostTensor>;
}

/**
 * The best checkpoint of a run, else its last one, and the model it belongs to: what `val` scores.
 * @throws EchoDuetError `io` or `checkpoint` where there is none or it is damaged
 */
export function openRun({ directory }: ComparedRun): OpenedRun {
  const path = findWeights(directory);
  const { metadata, tensors } = readCheckpoint(path);
  const { config, names, views } = metadata;
  const model = createModel(metadata.model, { ...config, classes: names.length, views: views.length });
  return { path, model, metadata, tensors };
}

/**
 * Predictions of runs on splits, by the evaluator of `val`. They are kept in the run's folder as
 * `predictions/SPLIT.safetensors` with the hash of the checkpoint and the fingerprint of the data, and taken from
 * there while both are the same.
 */
export class PredictionStore implements PredictionSource {
  readonly #frames = new Map<string, { frames: FrameRecord[]; hash: string }>();

  constructor(private readonly options: PredictionOptions) {}

  /** @throws EchoDuetError where data and model disagree on classes, or a file is wrong */
  async of(run: ComparedRun, split: "val" | "test"): Promise<RunPredictions> {
    const opened = openRun(run);
    const { frames, hash } = this.#framesOf(run.data, split);
    const { names, views } = loadDataDescription(run.data);
    const place = { file: run.data, path: opened.path };
    const { model, metadata } = opened;
    if (model.classes > 0) requireSame("names", metadata.names, names, place);
    if (model.views > 0) requireSame("views", metadata.views, views, place);
    const key = {
      checkpointSha256: sha256File(opened.path),
      dataFingerprint: hash,
      size: `${metadata.config.size.width}x${metadata.config.size.height}`,
    };
    const file = join(run.directory, "predictions", `${split}.safetensors`);
    const kept = readPredictions(file, key, frames.length);
    const predictions = kept ?? (await this.#predict(opened, frames));
    if (!kept) writePredictions(file, key, predictions);
    return {
      frames,
      predictions,
      names: model.classes > 0 ? names : [],
      views: model.views > 0 ? views : [],
      provenance: {
        run: run.name,
        checkpoint: opened.path,
        checkpointSha256: key.checkpointSha256,
        epoch: metadata.epoch,
        data: run.data,
        dataFingerprint: hash,
        split,
        images: frames.length,
        seenPatients: seenImages(frames, metadata.trainedOn?.patients ?? null),
        leakage: metadata.trainedOn?.leakage ?? null,
      },
    };
  }

  #framesOf(data: string, split: string): { frames: FrameRecord[]; hash: string } {
    const key = JSON.stringify([data, split]);
    const known = this.#frames.get(key);
    if (known) return known;
    const frames = listFrames(loadDataDescription(data), split);
    const made = { frames, hash: fingerprint(frames) };
    this.#frames.set(key, made);
    return made;
  }

  async #predict(
    { model, metadata, tensors }: OpenedRun,
    frames: readonly FrameRecord[],
  ): Promise<readonly FramePrediction[]> {
    const { size } = metadata.config;
    const predictor = await Predictor.create(model, tensors, size, this.options);
    const loader = new FrameLoader(frames, size, { cacheBytes: 0 });
    try {
      const names = model.classes > 0 ? metadata.names : [];
      const views = model.views > 0 ? metadata.views : [];
      return (await evaluate({ predictor, loader, frames, names, views, batch: predictionBatch })).perFrame;
    } finally {
      await Promise.all([predictor.close(), loader.close()]);
    }
  }
}
