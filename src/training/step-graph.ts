import { gradientsOf } from "../autodiff/index.js";
import { EchoDuetError } from "../errors.js";
import {
  abs,
  add,
  cast,
  concat,
  div,
  type Graph,
  greater,
  max,
  mul,
  reduceMax,
  reduceSum,
  reshape,
  slice,
  sqrt,
  stopGradient,
  type Value,
  where,
} from "../graph/index.js";
import { nothingShared, reaching } from "../interference/index.js";
import type { DropoutSpec } from "../nn/index.js";
import { sizeOf } from "../tensor/index.js";
import { stateNames } from "./state-names.js";
import {
  batchVectors,
  buildForward,
  flatInput,
  type StepForward,
  scalarInput,
  stack,
  windowVectors,
} from "./step-forward.js";
import type { WeightingStepOptions } from "./step-options.js";
import { buildUpdate } from "./step-update.js";

/** A training step as a graph, and what the host must feed besides the state. */
export interface StepGraph {
  readonly graph: Graph;
  readonly dropouts: readonly DropoutSpec[];
}

/**
 * The whole training step with weighted losses: forward, losses, weighting, backward, accumulation, clipping,
 * optimiser, moving averages, and the balancer's update. Inputs are `images`, the tasks' targets, dropout masks, the
 * state and the step's scalars; outputs `next/STATE`, `loss.TASK`, `loss.TASK.ITEM`, `weight.TASK`, `gradientNorm`
 * (of the accumulated gradient, before clipping; `BRANCH.gradientNorm` of each branch where there are branches) and `balance.QUANTITY`.
 *
 * The gradient is that of Σ weight · scale · loss, summed over the accumulated batches. The host feeds the
 * scales (`scale.TASK`): with the batch size there, it is the sum over images that YOLOv5's learning
 * rates are made for.
 */
export function buildStepGraph(options: WeightingStepOptions): StepGraph {
  const { layout } = options;
  const forward = buildForward(options);
  const { graph, trained } = forward;
  const balance = declareBalance(options, forward);
  const total = balance.weighted.reduce((a, b) => add(a, b));
  const names = [...trained.keys()];
  const gradients = new Map(
    gradientsOf(total, [...trained.values()]).map((gradient, i) => [names[i], gradient]),
  );

  const retain = scalarInput(graph, "accumulate.retain");
  const sums = layout.parameters.map((group) => {
    const pieces = group.entries.map(({ name, shape }) =>
      reshape(gradients.get(name) as Value, [sizeOf(shape)]),
    );
    const gradient = add(flatInput(graph, stateNames.accumulated(group.name), group), concat(pieces, 0));
    graph.output(stateNames.next(stateNames.accumulated(group.name)), mul(gradient, retain));
    return { group, flat: forward.flats.get(group.name) as Value, gradient };
  });
  const next = buildUpdate(graph, options.parts, sums);
  updateBalance(options, forward, balance, next);
  if (options.inspect) {
    for (const [name, gradient] of gradients) graph.output(`gradient.${name}`, gradient);
  }
  return { graph, dropouts: forward.dropouts };
}

interface Balance {
  readonly state: Readonly<Record<string, Value>>;
  readonly feeds: Readonly<Record<string, Value>>;
  /** Float [tasks]. */
  readonly weights: Value;
  readonly batch: ReturnType<typeof batchVectors>;
  /** weight · scale · loss, scalars. */
  readonly weighted: readonly Value[];
}

/** Declares the balancer's state and feeds, and weights the losses. */
function declareBalance({ balancer }: WeightingStepOptions, { graph, terms }: StepForward): Balance {
  const state = Object.fromEntries(
    balancer.state.map(({ name, shape }) => [name, graph.input(stateNames.balancer(name), "float32", shape)]),
  );
  const feeds = Object.fromEntries(
    balancer.feeds.map(({ name, length }) => [name, graph.input(`balancer.${name}`, "float32", [length])]),
  );
  const batch = batchVectors(terms);
  const weights = stopGradient(balancer.weights({ graph, ...batch, state, feeds }));
  const weighted = terms.map(({ task, loss, scale }, i) => {
    const weight = reshape(slice(weights, 0, i, i + 1), []);
    graph.output(`weight.${task.name}`, weight);
    return mul(loss, mul(weight, scale));
  });
  return { state, feeds, weights, batch, weighted };
}

