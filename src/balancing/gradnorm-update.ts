import { EchoDuetError } from "../errors.js";

/** What GradNorm carries from step to step, float64; everything that a resumed run needs. */
export interface GradNormState {
  /** Optimiser steps seen. */
  readonly step: number;
  /** Task weights wᵢ > 0; their sum is the number of tasks. */
  readonly weights: readonly number[];
  /** L_i(0): given (theoretical), or the first loss met with a valid target; null until then. */
  readonly initialLosses: readonly (number | null)[];
  /** Adam's state a task: first and second moment, and the updates made; unused by the direct rule. */
  readonly adam: readonly { readonly mean: number; readonly square: number; readonly updates: number }[];
}

/** What is measured in one optimiser step, one number a task. */
export interface GradNormObservation {
  /** Unweighted task losses L_i(t) >= 0. */
  readonly losses: ArrayLike<number>;
  /** G_i = ‖∇_W (wᵢ Lᵢ)‖₂ with the state's weights, W the weights of the last shared layer. */
  readonly norms: ArrayLike<number>;
  /** Whether the step had a valid target for the task; all by default. */
  readonly valid?: readonly boolean[];
}

/** How the weights move. */
export interface GradNormOptions {
  /** `adam` (the paper) or `direct`; `adam` by default. */
  readonly update?: "adam" | "direct";
  /** Exponent α of the relative training rate, 1.5 by default: how strongly slow tasks are favoured. */
  readonly alpha?: number;
  /** Adam's learning rate on the weights, 0.025 by default. */
  readonly rate?: number;
  /** Least weight as a share of the sum of weights, 1e-3 by default; 0 switches it off: a weight that falls to zero then throws. */
  readonly floor?: number;
  /** Steps from one update of the weights to the next, 1 by default. */
  readonly interval?: number;
  /** `direct`: share of the old weights kept at an update (exponential average), 0 by default. */
  readonly average?: number;
}

/** The targets of a step; null for tasks that take no part in it. */
export interface GradNormTargets {
  /** r_i = L̃_i / mean L̃, with L̃_i = L_i(t) / L_i(0). */
  readonly rates: readonly (number | null)[];
  /** T_i = Ḡ · r_i^α. */
  readonly targets: readonly (number | null)[];
}

const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-8]; // Adam's usual constants

/**
 * GradNorm before its first step: weights scaled to the sum K, moments zero.
 * @param weights initial task weights > 0; 1, 0.01 starts as 1.98, 0.0198
 * @param initialLosses theoretical L_i(0) (log C for a cross-entropy over C classes); null: measured
 * @throws EchoDuetError `config` for weights or losses that are not positive
 */
export function createGradNormState(
  weights: readonly number[],
  initialLosses: readonly (number | null)[] = weights.map(() => null),
): GradNormState {
  const positive = (value: number) => Number.isFinite(value) && value > 0;
  if (weights.length === 0 || !weights.every(positive)) {
    throw new EchoDuetError(
      "config",
      `gradnorm: initial weights expect numbers > 0, got ${weights.join(", ")}`,
    );
  }
  if (
    initialLosses.length !== weights.length ||
    !initialLosses.every((loss) => loss === null || positive(loss))
  ) {
    throw new EchoDuetError(
      "config",
      `gradnorm: initial losses expect ${weights.length} numbers > 0 (or null: measured), got ${initialLosses.join(", ")}`,
    );
  }
  const total = sum(weights);
  return {
    step: 0,
    weights: weights.map((weight) => (weight * weights.length) / total),
    initialLosses,
    adam: weights.map(() => ({ mean: 0, square: 0, updates: 0 })),
  };
}

