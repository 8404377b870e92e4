import { Graph } from "../graph/index.js";
import { type BufferSpec, type DropoutSpec, type Mode, type ParameterSpec, Scope } from "../nn/index.js";
import type { Model } from "./model.js";

/** Everything that a model needs besides its images, in the order in which its layers ask for it. */
export interface Declaration {
  readonly parameters: readonly ParameterSpec[];
  readonly buffers: readonly BufferSpec[];
  readonly dropouts: readonly DropoutSpec[];
  /** The graph of the forward pass, with an input for each of the above. */
  readonly graph: Graph;
}

/**
 * Builds the model once to learn its parameters.
 * @param input size of the images: their gradients and shapes do not change the declaration's names
 */
export function declareModel(
  model: Model,
  input: { batch: number; height: number; width: number },
  mode: Mode = "train",
): Declaration {
  const graph = new Graph();
  const parameters: ParameterSpec[] = [];
  const buffers: BufferSpec[] = [];
  const dropouts: DropoutSpec[] = [];
  const scope = new Scope({
    graph,
    mode,
    parameter: (spec) => {
      parameters.push(spec);
      return graph.input(spec.name, "float32", spec.shape);
    },
    buffer: (spec) => {
      buffers.push(spec);
      return graph.input(spec.name, "float32", spec.shape);
    },
    dropout: (spec) => {
      dropouts.push(spec);
      return graph.input(spec.name, "float32", spec.shape);
    },
    updateBuffer: (spec, next) => graph.output(`next.${spec.name}`, next),
  });
  const images = graph.input("images", "float32", [input.batch, 3, input.height, input.width]);
  const outputs = model.forward(scope, images);
  outputs.detection?.forEach((value, level) => {
    graph.output(`detection.p${level + 3}`, value);
  });
  if (outputs.classification) graph.output("classification", outputs.classification);
  return { parameters, buffers, dropouts, graph };
}
