import type { TrainConfig } from "../config/index.js";
import {
  type DataDescription,
  fingerprint,
  listFrames,
  loadDataDescription,
  selectFraction,
} from "../data/index.js";
import { EchoDuetError } from "../errors.js";
import { createModel, type Model, type TaskName } from "../models/index.js";
import { deviceOptions, onnxruntimeVersion, resolveThreads } from "../runtime/index.js";
import { checkLeakage } from "./leakage-gate.js";
import { RunDirectory } from "./run-directory.js";
import { checkTraining, declareForTraining } from "./session.js";
import { initialTensors } from "./state-layout.js";
import {
  type StartingTensors,
  type Training,
  type TrainingData,
  TrainingLoop,
  type TrainOptions,
  type TrainResult,
} from "./training-loop.js";
import { echoduetVersion } from "./versions.js";
import { applyWeights, type LoadedWeights, readWeights, type Weights } from "./weights.js";

/**
 * Trains a model as configured, in a new run directory.
 * @throws EchoDuetError for unfit data, weights or options; `diverged` where training met a number that is
 *   not finite. The last checkpoint stays.
 */
export async function train(config: TrainConfig, options: TrainOptions = {}): Promise<TrainResult> {
  const resolved = { ...config, threads: resolveThreads(config.threads) };
  const data = openData(resolved);
  const model = modelOf(resolved, data.description);
  const start = startingTensors(model, resolved);
  // What only the first step would find out otherwise, when there is a run directory already.
  checkTraining(model, resolved);
  deviceOptions(resolved.device);
  const origin = {
    echoduet: echoduetVersion,
    onnxruntime: onnxruntimeVersion,
    seed: resolved.seed,
    data: { path: data.description.file, fingerprint: data.fingerprint, leakage: [...data.leakage] },
  };
  const run = RunDirectory.create(resolved.out, resolved, origin, options.inPlace);
  return runTraining({ run, data, model, start, checkpoint: null, options });
}

/**
 * Goes on with the run in `directory` from its last checkpoint: the weights it ends with are, bit for bit,
 * those of a run that was never stopped.
 * @throws EchoDuetError as `train`; `data` where the training data are no longer the ones the run began with
 */
export async function resume(directory: string, options: TrainOptions = {}): Promise<TrainResult> {
  const { run, checkpoint } = RunDirectory.open(directory);
  try {
    const data = openData(run.config);
    if (data.fingerprint !== run.info.data.fingerprint) {
      throw new EchoDuetError(
        "data",
        `${run.config.data}: expected the data that the run began with (fingerprint ${run.info.data.fingerprint.slice(0, 12)}), got ${data.fingerprint.slice(0, 12)}; restore them, or start a new run`,
      );
    }
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

function openData(config: TrainConfig): TrainingData {
  const description = loadDataDescription(config.data);
  const all = listFrames(description, "train");
  const train = config.fraction < 1 ? selectFraction(all, config.fraction, config.seed) : all;
  const val = listFrames(description, "val");
  const leakage = checkLeakage({ description, train, val }, config.allowLeakage);
  return { description, train, val, fingerprint: fingerprint(train), leakage };
}

function modelOf(config: TrainConfig, description: DataDescription): Model {
  const { names, views } = description;
  return createModel(config.model, { ...config, classes: names.length, views: views.length });
}

/** New tensors by the seed, with those of the configured weights laid over them. */
function startingTensors(model: Model, config: TrainConfig): StartingTensors {
  const declaration = declareForTraining(model);
  const initial = initialTensors(declaration.parameters, declaration.buffers, config.seed);
  const start: StartingTensors = { tensors: initial, note: null };
  return sourcesOf(model, config).reduce(({ tensors, note }, { path, branch }) => {
    const weights = readWeights(path);
    const applied = applyWeights(weights, model, declaration, tensors, branch);
    return { tensors: applied.tensors, note: [note, describeLoaded(weights, applied)].join("\n").trim() };
  }, start);
}

/** The weights files of a training: one for all, or those of the branches. */
function sourcesOf(model: Model, config: TrainConfig): { path: string; branch?: TaskName }[] {
  const { weights, detectionWeights, classificationWeights } = config;
  const ofBranches = { detection: detectionWeights, classification: classificationWeights };
  const declared = declareForTraining(model).parameters.map(({ name }) => model.branchOf(name));
  const own = Object.entries(ofBranches).flatMap(([branch, path]) =>
    path === null ? [] : [{ path, branch: branch as TaskName }],
  );
  const stranger = own.find(({ branch }) => !declared.includes(branch));
  if (stranger) {
    throw new EchoDuetError(
      "config",
      `${stranger.branch}Weights: expects a model with a ${stranger.branch} branch, such as dual-yolov5n, got ${model.name}; use weights`,
    );
  }
  // The file of a branch comes after the one for all, and so over it.
  return [...(weights === null ? [] : [{ path: weights }]), ...own];
}

function describeLoaded({ path }: Weights, { loaded, left }: LoadedWeights): string {
  return left.length === 0
    ? `${path}: all ${loaded} tensors loaded`
    : `${path}: ${loaded} tensors loaded, ${left.length} left as initialised: ${left.join(", ")}`;
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