/**
 * One step of GradNorm's task weights, by the closed form of its gradient.
 *
 * With Ḡ = mean G_i and r_i the relative training rates, L_grad = Σ |G_i − T_i| with T_i = Ḡ · r_i^α held constant. G_i
 * is wᵢ ‖∇_W Lᵢ‖, so dL_grad/dwᵢ = sign(G_i − T_i) · ‖∇_W Lᵢ‖ and no second-order pass is needed.
 *
 * - `adam`: one Adam step on w with that gradient.
 * - `direct`: wᵢ ← T_i / ‖∇_W Lᵢ‖, the weights with which every norm meets its target; scaled to the sum K, then
 *   averaged with the old ones.
 *
 * Then weights below the floor are raised to it and all are scaled to the sum K. Tasks without a valid target keep
 * their weight and Adam's state to the bit, and count neither in Ḡ nor in the rates; the others share the rest of the
 * sum. With fewer than two valid tasks no weight moves.
 *
 * Source: Chen, Badrinarayanan, Lee and Rabinovich 2018, "GradNorm: Gradient Normalization for Adaptive Loss
 * Balancing in Deep Multitask Networks", arXiv 1711.02257, section 3 and algorithm 1. Deviations: the floor (a
 * small initial weight could otherwise turn negative in one step); masks, interval and the direct rule, which the
 * paper does not have. Settled here: L_i(0) is the first loss above zero; where all valid losses are zero the rates
 * are 1; the direct rule leaves a task with a zero gradient as it leaves one without a target.
 *
 * @param state of the step before; not changed
 * @returns the next state, whose weights hold from the next step on
 * @throws EchoDuetError `shape` for a wrong number of tasks, `diverged` for a measurement that is not finite or
 *   negative, `config` for options outside their range
 */
export function gradNormUpdate(
  state: GradNormState,
  observation: GradNormObservation,
  options: GradNormOptions = {},
): GradNormState {
  const resolved = resolve(options);
  const measured = measure(state, observation);
  const initialLosses = measured.map((task) => task.initialLoss);
  const next = { ...state, step: state.step + 1, initialLosses };
  if (state.step % resolved.interval !== 0) return next;

  const moving = movingTasks(measured, resolved);
  if (moving.filter(Boolean).length < 2) return next;
  const { targets } = targetsOf(measured, moving, resolved.alpha);
  return resolved.update === "adam"
    ? adamUpdate(next, measured, targets, resolved)
    : directUpdate(next, measured, targets, resolved);
}

/** The rates and targets that the step's update moves towards, for records and plots. */
export function gradNormTargets(
  state: GradNormState,
  observation: GradNormObservation,
  options: GradNormOptions = {},
): GradNormTargets {
  const measured = measure(state, observation);
  const resolved = resolve(options);
  return targetsOf(measured, movingTasks(measured, resolved), resolved.alpha);
}

interface MeasuredTask {
  readonly valid: boolean;
  readonly loss: number;
  readonly initialLoss: number | null;
  /** G_i, of the weighted loss. */
  readonly norm: number;
  /** ‖∇_W Lᵢ‖, of the unweighted loss. */
  readonly gradient: number;
}

function measure(state: GradNormState, { losses, norms, valid }: GradNormObservation): MeasuredTask[] {
  const tasks = state.weights.length;
  for (const [name, values] of Object.entries({ losses, norms, valid: valid ?? state.weights })) {
    if (values.length !== tasks) {
      throw new EchoDuetError("shape", `gradnorm: ${name} expects ${tasks} tasks, got ${values.length}`);
    }
  }
  return state.weights.map((weight, i) => {
    const known = state.initialLosses[i];
    if (valid && !valid[i]) return { valid: false, loss: 0, initialLoss: known, norm: 0, gradient: 0 };
    const [loss, norm] = [losses[i], norms[i]];
    for (const [name, value] of Object.entries({ loss, "gradient norm": norm })) {
      if (!(value >= 0 && Number.isFinite(value))) {
        throw new EchoDuetError(
          "diverged",
          `gradnorm: task ${i} expects a finite ${name} >= 0, got ${value}`,
        );
      }
    }
    const initialLoss = known ?? (loss > 0 ? loss : null);
    return { valid: initialLoss !== null, loss, initialLoss, norm, gradient: norm / weight };
  });
}

/** The tasks whose weights an update may move. */
function movingTasks(tasks: readonly MeasuredTask[], { update }: Required<GradNormOptions>): boolean[] {
  return tasks.map((task) => task.valid && (update === "adam" || task.norm > 0));
}