/** Names the balancer's next state; it moves with the optimiser, on what was summed since the last update. */
function updateBalance(
  options: WeightingStepOptions,
  forward: StepForward,
  { state, feeds, weights, batch, weighted }: Balance,
  nextParameters: ReadonlyMap<string, Value>,
): void {
  const { balancer } = options;
  const { graph } = forward;
  if (balancer.update === null) {
    for (const [name, value] of Object.entries(state)) {
      graph.output(stateNames.next(stateNames.balancer(name)), value);
    }
    return;
  }
  const retain = scalarInput(graph, "accumulate.retain");
  const window = windowVectors(graph, batch, retain);
  const { next, observed, counted } = balancer.update({
    graph,
    state,
    feeds,
    weights,
    losses: div(window.losses, max(window.counts, 1)),
    valid: greater(window.counts, 0),
    batch: {
      ...batch,
      after: balancer.needs.lossesAfter ? stack(forward.lossesWith(nextParameters)) : null,
    },
    norms: balancer.needs.norms ? stack(normsAt(options, forward, weighted)) : null,
  });
  const applies = greater(0.5, retain);
  for (const [name, value] of Object.entries(next)) {
    graph.output(stateNames.next(stateNames.balancer(name)), where(applies, value, state[name]));
  }
  for (const [name, value] of Object.entries(observed)) graph.output(`balance.${name}`, value);
  graph.output("balance.counted", cast(counted, "float32"));
}

/**
 * ‖∇_W (wᵢ Lᵢ)‖₂ of each task, over the batches summed. Above W the backward pass is that of the total loss:
 * merging common subexpressions leaves only what lies between the place where the tasks part and W.
 */
function normsAt(options: WeightingStepOptions, forward: StepForward, weighted: readonly Value[]): Value[] {
  const { graph, terms } = forward;
  const shared = sharedLayer(options, forward, weighted);
  const retain = scalarInput(graph, "accumulate.retain");
  return terms.map(({ task }, i) => {
    const name = stateNames.windowGradient(task.name);
    const length = sizeOf(shared.shape);
    const gradient = reshape(gradientsOf(weighted[i], [shared])[0], [length]);
    const sum = add(graph.input(name, "float32", [length]), gradient);
    graph.output(stateNames.next(name), mul(sum, retain));
    return euclideanNorm(sum);
  });
}

/** The weight W, which every task must reach. */
function sharedLayer(
  { balancer, model, normsAt: layer }: WeightingStepOptions,
  { parameters, terms }: StepForward,
  weighted: readonly Value[],
): Value {
  if (layer === null) {
    throw new EchoDuetError(
      "config",
      `${balancer.name}: expects a layer that all tasks share, got ${model.name} with ${nothingShared}; use --balancer static`,
    );
  }
  const weight = parameters.get(layer);
  const remedy = model.sharedLayer === null ? "" : `; the last shared one is ${model.sharedLayer}`;
  if (!weight) {
    throw new EchoDuetError(
      "config",
      `gradnorm.layer: expects a parameter of ${model.name}, got ${layer}${remedy}`,
    );
  }
  const apart = terms.find((_, i) => reaching(weighted[i], [weight]).size === 0);
  if (apart) {
    throw new EchoDuetError(
      "config",
      `gradnorm.layer: expects a weight that every task reads, got ${layer}, which ${apart.task.name} does not${remedy}`,
    );
  }
  return weight;
}

/** ‖x‖₂ without overflow or underflow of the squares: [1]. */
function euclideanNorm(x: Value): Value {
  const largest = reduceMax(abs(x), [0], true);
  const scaled = div(x, max(largest, 1e-30));
  return mul(largest, sqrt(reduceSum(mul(scaled, scaled), [0], true)));
}
