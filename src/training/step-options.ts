import type { Balancer, CombiningBalancer, WeightingBalancer } from "../balancing/index.js";
import type { Model } from "../models/index.js";
import type { Optimiser } from "../optim/index.js";
import type { StateLayout } from "./state-layout.js";
import type { Task } from "./task.js";

/** What a training step is made of. */
export interface StepGraphOptions<B extends Balancer = Balancer> {
  readonly model: Model;
  readonly tasks: readonly Task[];
  readonly layout: StateLayout;
  readonly optimiser: Optimiser;
  readonly balancer: B;
  /** Name of the weight W at which a balancer wants norms; null where none does. */
  readonly normsAt: string | null;
  readonly batch: number;
  readonly size: { readonly width: number; readonly height: number };
  /** Rows of the padded targets. */
  readonly capacity: number;
  /** Largest global gradient norm; 0 for no clipping. */
  readonly clipNorm: number;
  /** Weight decay of the group of weights. */
  readonly weightDecay: number;
  /** Adds each parameter's gradient as the output `gradient.NAME`. */
  readonly inspect?: boolean;
}

export type WeightingStepOptions = StepGraphOptions<WeightingBalancer>;
export type CombiningStepOptions = StepGraphOptions<CombiningBalancer>;
