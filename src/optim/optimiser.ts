import type { Graph, Value } from "../graph/index.js";

/**
 * Numbers of one optimiser iteration, as scalars that the host feeds. When a step only accumulates
 * gradients, the host feeds the coefficients that leave every state as it was, to the bit.
 */
export interface OptimiserTerms {
  /** Learning rate of the group; 0 while accumulating. */
  readonly rate: Value;
  /** The optimiser's own coefficients by the names in `coefficients`. */
  readonly coefficient: (name: string) => Value;
}

/** How one flat group of parameters follows its gradient. */
export interface Optimiser {
  readonly name: string;
  /** State tensors a group keeps, each shaped as its parameters and zero at first. */
  readonly slots: readonly string[];
  /** Whether its momentum rises during the warm-up. */
  readonly warmsMomentum: boolean;
  /** Scalars that it is fed at each step. */
  readonly coefficients: readonly string[];
  /**
   * The coefficients of an iteration.
   * @param applied iterations applied before this one
   * @param applies whether this step updates the parameters or only accumulates
   */
  coefficientsAt(options: { momentum: number; applied: number; applies: boolean }): Record<string, number>;
  /**
   * @param parameters float [n]  @param gradient float [n]  @param slots the group's state, float [n] each
   * @param decay weight decay of the group
   * @returns the next parameters and slots
   */
  update(options: {
    graph: Graph;
    parameters: Value;
    gradient: Value;
    slots: Readonly<Record<string, Value>>;
    decay: Value | null;
    terms: OptimiserTerms;
  }): { parameters: Value; slots: Record<string, Value> };
}
