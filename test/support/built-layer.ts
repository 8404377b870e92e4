import { expect } from "vitest";
import { gradients } from "../../src/autodiff/index.js";
import { Graph, interpretValues, type Value } from "../../src/graph/index.js";
import { type BufferSpec, type Mode, type ParameterSpec, Scope } from "../../src/nn/index.js";
import { randomStream, type Shape, sizeOf } from "../../src/tensor/index.js";

/** Step of the central differences. */
const STEP = 1e-5;

export interface LayerOptions {
  /** `train` by default. */
  readonly mode?: Mode;
  readonly frozen?: (name: string) => boolean;
  readonly layer?: (name: string, output: Value) => void;
  /** Whether `feeds` are drawn; true by default. */
  readonly draw?: boolean;
}

/** A layer alone in a graph: its input `x` and every tensor that it asks for are the graph's inputs. */
export interface BuiltLayer {
  readonly x: Value;
  readonly y: Value;
  readonly parameters: ReadonlyMap<string, ParameterSpec>;
  readonly buffers: ReadonlyMap<string, BufferSpec>;
  /** The next values of the buffers that it updates. */
  readonly updates: ReadonlyMap<string, Value>;
  /** Random elements for every input: normal, a running variance in 0.5 .. 2. */
  readonly feeds: Record<string, number[]>;
}

/** Builds a layer on an input of `shape`. */
export function buildLayer(
  shape: Shape,
  build: (scope: Scope, x: Value) => Value,
  options: LayerOptions = {},
): BuiltLayer {
  const graph = new Graph();
  const parameters = new Map<string, ParameterSpec>();
  const buffers = new Map<string, BufferSpec>();
  const updates = new Map<string, Value>();
  const feeds: Record<string, number[]> = {};
  const input = (name: string, of: Shape) => {
    if (options.draw === false) return graph.input(name, "float32", of);
    const random = randomStream(5, "layer", name);
    const draw = name.endsWith("running_var") ? () => random.uniform(0.5, 2) : () => random.normal();
    feeds[name] = Array.from({ length: sizeOf(of) }, () => Math.fround(draw()));
    return graph.input(name, "float32", of);
  };
  const scope = new Scope({
    graph,
    mode: options.mode ?? "train",
    parameter: (spec) => {
      parameters.set(spec.name, spec);
      return input(spec.name, spec.shape);
    },
    buffer: (spec) => {
      buffers.set(spec.name, spec);
      return input(spec.name, spec.shape);
    },
    dropout: () => expect.unreachable("no dropout"),
    updateBuffer: ({ name }, next) => updates.set(name, next),
    ...(options.frozen ? { frozen: options.frozen } : {}),
    ...(options.layer ? { layer: options.layer } : {}),
  });
  const x = input("x", shape);
  return { x, y: build(scope, x), parameters, buffers, updates, feeds };
}

/** The layer's output in float64. */
export function outputOf({ y }: BuiltLayer, feeds: Record<string, number[]>): number[] {
  return [...interpretValues([y], feeds)[0].data];
}

/**
 * Checks the gradients of Σ cotangent · y in the input and every parameter, a random cotangent, against central
 * differences in float64.
 */
export function expectGradientsByDifferences(layer: BuiltLayer): void {
  const { x, y, parameters, feeds } = layer;
  const random = randomStream(6, "cotangent");
  const cotangent = Array.from({ length: sizeOf(y.shape) }, () => random.normal());
  const names = ["x", ...parameters.keys()];
  const wrt = names.map((name) => x.graph.inputs.get(name) as Value);
  const seed = x.graph.input("cotangent", "float32", y.shape);
  const results = interpretValues(gradients([{ value: y, cotangent: seed }], wrt), { ...feeds, cotangent });
  const loss = (changed: Record<string, number[]>) =>
    outputOf(layer, { ...feeds, ...changed }).reduce((sum, value, i) => sum + value * cotangent[i], 0);
  names.forEach((name, i) => {
    expect(results[i].shape, name).toEqual(wrt[i].shape);
    feeds[name].forEach((at, index) => {
      const moved = (by: number) => loss({ [name]: feeds[name].with(index, at + by) });
      const difference = (moved(STEP) - moved(-STEP)) / (2 * STEP);
      const error = Math.abs(results[i].data[index] - difference);
      // NaN fails too: a comparison with it is false.
      if (!(error <= 1e-7 + 1e-5 * Math.abs(difference))) {
        expect.fail(`d/d ${name}[${index}]: rule ${results[i].data[index]}, difference ${difference}`);
      }
    });
  });
}