function targetsOf(
  tasks: readonly MeasuredTask[],
  moving: readonly boolean[],
  alpha: number,
): GradNormTargets {
  const count = moving.filter(Boolean).length;
  const ratios = tasks.map((task, i) => (moving[i] && task.initialLoss ? task.loss / task.initialLoss : 0));
  const meanRatio = sum(ratios) / count;
  const meanNorm = sum(tasks.map((task, i) => (moving[i] ? task.norm : 0))) / count;
  const rates = ratios.map((ratio, i) => (moving[i] ? (meanRatio > 0 ? ratio / meanRatio : 1) : null));
  return { rates, targets: rates.map((rate) => (rate === null ? null : meanNorm * rate ** alpha)) };
}

function adamUpdate(
  state: GradNormState,
  tasks: readonly MeasuredTask[],
  targets: readonly (number | null)[],
  { rate, floor }: Required<GradNormOptions>,
): GradNormState {
  const weights = [...state.weights];
  const adam = state.adam.map((moments, i) => {
    const target = targets[i];
    if (target === null) return moments;
    const gradient = Math.sign(tasks[i].norm - target) * tasks[i].gradient;
    const mean = beta1 * moments.mean + (1 - beta1) * gradient;
    const square = beta2 * moments.square + (1 - beta2) * gradient * gradient;
    const updates = moments.updates + 1;
    const spread = Math.sqrt(square / (1 - beta2 ** updates)) + epsilon;
    weights[i] -= (rate * mean) / (1 - beta1 ** updates) / spread;
    return { mean, square, updates };
  });
  const moving = targets.map((target) => target !== null);
  return { ...state, adam, weights: settle(weights, state.weights, moving, floor) };
}

function directUpdate(
  state: GradNormState,
  tasks: readonly MeasuredTask[],
  targets: readonly (number | null)[],
  { floor, average }: Required<GradNormOptions>,
): GradNormState {
  const moving = targets.map((target) => target !== null);
  const wanted = targets.map((target, i) => (target === null ? 0 : target / tasks[i].gradient));
  const scaled = renormalise(wanted, state.weights, moving);
  const averaged = scaled.map((weight, i) => average * state.weights[i] + (1 - average) * weight);
  return { ...state, weights: settle(averaged, state.weights, moving, floor) };
}

/** The floor, then the renormalisation. Without a floor a weight that is used up ends the run. */
function settle(
  wanted: readonly number[],
  old: readonly number[],
  moving: readonly boolean[],
  floor: number,
): number[] {
  const raised = wanted.map((weight) => Math.max(weight, floor * old.length));
  const spent = raised.findIndex((weight, i) => moving[i] && weight <= 0);
  if (spent >= 0) {
    throw new EchoDuetError(
      "diverged",
      `gradnorm: task ${spent} expects a weight > 0, got ${wanted[spent]}; set a floor, or lower the rate`,
    );
  }
  return renormalise(raised, old, moving);
}

/** Scales the moving tasks' weights to what the others leave of the sum K. */
function renormalise(
  wanted: readonly number[],
  old: readonly number[],
  moving: readonly boolean[],
): number[] {
  const ofMoving = (weights: readonly number[]) => sum(weights.filter((_, i) => moving[i]));
  const factor = ofMoving(old) / ofMoving(wanted);
  return old.map((weight, i) => (moving[i] ? wanted[i] * factor : weight));
}

function resolve(options: GradNormOptions): Required<GradNormOptions> {
  const { update = "adam", alpha = 1.5, rate = 0.025, floor = 1e-3, interval = 1, average = 0 } = options;
  const demand = (name: string, value: number, holds: boolean, range: string) => {
    if (!holds) throw new EchoDuetError("config", `gradnorm: ${name} expects ${range}, got ${value}`);
  };
  demand("alpha", alpha, Number.isFinite(alpha) && alpha >= 0, "a number >= 0");
  demand("rate", rate, Number.isFinite(rate) && rate > 0, "a number > 0");
  demand("floor", floor, floor >= 0 && floor < 0.5, "a share from 0 to below 0.5");
  demand("interval", interval, Number.isInteger(interval) && interval >= 1, "a whole number >= 1");
  demand("average", average, average >= 0 && average < 1, "a share from 0 to below 1");
  return { update, alpha, rate, floor, interval, average };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
