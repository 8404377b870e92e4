import {
  type InputSize,
  resolveTrainConfig,
  type TrainConfig,
  type TrainConfigInput,
} from "../../config/index.js";
import type { FrameBatch, FrameRecord } from "../../data/index.js";
import { createModel, type Model } from "../../models/index.js";
import { hostTensor, randomStream } from "../../tensor/index.js";
import { declareForTraining, initialTensors, TrainingSession } from "../../training/index.js";

/** The shape of what a measurement of speed feeds a model. */
export interface SyntheticInput {
  readonly size: InputSize;
  /** Images a step. */
  readonly batch: number;
  /** Detection classes and views. */
  readonly classes: number;
  readonly views: number;
}

/** A training that is measured and leads nowhere: no data, a small rate, an update each step. */
export function syntheticConfig(
  { size, batch }: Pick<SyntheticInput, "size" | "batch">,
  options: Partial<TrainConfigInput>,
): TrainConfig {
  const fixed = { data: "synthetic", batch, size, nominalBatch: 0, lr0: 0.001 };
  return resolveTrainConfig({ ...fixed, ...options }, "measurement");
}

/**
 * A new training session for synthetic batches, initialised by seed 0.
 * @param options model, threads and whatever else differs from the defaults
 */
export function openSyntheticSession(
  input: SyntheticInput,
  options: Partial<TrainConfigInput> & { readonly model: string },
): { session: TrainingSession; model: Model; config: TrainConfig } {
  const config = syntheticConfig(input, options);
  const { classes, views } = input;
  const model = createModel(config.model, { ...config, classes, views });
  const { parameters, buffers } = declareForTraining(model);
  const session = new TrainingSession(model, config, initialTensors(parameters, buffers, 0), 1000);
  return { session, model, config };
}

const boxesPerImage = 2;

/**
 * Random pixels, boxes and views in the shape of a batch: an input for measuring speed, from which nothing
 * about accuracy follows.
 */
export function syntheticBatch({ size, batch, classes, views }: SyntheticInput): FrameBatch {
  const { width, height } = size;
  const random = randomStream(0, "bench");
  const pixels = Uint8Array.from({ length: batch * 3 * width * height }, () => random.integer(256));
  const rows = Array.from({ length: batch * boxesPerImage }, (_, row) => [
    Math.floor(row / boxesPerImage),
    random.integer(classes),
    random.uniform(0.2, 0.8),
    random.uniform(0.2, 0.8),
    random.uniform(0.05, 0.4),
    random.uniform(0.05, 0.4),
  ]);
  const frame: FrameRecord = {
    name: "synthetic",
    imagePath: "",
    labelPath: null,
    boxes: new Float32Array(),
    view: 0,
    patient: null,
    video: null,
    detectionMasked: false,
  };
  const geometry = { sourceWidth: width, sourceHeight: height, width, height, scale: 1 };
  return {
    images: hostTensor("uint8", [batch, 3, height, width], pixels),
    letterboxes: Array.from({ length: batch }, () => ({
      ...geometry,
      padX: 0,
      padY: 0,
      newWidth: width,
      newHeight: height,
    })),
    targets: Float32Array.from(rows.flat()),
    views: Int32Array.from({ length: batch }, () => random.integer(views)),
    detectionMask: new Uint8Array(batch).fill(1),
    frames: Array.from({ length: batch }, () => frame),
  };
}
