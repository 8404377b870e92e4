import { type Optimisation, optimisationOf, type TrainConfig } from "../config/index.js";
import { EchoDuetError } from "../errors.js";
import type { Declaration, Model } from "../models/index.js";
import { optimiserByName } from "../optim/index.js";
import { layOut, type StateLayout } from "./state-layout.js";
import type { TrainedPart } from "./step-options.js";

/** A model's tensors in groups, and how the trained ones of each branch follow their gradient. */
export interface TrainedLayout {
  readonly layout: StateLayout;
  readonly parts: readonly TrainedPart[];
}

/**
 * Lays out a model's state as configured: by branch and role, frozen parameters apart.
 * @throws EchoDuetError `config` where settings are given for a branch that the model does not have, or where
 *   nothing is left to train
 */
export function layOutTraining(
  model: Model,
  { parameters, buffers }: Declaration,
  config: TrainConfig,
): TrainedLayout {
  const names = parameters.map(({ name }) => name);
  const branches = [...new Set(names.map((name) => model.branchOf(name)))];
  if (branches.includes(null)) refuseBranchSettings(model, config);
  const isFrozen = (name: string) => {
    const { freeze } = optimisationOf(config, model.branchOf(name));
    return freeze === "all" || (freeze === "backbone" && !model.isHead(name));
  };
  const layout = layOut(parameters, buffers, { branchOf: (name) => model.branchOf(name), isFrozen });
  if (layout.parameters.length === 0) {
    throw new EchoDuetError(
      "config",
      `freeze: expects parameters left to train, got none of ${names.length} in ${model.name}; use freeze none or backbone`,
    );
  }
  const parts = branches
    .filter((branch) => layout.parameters.some((group) => group.branch === branch))
    .map((branch): TrainedPart => {
      const settings = optimisationOf(config, branch);
      return { branch, settings, optimiser: optimiserByName(settings.optimizer) };
    });
  return { layout, parts };
}

function refuseBranchSettings(model: Model, config: TrainConfig): void {
  for (const [branch, settings] of Object.entries(config.optim)) {
    const given = Object.entries(settings).find(([, value]) => value !== null);
    if (given === undefined) continue;
    const [key, value] = given as [keyof Optimisation, unknown];
    throw new EchoDuetError(
      "config",
      `optim.${branch}.${key}: expects a model with a ${branch} branch, such as dual-yolov5n, got ${value} for ${model.name}; use ${key}`,
    );
  }
}
