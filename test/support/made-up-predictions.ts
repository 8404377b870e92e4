import { type InputSize, resolveTrainConfig } from "../../src/config/index.js";
import type { FrameRecord } from "../../src/data/index.js";
import { IOU_THRESHOLDS } from "../../src/detection/index.js";
import type { ComparedRun } from "../../src/experiments/compare/gather.js";
import type { PredictionSource, RunPredictions } from "../../src/experiments/compare/predictions.js";
import { randomStream } from "../../src/tensor/index.js";

/** A run that exists nowhere, and how good its predictions are. */
export interface MadeUpRun extends ComparedRun {
  /** Chance that a box is found, and that a view is right. */
  readonly quality: { readonly detection: number; readonly views: number };
  /** Frames of its split: patients, each with some frames. */
  readonly patients: readonly number[];
}

export const framesOfPatient = 6;

/** @param options training options of the run, such as taskWeights */
export function madeUpRun(
  name: string,
  given: Partial<Omit<MadeUpRun, "config">> & {
    readonly options?: Readonly<Record<string, unknown>>;
    readonly size?: InputSize;
  } = {},
): MadeUpRun {
  const { options = {}, seed = 0, ...rest } = given;
  return {
    name,
    directory: `runs/${name}`,
    arm: null,
    seed,
    data: "heart/data.yaml",
    config: resolveTrainConfig({ data: "heart/data.yaml", model: "joint-yolov5n", seed, ...options }, name),
    state: "finished",
    failure: null,
    quality: { detection: 0.7, views: 0.7 },
    patients: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    ...rest,
  };
}

/**
 * Predictions by chance, the same for the same run, frame and quality: a frame has one box and a view of two; the
 * chance behind a frame is the same for every run of a seed, so that a better run is right wherever a worse one is.
 */
export const madeUpPredictions: PredictionSource = {
  of: async (run, split) => predictionsOf(run as MadeUpRun, split),
};

function predictionsOf(run: MadeUpRun, split: string): RunPredictions {
  const { quality, patients, config, name, seed } = run;
  const frames = patients.flatMap((patient) =>
    Array.from({ length: framesOfPatient }, (_, i) => frameOf(patient, i)),
  );
  const detects = !config.model.startsWith("classify");
  const classifies = !config.model.startsWith("detect");
  return {
    frames,
    names: detects ? ["AR", "MR"] : [],
    views: classifies ? ["A4C", "PLAX"] : [],
    predictions: frames.map((frame, i) => {
      const random = randomStream(seed, "made up", split, frame.name);
      const [found, right] = [random.uniform() < quality.detection, random.uniform() < quality.views];
      const confidence = 0.3 + 0.6 * random.uniform();
      const hits = IOU_THRESHOLDS.map((_, t) => (found && t < 6 ? 1 : 0));
      const view = right ? frame.view : 1 - frame.view;
      return {
        detection: detects
          ? {
              tp: Uint8Array.from([...hits, ...IOU_THRESHOLDS.map(() => 0)]),
              confidence: Float64Array.from([confidence, 0.3 * random.uniform()]),
              predictedClass: Int32Array.from([i % 2, 0]),
              targetClass: Int32Array.from([i % 2]),
            }
          : null,
        views: classifies ? Float32Array.from(view === 0 ? [0.8, 0.2] : [0.2, 0.8]) : null,
      };
    }),
    provenance: {
      run: name,
      checkpoint: `runs/${name}/best.safetensors`,
      checkpointSha256: "0".repeat(64),
      epoch: 1,
      data: run.data,
      dataFingerprint: "f".repeat(64),
      split,
      images: frames.length,
      seenPatients: 0,
      leakage: [],
    },
  };
}

function frameOf(patient: number, i: number): FrameRecord {
  return {
    name: `p${patient}f${i}.jpg`,
    imagePath: `p${patient}f${i}.jpg`,
    labelPath: null,
    boxes: new Float32Array(),
    view: i % 2,
    patient: `p${patient}`,
    video: null,
    detectionMasked: false,
  };
}
