import type { Graph, Value } from "../graph/index.js";
import type { Shape } from "../tensor/index.js";
import type { Gram } from "./aggregation/index.js";
import type { AlarmOptions } from "./alarms.js";

/** A task as its balancer knows it. */
export interface BalancedTask {
  readonly name: string;
  /** Initial weight, or a fixed factor of the loss where the method learns none; >= 0. */
  readonly weight: number;
  /** L(0) in theory, such as log C for a cross-entropy over C classes; null where there is none. */
  readonly initialLoss: number | null;
}

/** What balancers can be told; each says in its file what it reads. */
export interface BalancerSettings {
  readonly tasks: readonly BalancedTask[];
  readonly seed: number;
  /** Exponent α of GradNorm. */
  readonly alpha: number;
  /** Adam's learning rate on learnt weights. */
  readonly balancerLr: number;
  readonly gradnorm: {
    readonly update: "adam" | "direct";
    readonly initialLosses: "measured" | "theoretical";
    /** Optimiser steps from one update to the next. */
    readonly interval: number;
    /** `direct`: share of the old weights kept. */
    readonly average: number;
    /** Least weight as a share of the sum of weights; 0: none. */
    readonly floor: number;
    /** Updates over which a task is watched for being stuck; 0: never. */
    readonly stuckUpdates: number;
    /** Updates over which the weights are watched for instability; 0: never. */
    readonly unstableUpdates: number;
  };
  readonly cagrad: { readonly c: number };
  readonly dwa: { readonly temperature: number };
  readonly famo: { readonly decay: number };
}

/** A tensor that a balancer carries from step to step, float32. */
export interface BalancerState {
  readonly name: string;
  readonly shape: Shape;
  readonly initial: ArrayLike<number>;
}

/** Where in the training a step stands. */
export interface StepPlace {
  readonly seed: number;
  /** Batches processed before this one. */
  readonly step: number;
  /** Epochs begun, from 1. */
  readonly epoch: number;
}

/** A vector that the host feeds at each step. */
export interface BalancerFeed {
  readonly name: string;
  readonly length: number;
  readonly at: (place: StepPlace) => ArrayLike<number>;
}

/** What a weighting balancer sees of a batch while the training step is built; vectors hold one number a task. */
export interface WeightsContext {
  readonly graph: Graph;
  /** Unweighted task losses of the batch, float [tasks]. */
  readonly losses: Value;
  /** Whether the batch has a valid target for the task, bool [tasks]. */
  readonly valid: Value;
  /** The current value of each declared state tensor. */
  readonly state: Readonly<Record<string, Value>>;
  /** The declared feeds. */
  readonly feeds: Readonly<Record<string, Value>>;
}

/** The same for the update of its state, once an optimiser step: over all batches whose gradients it sums. */
export interface UpdateContext extends WeightsContext {
  /** The weights of this step, float [tasks]. */
  readonly weights: Value;
  /** Losses of the last of these batches before and after the optimiser's step; `after` where needed, else null. */
  readonly batch: { readonly losses: Value; readonly valid: Value; readonly after: Value | null };
  /** ‖∇_W (wᵢ Lᵢ)‖₂ of the summed gradients at the shared layer W, float [tasks]; null where not needed. */
  readonly norms: Value | null;
}

/** The next state, and what is worth recording. */
export interface BalancerUpdate {
  readonly next: Readonly<Record<string, Value>>;
  /** Quantities by name, float [tasks]. */
  readonly observed: Readonly<Record<string, Value>>;
  /** The tasks that they hold for, bool [tasks]. */
  readonly counted: Value;
}

/** A balancer that weights the losses, as part of the training graph. */
export interface WeightingBalancer {
  readonly kind: "weighting";
  readonly name: string;
  /** What its update reads beside losses and validity; the training step computes that only where asked. */
  readonly needs: { readonly norms: boolean; readonly lossesAfter: boolean };
  readonly state: readonly BalancerState[];
  readonly feeds: readonly BalancerFeed[];
  /** Weights of the batch's losses, float [tasks]; no gradient flows through them. */
  readonly weights: (context: WeightsContext) => Value;
  /** What a user should know of these settings before the first step. */
  readonly warnings?: readonly string[];
  /** How `watchWeights` watches weights that feed back on themselves. */
  readonly alarms?: AlarmOptions;
  /** The state after an optimiser step; null where the state never changes. */
  readonly update: ((context: UpdateContext) => BalancerUpdate) | null;
}

/** A balancer that combines the tasks' gradients of the shared parameters, on the host in float64. */
export interface CombiningBalancer {
  readonly kind: "combining";
  readonly name: string;
  /** Fixed factors of the losses. */
  readonly lossWeights: readonly number[];
  /** One weight a task from the Gram matrix of the weighted losses' gradients. */
  readonly combine: (gram: Gram, place: StepPlace) => number[];
}

/** How the tasks of a model are balanced; what it is says what the training step must compute. */
export type Balancer = WeightingBalancer | CombiningBalancer;
