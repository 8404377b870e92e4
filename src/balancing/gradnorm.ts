import {
  abs,
  add,
  and,
  cast,
  div,
  exp,
  filled,
  type Graph,
  greater,
  log,
  max,
  mul,
  not,
  reduceSum,
  sub,
  type Value,
  where,
} from "../graph/index.js";
import { adamState, adamStep } from "./adam-vector.js";
import type { BalancerSettings, UpdateContext, WeightingBalancer } from "./balancer.js";
import { createGradNormState } from "./gradnorm-update.js";

/** α from which the paper found training unstable. */
const unstableAlpha = 3;

/**
 * GradNorm as part of the training step: weights that bring the tasks' gradients at the last shared layer to a
 * common size, larger for tasks that learn slowly. The arithmetic, its source and every deviation are those of
 * `gradNormUpdate`, in the graph's precision; `step` of that state is here `wait`, the optimiser steps until the
 * next update.
 *
 * Nothing of the update can leak into the network: norms and losses are read, and the weights are inputs of the
 * step.
 */
export function gradnorm(settings: BalancerSettings): WeightingBalancer {
  const { tasks, gradnorm: options } = settings;
  const count = tasks.length;
  const start = createGradNormState(
    tasks.map(({ weight }) => weight),
    tasks.map(({ initialLoss }) => (options.initialLosses === "theoretical" ? initialLoss : null)),
  );
  return {
    kind: "weighting",
    name: "gradnorm",
    needs: { norms: true, lossesAfter: false },
    state: [
      { name: "weights", shape: [count], initial: start.weights },
      // 0: not yet known.
      { name: "initialLosses", shape: [count], initial: start.initialLosses.map((loss) => loss ?? 0) },
      { name: "wait", shape: [1], initial: [0] },
      ...adamState(count),
    ],
    feeds: [],
    warnings:
      settings.alpha < unstableAlpha
        ? []
        : [`--alpha ${settings.alpha}: GradNorm was found unstable from ${unstableAlpha} on`],
    alarms: options,
    weights: ({ state }) => state.weights,
    update: (context) => update(context, settings),
  };
}

function update(context: UpdateContext, settings: BalancerSettings) {
  const { graph, losses, valid, state } = context;
  const { gradnorm: options } = settings;
  const norms = context.norms as Value; // as `needs` declares
  const zero = filled(graph, losses.shape, 0);
  const known = greater(state.initialLosses, 0);
  const initialLosses = where(known, state.initialLosses, where(valid, losses, zero));
  const measured = and(valid, greater(initialLosses, 0));
  // The direct rule leaves a task with a zero gradient as it leaves one without a target.
  const moving = options.update === "adam" ? measured : and(measured, greater(norms, 0));
  const { rates, targets, count } = targetsOf({ losses, initialLosses, norms, moving }, settings.alpha);

  const due = not(greater(state.wait, 0.5));
  const acts = and(moving, and(due, greater(count, 1.5)));
  const gradients = div(norms, state.weights); // ‖∇_W Lᵢ‖
  const adam = adamStep({
    value: state.weights,
    gradient: mul(signOf(sub(norms, targets)), gradients),
    acts,
    rate: settings.balancerLr,
    state,
  });
  const wanted =
    options.update === "adam"
      ? adam.value
      : directWeights({ targets, gradients, old: state.weights, moving }, options.average);
  const weights = settle({ wanted, old: state.weights, moving, acts }, options.floor);
  return {
    next: {
      weights,
      initialLosses,
      wait: where(due, filled(graph, [1], options.interval - 1), sub(state.wait, 1)),
      ...(options.update === "adam" ? adam.next : momentsOf(state)),
    },
    observed: { norms, rates, targets },
    counted: moving,
  };
}

/** rᵢ and Tᵢ of the moving tasks, 0 for the others; all losses zero: the rates are 1. */
function targetsOf(
  task: { losses: Value; initialLosses: Value; norms: Value; moving: Value },
  alpha: number,
): { rates: Value; targets: Value; count: Value } {
  const { graph } = task.losses;
  const zero = filled(graph, task.losses.shape, 0);
  const one = filled(graph, task.losses.shape, 1);
  const mask = cast(task.moving, task.losses.dtype);
  const count = reduceSum(mask, [0], true);
  const divisor = max(count, 1);
  const ratios = where(task.moving, div(task.losses, where(task.moving, task.initialLosses, one)), zero);
  const meanRatio = div(reduceSum(ratios, [0], true), divisor);
  const learns = greater(meanRatio, 0);
  const relative = where(learns, div(ratios, where(learns, meanRatio, filled(graph, [1], 1))), one);
  const rates = where(task.moving, relative, zero);
  const meanNorm = div(reduceSum(mul(task.norms, mask), [0], true), divisor);
  return { rates, targets: mul(mul(meanNorm, power(rates, alpha)), mask), count };
}

/** wᵢ ← Tᵢ / ‖∇_W Lᵢ‖, scaled to the moving tasks' sum, averaged with the old weights. */
function directWeights(
  task: { targets: Value; gradients: Value; old: Value; moving: Value },
  average: number,
): Value {
  const one = filled(task.old.graph, task.old.shape, 1);
  const wanted = div(task.targets, where(task.moving, task.gradients, one));
  const scaled = renormalise(wanted, task.old, task.moving);
  return average === 0 ? scaled : add(mul(task.old, average), mul(scaled, 1 - average));
}

/** The floor, then the renormalisation; tasks that do not act keep their weight to the bit. */
function settle(task: { wanted: Value; old: Value; moving: Value; acts: Value }, floor: number): Value {
  const least = floor * task.old.shape[0];
  // Without a floor a weight may fall to zero: the training loop stops there.
  const raised = floor > 0 ? max(task.wanted, least) : task.wanted;
  return where(task.acts, renormalise(raised, task.old, task.moving), task.old);
}

function renormalise(wanted: Value, old: Value, moving: Value): Value {
  const mask = cast(moving, old.dtype);
  const total = (weights: Value) => reduceSum(mul(weights, mask), [0], true);
  const wantedTotal = total(wanted);
  const one = filled(old.graph, [1], 1);
  const zero = filled(old.graph, [1], 0);
  const nonzero = greater(abs(wantedTotal), zero);
  return mul(wanted, div(total(old), where(nonzero, wantedTotal, one)));
}

/** base ** exponent of numbers >= 0. */
function power(base: Value, exponent: number): Value {
  const { graph } = base;
  const one = filled(graph, base.shape, 1);
  if (exponent === 0) return one;
  const positive = greater(base, 0);
  const raised = exp(mul(log(where(positive, base, one)), exponent));
  return where(positive, raised, filled(graph, base.shape, 0));
}

function signOf(x: Value): Value {
  const { graph }: { graph: Graph } = x;
  const all = (value: number) => filled(graph, x.shape, value);
  return where(greater(x, 0), all(1), where(greater(all(0), x), all(-1), all(0)));
}

function momentsOf(state: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(adamState(1).map(({ name }) => [name, state[name]]));
}
