import { join } from "node:path";
import { type StagedConfig, stageConfig, type TrainConfig } from "../config/index.js";
import type { DataDescription } from "../data/index.js";
import { EchoDuetError } from "../errors.js";
import type { Model, TaskName } from "../models/index.js";
import { deviceOptions } from "../runtime/index.js";
import { runFiles, stageFolder } from "./run-files.js";
import { checkTraining } from "./session.js";
import { branchesOf, checkStart, requireBranches } from "./starting-tensors.js";
import { modelOf } from "./trainer.js";
import { readWeights, type Weights } from "./weights.js";

/** The last checkpoint of the latest stage that trained or held each branch; null is what tasks share. */
type Held = Map<TaskName | null, string>;

/**
 * The configuration of each stage as a run of its own, in a folder of `staged.out`, which starts from the last
 * checkpoints of the stages before it.
 */
export function stageRuns(staged: StagedConfig, description: DataDescription): TrainConfig[] {
  const held: Held = new Map();
  return staged.stages.map((_, index) => planStage(staged, index, description, held).config);
}

/**
 * Finds out, before anything is written, whether every stage can be trained: that its model exists, its settings fit
 * it, and the weights that it starts from are there and will fit it.
 * @throws EchoDuetError `config` that lists the first problem of EVERY stage with its path
 */
export function checkStages(staged: StagedConfig, description: DataDescription): void {
  deviceOptions(staged.device);
  const held: Held = new Map();
  const made = new Map<string, Weights>();
  const read = (path: string) => made.get(path) ?? readWeights(path);
  const branches: (TaskName | null)[] = [];
  const problems = staged.stages.flatMap((_, index) =>
    problemOf(() => {
      const { config, model } = planStage(staged, index, description, held);
      branches.push(...branchesOf(model));
      const tensors = checkStart(model, config, read);
      const path = join(config.out, runFiles.last);
      made.set(path, { path, tensors, model: model.name, names: null, views: null });
      checkTraining(model, config);
    }).map((problem) => `stages.${index}: ${problem}`),
  );
  if (problems.length === 0) problems.push(...problemOf(() => requireBranches(staged, branches)));
  if (problems.length > 0) throw new EchoDuetError("config", problems.join("\n"));
}

/** What `check` complains of: one message, or none. */
function problemOf(check: () => void): string[] {
  try {
    check();
    return [];
  } catch (error) {
    if (error instanceof EchoDuetError) return [error.message];
    throw error;
  }
}

/** Stage `index` after those that left `held`, to which it adds what it holds itself. */
function planStage(
  staged: StagedConfig,
  index: number,
  description: DataDescription,
  held: Held,
): { config: TrainConfig; model: Model } {
  const own = stageConfig(staged, index);
  const out = join(staged.out, stageFolder(index, staged.stages[index].name));
  const model = modelOf(own, description);
  const branches = branchesOf(model);
  const config = { ...own, ...startOf(own, branches, held), out };
  for (const branch of branches) held.set(branch, join(out, runFiles.last));
  return { config, model };
}

/** Where the branches of a stage start from: what holds them, or for those that nothing holds, the configured weights. */
function startOf(
  { weights, detectionWeights, classificationWeights }: TrainConfig,
  branches: readonly (TaskName | null)[],
  held: Held,
): Pick<TrainConfig, "weights" | "detectionWeights" | "classificationWeights"> {
  const ofBranch = (branch: TaskName, configured: string | null) =>
    branches.includes(branch) ? (held.get(branch) ?? configured) : null;
  const isHeld = branches.every((branch) => held.has(branch));
  return {
    weights: isHeld ? (held.get(null) ?? null) : weights,
    detectionWeights: ofBranch("detection", detectionWeights),
    classificationWeights: ofBranch("classification", classificationWeights),
  };
}
