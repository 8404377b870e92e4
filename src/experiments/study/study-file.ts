import { type SweepFile, sweepFileSchema } from "../sweep/sweep-file.js";
import { finalists, studyArms } from "./arms.js";
import type { Protocol } from "./protocols.js";

/** What a study is made of, besides its protocol. */
export interface StudyBase {
  /** Path of the data.yaml. */
  readonly data: string;
  /** Weights that every arm starts from; null: from random ones. */
  readonly weights: string | null;
  /** Scale of YOLOv5: `n`, `s`, `m`, `l` or `x`. */
  readonly scale: string;
  readonly cores: number | null;
  /** Longest time of the whole (hours). */
  readonly hours: number;
}

/**
 * How every arm of a study is trained: AdamW, whose step does not depend on the scale of the losses, one epoch of
 * warm-up, and averaged weights that a short training can follow.
 */
const recipe = {
  threads: 1,
  nominalBatch: 0,
  optimizer: "adamw",
  lr0: 0.001,
  momentum: 0.9,
  weightDecay: 0.01,
  warmupEpochs: 1,
  warmupBiasLr: 0,
  ema: { decay: 0.99, tau: 50 },
};

/**
 * The sweep of a study: every arm once with one seed on one fold, then the best of each family, and all controls, with
 * all seeds on all folds. Every run ends after the same epochs and is scored then, so that no arm is favoured by the
 * choice of an epoch.
 */
export function studyFile({ data, weights, scale, cores, hours }: StudyBase, protocol: Protocol): SweepFile {
  const { size, epochs, batch, seeds, folds } = protocol;
  const arms = studyArms(scale, protocol.arms);
  const families = Object.keys(finalists).map((family) => [
    family,
    arms.filter((arm) => arm.family === family).map(({ name }) => name),
  ]);
  return sweepFileSchema.parse({
    name: "study",
    base: {
      data,
      model: `joint-yolov5${scale}`,
      ...(weights === null ? {} : { weights }),
      size,
      epochs,
      batch,
      ...recipe,
      validation: { every: epochs },
    },
    arms: Object.fromEntries(arms.map(({ name, settings }) => [name, settings])),
    families: Object.fromEntries(families),
    seeds: Array.from({ length: seeds }, (_, seed) => seed),
    folds: { count: folds },
    metric: "tasks",
    stages: [{ name: "screen", seeds: [0], folds: [1], keep: finalists }, { name: "finals" }],
    budget: { cores, hours },
  });
}
