import { type DataDescription, type FrameRecord, loadDataDescription } from "../data/index.js";
import { EchoDuetError } from "../errors.js";
import { sha256File } from "../io/index.js";
import { type Checkpoint, type LeakageMark, requireSame, seenImages } from "../training/index.js";
import { openTrainedModel, type TrainedModel } from "./trained-model.js";

/** A checkpoint of EchoDuet, which says what it was trained on and how. */
export interface AnalysedModel extends TrainedModel {
  readonly metadata: Checkpoint["metadata"];
}

/** Where numbers about a model come from. */
export interface ModelProvenance {
  readonly checkpoint: string;
  readonly checkpointSha256: string;
  readonly model: string;
  /** Epochs completed. */
  readonly epoch: number;
  /** Of the images looked at, those of patients that the model was trained on; null where that is not known. */
  readonly seenPatients: number | null;
  /** What the model's training split shared with those that judge it; null where that is not known. */
  readonly leakage: readonly LeakageMark[] | null;
}

/**
 * The model that a run or a checkpoint holds.
 * @throws EchoDuetError `checkpoint` for another program's file, which says nothing of losses and data
 */
export function openAnalysedModel(source: string): AnalysedModel {
  const trained = openTrainedModel(source);
  const { metadata, weights } = trained;
  if (metadata === null) {
    throw new EchoDuetError(
      "checkpoint",
      `${weights.path}: expected a checkpoint of EchoDuet, got another program's weights; train with them first (train --weights ${weights.path})`,
    );
  }
  return { ...trained, metadata };
}

/**
 * The data that models are analysed on: `data`, or what the first of them was trained on.
 * @throws EchoDuetError `data` where a model has other classes or views
 */
export function openAnalysisData(
  models: readonly AnalysedModel[],
  data: string | undefined,
): { readonly file: string; readonly description: DataDescription } {
  const file = data ?? models[0].metadata.config.data;
  const description = loadDataDescription(file);
  for (const { model, names, views, weights } of models) {
    if (model.classes > 0) requireSame("names", names, description.names, { file, path: weights.path });
    if (model.views > 0) requireSame("views", views, description.views, { file, path: weights.path });
  }
  return { file, description };
}

/** The provenance of a model, and how many of `frames` are of patients that it has seen. */
export function provenanceOf(
  { weights, metadata }: AnalysedModel,
  frames: readonly FrameRecord[],
): ModelProvenance {
  return {
    checkpoint: weights.path,
    checkpointSha256: sha256File(weights.path),
    model: metadata.model,
    epoch: metadata.epoch,
    seenPatients: seenImages(frames, metadata.trainedOn?.patients ?? null),
    leakage: metadata.trainedOn?.leakage ?? null,
  };
}
