import type { TrainConfig } from "../config/index.js";
import { type Model, trainingStepFlops } from "../models/index.js";
import { balancerOf, declareForTraining } from "./session.js";
import { buildStepGraph } from "./step-graph.js";
import type { WeightingStepOptions } from "./step-options.js";
import { createTasks } from "./task-set.js";
import { layOutTraining } from "./trained-parts.js";

/**
 * 2 · multiply-adds of the convolutions, their gradients and the matrix products of one training step with constant
 * task weights, counted on its graph.
 */
export function stepFlops(model: Model, config: TrainConfig): number {
  const tasks = createTasks(model, config);
  const { graph } = buildStepGraph({
    ...layOutTraining(model, declareForTraining(model), config),
    model,
    tasks,
    balancer: balancerOf(model, tasks, { ...config, balancer: "static" }) as WeightingStepOptions["balancer"],
    normsAt: null,
    batch: config.batch,
    size: config.size,
    capacity: 1,
  });
  return trainingStepFlops(graph);
}
