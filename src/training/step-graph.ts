import { gradientsOf } from "../autodiff/index.js";
import type { Balancer } from "../balancing/index.js";
import { add, concat, Graph, mul, reshape, type Value } from "../graph/index.js";
import type { Model } from "../models/index.js";
import { type BufferSpec, type DropoutSpec, normalisePixels, Scope } from "../nn/index.js";
import { clipFactor, globalNorm, movingAverage, type Optimiser } from "../optim/index.js";
import { sizeOf } from "../tensor/index.js";
import { type FlatGroup, type StateLayout, unpackValues } from "./state-layout.js";
import type { Task } from "./task.js";

export interface StepGraphOptions {
  readonly model: Model;
  readonly tasks: readonly Task[];
  readonly layout: StateLayout;
  readonly optimiser: Optimiser;
  readonly balancer: Balancer;
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

/** A training step as a graph, and what the host must feed besides the state. */
export interface StepGraph {
  readonly graph: Graph;
  readonly dropouts: readonly DropoutSpec[];
}

/** Names of the state tensors of a parameter group. */
export const stateNames = {
  parameters: (group: string) => `parameters/${group}`,
  slot: (slot: string, group: string) => `${slot}/${group}`,
  accumulated: (group: string) => `accumulated/${group}`,
  average: (group: string) => `average/${group}`,
  buffers: "buffers",
  averageBuffers: "average/buffers",
  balancer: (name: string) => `balancer/${name}`,
  next: (name: string) => `next/${name}`,
} as const;

/**
 * The whole training step: forward, losses, weighting, backward, accumulation, clipping, optimiser,
 * moving averages. Inputs are `images` (uint8 [batch, 3, height, width]), the tasks' targets, dropout
 * masks, the state and the step's scalars; outputs `next/STATE`, `loss.TASK`, `loss.TASK.ITEM`,
 * `weight.TASK` and `gradientNorm` (of the accumulated gradient, before clipping).
 *
 * The gradient is that of Σ weight · scale · loss, summed over the accumulated batches. The host feeds the
 * scales (`scale.TASK`): with the batch size there, it is the sum over images that YOLOv5's learning
 * rates are made for.
 */
export function buildStepGraph(options: StepGraphOptions): StepGraph {
  const { model, tasks, layout, batch, size } = options;
  const graph = new Graph();
  const images = graph.input("images", "uint8", [batch, 3, size.height, size.width]);
  const vector = (name: string, length: number) => graph.input(name, "float32", [length]);
  const state = (name: string, group: FlatGroup) => vector(name, group.size);

  const groups = layout.parameters.map((group) => ({
    group,
    flat: state(stateNames.parameters(group.name), group),
  }));
  const parameters = new Map(groups.flatMap(({ group, flat }) => [...unpackValues(group, flat)]));
  const buffersFlat = state(stateNames.buffers, layout.buffers);
  const buffers = unpackValues(layout.buffers, buffersFlat);
  const nextBuffers = new Map<string, Value>();
  const dropouts: DropoutSpec[] = [];
  const scope = new Scope({
    graph,
    mode: "train",
    parameter: ({ name }) => parameters.get(name) as Value,
    buffer: ({ name }) => buffers.get(name) as Value,
    updateBuffer: ({ name }: BufferSpec, next) => nextBuffers.set(name, next),
    dropout: (spec) => {
      dropouts.push(spec);
      return graph.input(`dropout/${spec.name}`, "float32", spec.shape);
    },
  });
  const outputs = model.forward(scope, normalisePixels(graph, images));

  const losses = tasks.map((task) => ({
    task,
    ...task.build(graph, outputs, { batch, capacity: options.capacity }),
  }));
  const total = weightedLoss(graph, losses, options.balancer);
  const wrt = layout.parameters.flatMap((group) =>
    group.entries.map(({ name }) => parameters.get(name) as Value),
  );
  const gradients = new Map(gradientsOf(total, wrt).map((gradient, i) => [wrt[i], gradient]));

  const keep = scalarInput(graph, "ema.keep");
  const retain = scalarInput(graph, "accumulate.retain");
  const sums = groups.map(({ group, flat }) => {
    const pieces = group.entries.map(({ name, shape }) =>
      reshape(gradients.get(parameters.get(name) as Value) as Value, [sizeOf(shape)]),
    );
    return { group, flat, sum: add(state(stateNames.accumulated(group.name), group), concat(pieces, 0)) };
  });
  const norm = globalNorm(sums.map(({ sum }) => sum));
  graph.output("gradientNorm", norm);
  const factor = options.clipNorm > 0 ? clipFactor(norm, options.clipNorm) : null;
  for (const { group, flat, sum } of sums) {
    graph.output(stateNames.next(stateNames.accumulated(group.name)), mul(sum, retain));
    const next = updateGroup(graph, options, { group, flat, gradient: factor ? mul(sum, factor) : sum });
    const average = state(stateNames.average(group.name), group);
    graph.output(stateNames.next(stateNames.average(group.name)), movingAverage(average, next, keep));
  }

  const nextFlat = concat(
    layout.buffers.entries.map(({ name, shape }) => reshape(nextBuffers.get(name) as Value, [sizeOf(shape)])),
    0,
  );
  graph.output(stateNames.next(stateNames.buffers), nextFlat);
  const averageBuffers = state(stateNames.averageBuffers, layout.buffers);
  graph.output(stateNames.next(stateNames.averageBuffers), movingAverage(averageBuffers, nextFlat, keep));
  if (options.inspect) {
    for (const [name, value] of parameters) graph.output(`gradient.${name}`, gradients.get(value) as Value);
  }
  return { graph, dropouts };
}

/** Declares the balancer's state, names the losses and weights as outputs, and returns Σ weight · scale · loss. */
function weightedLoss(
  graph: Graph,
  losses: readonly { task: Task; loss: Value; items: Readonly<Record<string, Value>> }[],
  balancer: Balancer,
): Value {
  const state: Record<string, Value> = {};
  for (const { name, shape } of balancer.state) {
    state[name] = graph.input(stateNames.balancer(name), "float32", shape);
  }
  const { weights, next } = balancer.build({ graph, losses: losses.map(({ loss }) => loss), state });
  for (const [name, value] of Object.entries(next))
    graph.output(stateNames.next(stateNames.balancer(name)), value);
  const terms = losses.map(({ task, loss, items }, i) => {
    graph.output(`loss.${task.name}`, loss);
    graph.output(`weight.${task.name}`, weights[i]);
    for (const [item, value] of Object.entries(items)) graph.output(`loss.${task.name}.${item}`, value);
    return mul(loss, mul(weights[i], scalarInput(graph, `scale.${task.name}`)));
  });
  return terms.reduce((a, b) => add(a, b));
}

/** Adds the optimiser's update of one group and names its next state; returns the next parameters. */
function updateGroup(
  graph: Graph,
  { optimiser, weightDecay }: StepGraphOptions,
  { group, flat, gradient }: { group: StateLayout["parameters"][number]; flat: Value; gradient: Value },
): Value {
  const slots: Record<string, Value> = {};
  for (const slot of optimiser.slots) {
    slots[slot] = graph.input(stateNames.slot(slot, group.name), "float32", [group.size]);
  }
  const decays = group.role === "weight" && weightDecay > 0;
  const next = optimiser.update({
    graph,
    parameters: flat,
    gradient,
    slots,
    decay: decays ? scalarInput(graph, "weightDecay") : null,
    terms: {
      rate: scalarInput(graph, `rate.${group.name}`),
      coefficient: (name) => scalarInput(graph, `optimiser.${name}`),
    },
  });
  graph.output(stateNames.next(stateNames.parameters(group.name)), next.parameters);
  for (const slot of optimiser.slots) {
    graph.output(stateNames.next(stateNames.slot(slot, group.name)), next.slots[slot]);
  }
  return next.parameters;
}

/** A scalar that the host feeds; several groups may read the same one. */
function scalarInput(graph: Graph, name: string): Value {
  return graph.inputs.get(name) ?? graph.input(name, "float32", []);
}
