import type { TrainConfig } from "../config/index.js";
import { EchoDuetError } from "../errors.js";
import { describeMatch, type Model, type TaskName } from "../models/index.js";
import { type HostTensor, zeros } from "../tensor/index.js";
import { declareForTraining } from "./session.js";
import { initialTensors } from "./state-layout.js";
import type { StartingTensors } from "./training-loop.js";
import { applyWeights, type LoadedWeights, readWeights, type Weights } from "./weights.js";

/**
 * New tensors by the seed, with those of the configured weights laid over them.
 * @throws EchoDuetError `config` or `checkpoint` where weights do not fit the model
 */
export function startingTensors(model: Model, config: TrainConfig): StartingTensors {
  const { parameters, buffers } = declareForTraining(model);
  return layWeightsOver(initialTensors(parameters, buffers, config.seed), model, config, readWeights);
}

/**
 * Finds out whether the configured weights fit the model, without its tensors.
 * @param read gives a weights file
 * @returns zeros in the place of the model's tensors: names and shapes decide what fits
 * @throws EchoDuetError as `startingTensors`
 */
export function checkStart(
  model: Model,
  config: TrainConfig,
  read: (path: string) => Weights,
): StartingTensors["tensors"] {
  const { parameters, buffers } = declareForTraining(model);
  const blank = new Map(
    [...parameters, ...buffers].map(({ name, shape }) => [name, zeros("float32", shape)]),
  );
  layWeightsOver(blank, model, config, read);
  return blank;
}

function layWeightsOver(
  initial: Map<string, HostTensor<"float32">>,
  model: Model,
  config: TrainConfig,
  read: (path: string) => Weights,
): StartingTensors {
  const declaration = declareForTraining(model);
  const start: StartingTensors = {
    tensors: initial,
    note: model.matched ? describeMatch(model.matched) : null,
  };
  return sourcesOf(model, config).reduce(({ tensors, note }, { path, branch }) => {
    const weights = read(path);
    const applied = applyWeights(weights, model, declaration, tensors, branch);
    return {
      tensors: applied.tensors,
      note: [note ?? [], describeLoaded(weights, applied)].flat().join("\n"),
    };
  }, start);
}

/** The branches that a model's parameters belong to; null is that of parameters which tasks share. */
export function branchesOf(model: Model): (TaskName | null)[] {
  return [...new Set(declareForTraining(model).parameters.map(({ name }) => model.branchOf(name)))];
}

/** The weights files of a training: one for all, or those of the branches. */
function sourcesOf(model: Model, config: TrainConfig): { path: string; branch?: TaskName }[] {
  requireBranches(config, branchesOf(model));
  const { weights } = config;
  // The file of a branch comes after the one for all, and so over it.
  return [...(weights === null ? [] : [{ path: weights }]), ...branchSources(config)];
}

/**
 * Makes sure that there are branches for the weights that a branch of its own is to start from.
 * @throws EchoDuetError `config` where there are not
 */
export function requireBranches(config: BranchWeights, branches: readonly (TaskName | null)[]): void {
  const stranger = branchSources(config).find(({ branch }) => !branches.includes(branch));
  if (!stranger) return;
  throw new EchoDuetError(
    "config",
    `${stranger.branch}Weights: expects a model with a ${stranger.branch} branch, such as dual-yolov5n, got ${config.model}; use weights`,
  );
}

type BranchWeights = Pick<TrainConfig, "model" | "detectionWeights" | "classificationWeights">;

function branchSources(config: BranchWeights): { path: string; branch: TaskName }[] {
  const { detectionWeights, classificationWeights } = config;
  const paths = { detection: detectionWeights, classification: classificationWeights };
  return Object.entries(paths).flatMap(([branch, path]) =>
    path === null ? [] : [{ path, branch: branch as TaskName }],
  );
}

function describeLoaded({ path }: Weights, { loaded, left }: LoadedWeights): string {
  return left.length === 0
    ? `${path}: all ${loaded} tensors loaded`
    : `${path}: ${loaded} tensors loaded, ${left.length} left as initialised: ${wholeModules(left).join(", ")}`;
}

/** Tensors that a file lacks, by repeat or attention as a whole: `model.2.m.1.* (not in the file)`. */
function wholeModules(left: readonly string[]): string[] {
  const lacking = /^(.*?\.(?:m\.\d+|attention)\.).* (\(not in the file\))$/;
  return [...new Set(left.map((text) => text.replace(lacking, "$1* $2")))];
}
