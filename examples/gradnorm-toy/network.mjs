// The network of the toy example and its training step as graphs: four shared ReLU layers of 100 units, an affine
// head a task, squared losses, a balancer, Adam.
import { gradientsOf } from "echoduet/autodiff";
import { createBalancer } from "echoduet/balancing";
import {
  add,
  concat,
  Graph,
  greater,
  matMul,
  mul,
  reduceMean,
  reduceSum,
  relu,
  reshape,
  slice,
  sqrt,
  sub,
} from "echoduet/graph";
import { optimiserByName } from "echoduet/optim";
import { hostTensor } from "echoduet/tensor";
import { inputs, normals, outputs, scales } from "./problem.mjs";

const units = 100;
const layers = [
  ...[inputs, units, units, units].map((from, i) => ({ name: `trunk${i}`, from, to: units, gain: 2 })),
  ...scales.map((_, task) => ({ name: `head${task}`, from: units, to: outputs, gain: 0.01 })),
];
const lastShared = 3;
const parameterCount = layers.reduce((sum, { from, to }) => sum + (from + 1) * to, 0);

/** Adam, as the package's optimiser with decoupled decay and none of it. */
const adam = optimiserByName("adamw");

/** The balancers that are compared, with GradNorm as the paper has it: Adam on the weights, α .12. */
export function balancerOf(name, { alpha, balancerLr }) {
  return createBalancer(name, {
    tasks: scales.map((scale) => ({ name: `σ = ${scale}`, weight: 1, initialLoss: null })),
    seed: 0,
    alpha,
    balancerLr,
    gradnorm: {
      update: "adam",
      initialLosses: "measured",
      interval: 1,
      average: 0,
      floor: 1e-4,
      stuckUpdates: 100,
      unstableUpdates: 100,
    },
    cagrad: { c: 0.5 },
    dwa: { temperature: 2 },
    famo: { decay: 0.001 },
  });
}

/** Initial state of a training: He's weights for the trunk, small ones for the heads, whose output then starts near 0, biases 0. */
export function initialState(seed, balancer) {
  const parameters = new Float32Array(parameterCount);
  let at = 0;
  for (const { name, from, to, gain } of layers) {
    parameters.set(normals(from * to, gain / from, seed, name), at);
    at += (from + 1) * to;
  }
  const vector = (data) => hostTensor("float32", [data.length], data);
  return new Map([
    ["parameters", vector(parameters)],
    ...adam.slots.map((slot) => [slot, vector(new Float32Array(parameterCount))]),
    ...balancer.state.map(({ name, shape, initial }) => [
      `balancer/${name}`,
      hostTensor("float32", shape, Float32Array.from(initial)),
    ]),
  ]);
}

/** Task losses of a batch: inputs `parameters`, `x`, `y`; output `losses` [tasks]. */
export function lossesGraph(rows) {
  const graph = new Graph();
  graph.output("losses", concat(forward(graph, rows).losses, 0));
  return graph;
}

/**
 * A training step: the state, a batch and the optimiser's numbers in; the next state as `next/NAME` and the weights
 * that the step used as `weights` [tasks] out.
 */
export function stepGraph(rows, balancer) {
  const graph = new Graph();
  const { pieces, losses } = forward(graph, rows);
  const state = Object.fromEntries(
    balancer.state.map(({ name, shape }) => [name, graph.input(`balancer/${name}`, "float32", shape)]),
  );
  const stacked = concat(losses, 0);
  const context = { graph, losses: stacked, valid: greater(stacked, -1), state, feeds: {} };
  const weights = balancer.weights(context);
  const weighted = losses.map((loss, task) => reshape(mul(loss, slice(weights, 0, task, task + 1)), []));
  const norms = balancer.needs.norms ? normsAt(pieces[lastShared].weight, weighted) : null;
  const batch = { losses: stacked, valid: context.valid, after: null };
  const update = balancer.update?.({ ...context, weights, norms, batch });
  for (const [name, value] of Object.entries(update?.next ?? state))
    graph.output(`next/balancer/${name}`, value);
  graph.output("weights", weights);

  const wrt = pieces.flatMap(({ weight, bias }) => [weight, bias]);
  const gradients = gradientsOf(weighted.reduce(add), wrt).map((g) => reshape(g, [count(g)]));
  const next = adam.update({
    graph,
    parameters: graph.inputs.get("parameters"),
    gradient: concat(gradients, 0),
    slots: Object.fromEntries(
      adam.slots.map((slot) => [slot, graph.input(slot, "float32", [parameterCount])]),
    ),
    decay: null,
    terms: {
      rate: graph.input("rate", "float32", []),
      coefficient: (name) => graph.inputs.get(name) ?? graph.input(name, "float32", []),
    },
  });
  graph.output("next/parameters", next.parameters);
  for (const [slot, value] of Object.entries(next.slots)) graph.output(`next/${slot}`, value);
  return graph;
}

/** What the optimiser is fed at a step besides its state. */
export function optimiserFeeds(step, rate) {
  const numbers = { rate, ...adam.coefficientsAt({ momentum: 0.9, applied: step, applies: true }) };
  return Object.entries(numbers).map(([name, value]) => [
    name,
    hostTensor("float32", [], Float32Array.of(value)),
  ]);
}

/** The layers' parameters, cut from one vector, and the tasks' mean squared errors, each [1]. */
function forward(graph, rows) {
  const parameters = graph.input("parameters", "float32", [parameterCount]);
  let at = 0;
  const cut = (shape) => {
    const size = shape.reduce((a, b) => a * b);
    at += size;
    return reshape(slice(parameters, 0, at - size, at), shape);
  };
  const pieces = layers.map(({ from, to }) => ({ weight: cut([from, to]), bias: cut([1, to]) }));
  const affine = (x, { weight, bias }) => add(matMul(x, weight), bias);
  const x = graph.input("x", "float32", [rows, inputs]);
  const y = graph.input("y", "float32", [rows, scales.length * outputs]);
  const features = pieces.slice(0, lastShared + 1).reduce((h, piece) => relu(affine(h, piece)), x);
  const losses = pieces.slice(lastShared + 1).map((head, task) => {
    const error = sub(affine(features, head), slice(y, 1, task * outputs, (task + 1) * outputs));
    return reshape(reduceMean(mul(error, error)), [1]);
  });
  return { pieces, losses };
}

/** ‖∇_W (w_i L_i)‖₂ of every task, [tasks]. */
function normsAt(shared, weighted) {
  const norms = weighted.map((loss) => {
    const [gradient] = gradientsOf(loss, [shared]);
    return reshape(sqrt(reduceSum(mul(gradient, gradient))), [1]);
  });
  return concat(norms, 0);
}

function count({ shape }) {
  return shape.reduce((a, b) => a * b, 1);
}
