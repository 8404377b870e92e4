import {
  FrameLoader,
  type FrameRecord,
  fingerprint,
  listFrames,
  loadDataDescription,
} from "../../data/index.js";
import { sha256File } from "../../io/index.js";
import { evaluate, type FrameBoxes, type FramePrediction, Predictor } from "../../training/index.js";
import type { ComparedRun } from "../compare/gather.js";
import { openRun, predictionBatch, type PredictionOptions } from "../compare/predictions.js";
import type { Provenance } from "./document.js";

/** A validation frame with what a run predicts on it. */
export interface PredictedFrame {
  readonly frame: FrameRecord;
  readonly prediction: FramePrediction;
  /** null without detection, and for a frame that data.yaml masks. */
  readonly boxes: FrameBoxes | null;
  readonly from: Provenance;
}

/** The validation frames of runs that together cover them once, predicted. */
export interface PredictedFrames {
  readonly frames: readonly PredictedFrame[];
  /** Empty where the model does not detect, or does not classify. */
  readonly names: readonly string[];
  readonly views: readonly string[];
  readonly provenance: readonly Provenance[];
}

/**
 * Predicts the validation frames of the folds of one seed, with the boxes that `val` and `compare` match and drop.
 * @param onProgress told of the images done and of all
 * @throws EchoDuetError where a checkpoint, an image or a label is missing or damaged
 */
export async function predictBoxes(
  runs: readonly ComparedRun[],
  options: PredictionOptions,
  onProgress: (run: string, done: number, total: number) => void = () => {},
): Promise<PredictedFrames> {
  const parts: PredictedFrames[] = [];
  for (const run of runs) parts.push(await predictRun(run, options, onProgress));
  return {
    frames: parts.flatMap(({ frames }) => frames),
    names: parts[0]?.names ?? [],
    views: parts[0]?.views ?? [],
    provenance: parts.flatMap(({ provenance }) => provenance),
  };
}

async function predictRun(
  run: ComparedRun,
  options: PredictionOptions,
  onProgress: (run: string, done: number, total: number) => void,
): Promise<PredictedFrames> {
  const { path, model, metadata, tensors } = openRun(run);
  const frames = listFrames(loadDataDescription(run.data), "val");
  const from = {
    run: run.name,
    checkpointSha256: sha256File(path),
    dataFingerprint: fingerprint(frames),
    split: "val",
  };
  const names = model.classes > 0 ? metadata.names : [];
  const views = model.views > 0 ? metadata.views : [];
  const { size } = metadata.config;
  const boxes: (FrameBoxes | undefined)[] = [];
  const predictor = await Predictor.create(model, tensors, size, options);
  const loader = new FrameLoader(frames, size, { cacheBytes: 0 });
  try {
    const { perFrame } = await evaluate({
      ...{ predictor, loader, frames, names, views, batch: predictionBatch },
      onProgress: (done) => onProgress(run.name, done, frames.length),
      onBoxes: (index, found) => {
        boxes[index] = found;
      },
    });
    return {
      frames: frames.map((frame, i) => ({
        frame,
        prediction: perFrame[i],
        boxes: boxes[i] ?? null,
        from,
      })),
      names,
      views,
      provenance: [from],
    };
  } finally {
    await Promise.all([predictor.close(), loader.close()]);
  }
}
