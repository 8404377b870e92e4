import type { TrainConfig } from "../config/index.js";
import {
  type DataDescription,
  fingerprint,
  listFrames,
  loadDataDescription,
  selectFraction,
} from "../data/index.js";
import { EchoDuetError } from "../errors.js";
import { createModel, type Model } from "../models/index.js";
import { deviceOptions, onnxruntimeVersion, resolveThreads } from "../runtime/index.js";
import { checkLeakage } from "./leakage-gate.js";
import { RunDirectory } from "./run-directory.js";
import type { RunOrigin } from "./run-info.js";
import { checkTraining } from "./session.js";
import { startingTensors } from "./starting-tensors.js";
import {
  type Training,
  type TrainingData,
  TrainingLoop,
  type TrainOptions,
  type TrainResult,
} from "./training-loop.js";
import { echoduetVersion } from "./versions.js";

/**
 * Trains a model as configured, in a new run directory.
 * @throws EchoDuetError for unfit data, weights or options; `diverged` where training met a number that is
 *   not finite. The last checkpoint stays.
 */
export async function train(config: TrainConfig, options: TrainOptions = {}): Promise<TrainResult> {
  const resolved = { ...config, threads: resolveThreads(config.threads) };
  const create = options.inPlace ? RunDirectory.createAt : RunDirectory.create;
  return begin(resolved, openData(resolved), options, create);
}

/**
 * Trains as `train` does, on data that are open, in `config.out` itself, which holds no run.
 * @throws EchoDuetError as `train`
 */
export async function trainAt(
  config: TrainConfig,
  data: TrainingData,
  options: TrainOptions,
): Promise<TrainResult> {
  return begin(config, data, options, RunDirectory.createAt);
}

async function begin(
  config: TrainConfig,
  data: TrainingData,
  options: TrainOptions,
  create: (out: string, config: TrainConfig, origin: RunOrigin) => RunDirectory,
): Promise<TrainResult> {
  const model = modelOf(config, data.description);
  const start = startingTensors(model, config);
  // What only the first step would find out otherwise, when there is a run directory already.
  checkTraining(model, config);
  deviceOptions(config.device);
  const run = create(config.out, config, originOf(config, data));
  return runTraining({ run, data, model, start, checkpoint: null, options });
}

/** What a new run is made with and trained on. */
export function originOf({ seed }: { readonly seed: number }, data: TrainingData): RunOrigin {
  const { description, fingerprint, leakage } = data;
  return {
    echoduet: echoduetVersion,
    onnxruntime: onnxruntimeVersion,
    seed,
    data: { path: description.file, fingerprint, leakage: [...leakage] },
  };
}

/**
 * Goes on with the run in `directory` from its last checkpoint: the weights it ends with are, bit for bit,
 * those of a run that was never stopped.
 * @throws EchoDuetError as `train`; `data` where the training data are no longer the ones the run began with
 */
export async function resume(directory: string, options: TrainOptions = {}): Promise<TrainResult> {
  const { run, checkpoint } = RunDirectory.open(directory);
  try {
    const data = openData(run.config, run.info.data.fingerprint);
    const model = modelOf(run.config, data.description);
    // A checkpoint holds every tensor: the file that the run began from may be gone.
    const config = checkpoint ? withoutWeights(run.config) : run.config;
    const start = startingTensors(model, config);
    return await runTraining({ run, data, model, start, checkpoint, options });
  } finally {
    run.close();
  }
}

function withoutWeights(config: TrainConfig): TrainConfig {
  return { ...config, weights: null, detectionWeights: null, classificationWeights: null };
}

/**
 * The frames that a training reads.
 * @param began fingerprint of the data that the training began with
 * @throws EchoDuetError `data` where they are unfit, or no longer those
 */
export function openData(config: DataOptions, began?: string): TrainingData {
  const description = loadDataDescription(config.data);
  const all = listFrames(description, "train");
  const train = config.fraction < 1 ? selectFraction(all, config.fraction, config.seed) : all;
  const val = listFrames(description, "val");
  const leakage = checkLeakage({ description, train, val }, config.allowLeakage);
  const found = fingerprint(train);
  if (began !== undefined && found !== began) {
    throw new EchoDuetError(
      "data",
      `${config.data}: expected the data that the run began with (fingerprint ${began.slice(0, 12)}), got ${found.slice(0, 12)}; restore them, or start a new run`,
    );
  }
  return { description, train, val, fingerprint: found, leakage };
}

type DataOptions = Pick<TrainConfig, "data" | "fraction" | "seed" | "allowLeakage">;

/** The configured model for the classes and views of the data. */
export function modelOf(config: TrainConfig, description: DataDescription): Model {
  const { names, views } = description;
  return createModel(config.model, { ...config, classes: names.length, views: views.length });
}

async function runTraining(training: Training): Promise<TrainResult> {
  try {
    const loop = new TrainingLoop(training);
    try {
      return await loop.run();
    } finally {
      await loop.close();
    }
  } finally {
    training.run.close();
  }
}
