import type { Balancer, CombiningBalancer, WeightingBalancer } from "../balancing/index.js";
import type { Optimisation } from "../config/index.js";
import type { Model, TaskName } from "../models/index.js";
import type { Optimiser } from "../optim/index.js";
import type { StateLayout } from "./state-layout.js";
import type { Task } from "./task.js";

/** How the trained parameters of one branch follow their gradient. */
export interface TrainedPart {
  /** Null for all parameters of a model without branches. */
  readonly branch: TaskName | null;
  readonly optimiser: Optimiser;
  readonly settings: Optimisation;
}

/** What a training step is made of. */
export interface StepGraphOptions<B extends Balancer = Balancer> {
  readonly model: Model;
  readonly tasks: readonly Task[];
  readonly layout: StateLayout;
  /** How the parameters of each branch are trained; those without a branch are one part. */
  readonly parts: readonly TrainedPart[];
  readonly balancer: B;
  /** Name of the weight W at which a balancer wants norms; null where none does. */
  readonly normsAt: string | null;
  readonly batch: number;
  readonly size: { readonly width: number; readonly height: number };
  /** Rows of the padded targets. */
  readonly capacity: number;
  /** Adds each parameter's gradient as the output `gradient.NAME`. */
  readonly inspect?: boolean;
}

export type WeightingStepOptions = StepGraphOptions<WeightingBalancer>;
export type CombiningStepOptions = StepGraphOptions<CombiningBalancer>;
