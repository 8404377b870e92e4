import { createModel, type Model } from "../models/index.js";
import { EchoDuetError } from "../errors.js";
import { type Checkpoint, readCheckpoint } from "../training/checkpoint.js";
import { readWeights, type Weights } from "../training/weights.js";

/** Weights together with the network they belong to. */
export interface TrainedModel {
  readonly weights: Weights;
  readonly model: Model;
  readonly names: readonly string[];
  readonly views: readonly string[];
  /** The checkpoint's own account; null for a file of another program. */
  readonly metadata: Checkpoint["metadata"] | null;
}

/**
 * The model that a weights file holds: by the checkpoint's own account, or for another program's file
 * (YOLOv5's) a detector whose size and classes follow from its tensors.
 * @param names class names for a file that has none
 * @throws EchoDuetError `checkpoint` where the file is of no network that we know
 */
export function openTrainedModel(source: string, names: readonly string[] = []): TrainedModel {
  const weights = readWeights(source);
  if (weights.model !== null) {
    const { metadata } = readCheckpoint(weights.path);
    const { config, names, views } = metadata;
    const options = { ...config, classes: names.length, views: views.length };
    return { weights, model: createModel(metadata.model, options), names, views, metadata };
  }
  const size = yolov5SizeOf(weights);
  const classes = classesOf(weights);
  const known = weights.names ?? (names.length === classes ? names : null);
  return {
    weights,
    model: createModel(`detect-yolov5${size}`, { classes, views: 0 }),
    names: known ?? Array.from({ length: classes }, (_, i) => `class${i}`),
    views: [],
    metadata: null,
  };
}

/** The channels of the stem tell YOLOv5's sizes apart. */
function yolov5SizeOf({ path, tensors }: Weights): string {
  const stem = tensors.get("model.0.conv.weight")?.shape[0];
  const size = { 16: "n", 32: "s", 48: "m", 64: "l", 80: "x" }[stem ?? 0];
  if (size === undefined) {
    throw new EchoDuetError(
      "checkpoint",
      `${path}: expected YOLOv5's tensors (model.0.conv.weight of 16, 32, 48, 64 or 80 filters), got ${stem ?? "none of that name"}`,
    );
  }
  return size;
}

function classesOf({ path, tensors }: Weights): number {
  const filters = tensors.get("model.24.m.0.weight")?.shape[0];
  if (filters === undefined || filters % 3 !== 0 || filters < 18) {
    throw new EchoDuetError(
      "checkpoint",
      `${path}: expected a YOLOv5 head model.24.m.0.weight of 3 x (5 + classes) filters, got ${filters ?? "none"}`,
    );
  }
  return filters / 3 - 5;
}
