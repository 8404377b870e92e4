import { expect } from "vitest";
import { Graph, reduceMean, type Value } from "../../src/graph/index.js";
import { buildDeployGraph, declareModel, type Model } from "../../src/models/index.js";
import { normalisePixels, Scope } from "../../src/nn/index.js";
import { Program } from "../../src/runtime/index.js";
import { type HostTensor, hostTensor, randomStream, sizeOf } from "../../src/tensor/index.js";

type Build = (scope: Scope, images: Value) => Value;

/**
 * A network's features of two images of noise, through ONNX Runtime, as two graphs compute them: `folded`, the
 * deployed one, and `evaluated`, the one of training with every normalisation frozen. Its parameters are as it
 * draws them, but for the normalisations', which are random.
 */
export async function deployedFeatures(
  build: Build,
  size: { readonly height: number; readonly width: number },
): Promise<{ folded: Float32Array; evaluated: Float32Array }> {
  const input = { batch: 2, ...size };
  const model = featureModel(build);
  const tensors = randomTensors(model, input);
  const shape = [input.batch, 3, size.height, size.width];
  const random = randomStream(8, "images");
  const images = Uint8Array.from({ length: sizeOf(shape) }, () => random.integer(256));
  const run = async (graph: Graph) => {
    const program = await Program.compile(graph, { threads: 1 });
    const results = await program.run(new Map([["images", hostTensor("uint8", shape, images)]]));
    await program.close();
    return (results.get("features") as HostTensor<"float32">).data;
  };
  return {
    folded: await run(buildDeployGraph(model, tensors, input)),
    evaluated: await run(frozenGraph(build, tensors, shape)),
  };
}

/** A model whose output `features` is a network's last value. */
function featureModel(build: Build): Model {
  return {
    name: "features",
    tasks: ["classification"],
    classes: 0,
    views: 1,
    sharedLayer: null,
    alone: new Map(),
    branchOf: () => null,
    isAdded: () => false,
    namesInFiles: (tensor) => [tensor],
    isHead: () => false,
    forward: (scope, images) => {
      const features = build(scope, images);
      scope.graph.output("features", features);
      return { classification: reduceMean(features, [2, 3]) };
    },
  };
}

function frozenGraph(
  build: Build,
  tensors: ReadonlyMap<string, HostTensor>,
  shape: readonly number[],
): Graph {
  const graph = new Graph();
  const constant = ({ name }: { name: string }) => graph.constant(tensors.get(name) as HostTensor);
  const scope = new Scope({
    graph,
    mode: "train",
    parameter: constant,
    buffer: constant,
    dropout: () => expect.unreachable("no dropout"),
    updateBuffer: ({ name }) => expect.unreachable(`${name} is frozen`),
    frozen: () => true,
  });
  graph.output("features", build(scope, normalisePixels(graph, graph.input("images", "uint8", shape))));
  return graph;
}

function randomTensors(model: Model, input: { batch: number; height: number; width: number }) {
  const { parameters, buffers } = declareModel(model, input);
  const scales = new Set(parameters.filter(({ role }) => role === "norm").map(({ name }) => name));
  const isNorm = (name: string) => scales.has(name.replace(/\.bias$/, ".weight"));
  const around = (name: string) => {
    const random = randomStream(8, name);
    // Scales and variances near 1, shifts and means near 0.
    return /(weight|running_var)$/.test(name)
      ? () => random.uniform(0.5, 1.5)
      : () => random.uniform(-0.3, 0.3);
  };
  const drawn = (name: string, shape: readonly number[]) =>
    Float32Array.from({ length: sizeOf(shape) }, around(name));
  return new Map<string, HostTensor>([
    ...parameters.map(({ name, shape, initial }): [string, HostTensor] => [
      name,
      hostTensor("float32", shape, isNorm(name) ? drawn(name, shape) : initial(shape, randomStream(8, name))),
    ]),
    ...buffers.map(({ name, shape }): [string, HostTensor] => [
      name,
      hostTensor("float32", shape, drawn(name, shape)),
    ]),
  ]);
}

/** The largest difference of two networks' features as a part of their largest magnitude. */
export function largestPart(got: Float32Array, expected: Float32Array): number {
  expect(got.length).toBe(expected.length);
  const largest = (values: Float32Array) =>
    values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scale = largest(expected);
  expect(scale).toBeGreaterThan(0);
  return largest(got.map((value, i) => value - expected[i])) / scale;
}
