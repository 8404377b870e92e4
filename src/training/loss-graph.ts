import { filled, Graph, type Value } from "../graph/index.js";
import type { Model } from "../models/index.js";
import { normalisePixels, Scope } from "../nn/index.js";
import type { Task } from "./task.js";

/** The forward pass and the losses of a model in training, and nothing that would change its state. */
export interface LossGraph {
  readonly graph: Graph;
  /** Inputs under their own names. */
  readonly parameters: ReadonlyMap<string, Value>;
  /** One scalar a task: the mean loss, unweighted. */
  readonly losses: readonly Value[];
}

/**
 * Builds the losses of a batch as training sees them: batch statistics, but no dropout. Inputs are `images` (uint8
 * [batch, 3, height, width]), the tasks' targets and the parameters.
 * @param shape of the images in pixels; `capacity` rows of padded targets
 */
export function buildLossGraph(
  model: Model,
  tasks: readonly Task[],
  shape: {
    readonly batch: number;
    readonly width: number;
    readonly height: number;
    readonly capacity: number;
  },
): LossGraph {
  const graph = new Graph();
  const images = graph.input("images", "uint8", [shape.batch, 3, shape.height, shape.width]);
  const parameters = new Map<string, Value>();
  const scope = new Scope({
    graph,
    mode: "train",
    parameter: ({ name, shape }) => {
      const value = graph.input(name, "float32", shape);
      parameters.set(name, value);
      return value;
    },
    // Running statistics are neither read by the loss nor kept here.
    buffer: ({ shape }) => filled(graph, shape, 0),
    updateBuffer: () => {},
    dropout: ({ shape }) => filled(graph, shape, 1),
  });
  const outputs = model.forward(scope, normalisePixels(graph, images));
  const losses = tasks.map((task) => task.declare(graph, shape).loss(outputs).loss);
  return { graph, parameters, losses };
}
