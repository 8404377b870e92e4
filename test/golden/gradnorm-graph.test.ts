import { describe, expect, it } from "vitest";
import { gradientsOf } from "../../src/autodiff/index.js";
import { createBalancer, type WeightingBalancer } from "../../src/balancing/index.js";
import {
  add,
  concat,
  Graph,
  greater,
  interpret,
  matMul,
  mul,
  reduceMean,
  reduceSum,
  relu,
  reshape,
  slice,
  sqrt,
  sub,
  type Value,
} from "../../src/graph/index.js";
import { Program } from "../../src/runtime/index.js";
import { hostTensor } from "../../src/tensor/index.js";
import { balancerSettings } from "../support/balancing-graph.js";
import { hasReference, readReference } from "../support/read-safetensors.js";

const parameters = ["W0", "W", "H0", "H1"] as const;
const steps = 60;
const rate = 0.01;

/** The reference's whole training step: network, losses, GradNorm at W, gradient descent. */
function toyStep(reference: (name: string) => { shape: readonly number[] }, alpha: number) {
  const balancer = createBalancer("gradnorm", balancerSettings({ alpha })) as WeightingBalancer;
  const graph = new Graph();
  const input = (name: string) => graph.input(name, "float32", reference(name).shape);
  const values = Object.fromEntries(parameters.map((name) => [name, input(name)])) as Record<
    (typeof parameters)[number],
    Value
  >;
  const shared = relu(matMul(relu(matMul(input("X"), values.W0)), values.W));
  const losses = ["0", "1"].map((task) => {
    const error = sub(matMul(shared, values[`H${task}` as "H0"]), input(`Y${task}`));
    return reduceMean(mul(error, error));
  });
  const stacked = concat(
    losses.map((loss) => reshape(loss, [1])),
    0,
  );
  const state = Object.fromEntries(
    balancer.state.map(({ name, shape }) => [name, graph.input(`balancer/${name}`, "float32", shape)]),
  );
  const valid = greater(stacked, -1);
  const context = { graph, losses: stacked, valid, state, feeds: {} };
  const weights = balancer.weights(context);
  const weighted = losses.map((loss, i) => mul(loss, reshape(slice(weights, 0, i, i + 1), [])));
  const norms = weighted.map((loss) => {
    const [gradient] = gradientsOf(loss, [values.W]);
    return reshape(sqrt(reduceSum(mul(gradient, gradient))), [1]);
  });
  const batch = { losses: stacked, valid, after: null };
  const update = balancer.update?.({ ...context, weights, norms: concat(norms, 0), batch });
  if (!update) throw new Error("gradnorm: expects an update");
  for (const [name, value] of Object.entries(update.next)) graph.output(`next/balancer/${name}`, value);
  gradientsOf(
    add(weighted[0], weighted[1]),
    parameters.map((name) => values[name]),
  ).forEach((gradient, i) => {
    const name = parameters[i];
    graph.output(`next/${name}`, sub(values[name], mul(gradient, rate)));
  });
  graph.output("weights", weights);
  graph.output("rates", update.observed.rates);
  return { graph, balancer };
}

type Numbers = ArrayLike<number>;

/** Trains the toy network by `run`; returns how far weights and rates leave the reference at worst. */
async function train(
  alpha: number,
  prepare: (graph: Graph) => Promise<(feeds: Record<string, Numbers>) => Promise<Record<string, Numbers>>>,
) {
  const reference = readReference("gradnorm_toy.safetensors");
  const { graph, balancer } = toyStep(reference, alpha);
  const run = await prepare(graph);
  const data = (name: string) => Array.from(reference(name).data as Float64Array);
  const fixed = Object.fromEntries(["X", "Y0", "Y1"].map((name) => [name, data(name)]));
  let state: Record<string, Numbers> = Object.fromEntries([
    ...parameters.map((name): [string, Numbers] => [name, data(name)]),
    ...balancer.state.map(({ name, initial }): [string, Numbers] => [`balancer/${name}`, initial]),
  ]);
  const worst = { weights: 0, rates: 0, shared: 0 };
  for (let step = 0; step < steps; step++) {
    const results = await run({ ...fixed, ...state });
    for (const name of ["weights", "rates"] as const) {
      worst[name] = Math.max(
        worst[name],
        distance(results[name], data(`step.${name}`).slice(2 * step, 2 * step + 2)),
      );
    }
    state = Object.fromEntries(Object.keys(state).map((name) => [name, results[`next/${name}`]]));
  }
  worst.shared = distance(state.W, data("final.W"));
  return worst;
}

describe.skipIf(!hasReference("gradnorm_toy.safetensors"))(
  "GradNorm in the graph, against the recorded run",
  () => {
    const interpreted = async (graph: Graph) => async (feeds: Record<string, Numbers>) =>
      Object.fromEntries([...interpret(graph, feeds)].map(([name, { data }]) => [name, data]));
    const compiled = async (graph: Graph) => {
      const program = await Program.compile(graph, { threads: 1 });
      return async (feeds: Record<string, Numbers>) => {
        const tensors = new Map(
          [...program.inputs].map(([name, { shape }]) => [
            name,
            hostTensor("float32", shape, Float32Array.from(feeds[name])),
          ]),
        );
        const results = await program.run(tensors);
        return Object.fromEntries([...results].map(([name, { data }]) => [name, data as Float32Array]));
      };
    };

    it("trains network and weights alike in float64, at each of the 60 steps", async () => {
      const worst = await train(1.5, interpreted);
      expect(worst.weights).toBeLessThan(1e-6);
      expect(worst.rates).toBeLessThan(1e-6);
      expect(worst.shared).toBeLessThan(1e-6);
    });

    it("and in float32 on ONNX Runtime", async () => {
      const worst = await train(1.5, compiled);
      expect(worst.weights).toBeLessThan(1e-3);
      expect(worst.rates).toBeLessThan(1e-3);
      expect(worst.shared).toBeLessThan(1e-3);
    });

    it("but not with another exponent", async () => {
      expect((await train(0.5, compiled)).weights).toBeGreaterThan(1e-2);
    });
  },
);

function distance(a: Numbers, b: Numbers): number {
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i])));
}
