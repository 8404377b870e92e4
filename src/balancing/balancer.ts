import type { Graph, Value } from "../graph/index.js";
import type { Shape } from "../tensor/index.js";

/** A tensor that a balancer carries from step to step, float32. */
export interface BalancerState {
  readonly name: string;
  readonly shape: Shape;
  readonly initial: ArrayLike<number>;
}

/** What a balancer is given while the training step is built. */
export interface BalancerContext {
  readonly graph: Graph;
  /** Unweighted task losses, scalars, in the order of the tasks. */
  readonly losses: readonly Value[];
  /** The current value of each declared state tensor. */
  readonly state: Readonly<Record<string, Value>>;
}

/** The weights of the task losses at each step, as part of the training graph. */
export interface Balancer {
  readonly name: string;
  readonly state: readonly BalancerState[];
  /** @returns one scalar weight a task, which carries no gradient, and the next state */
  build(context: BalancerContext): { weights: readonly Value[]; next: Readonly<Record<string, Value>> };
}
