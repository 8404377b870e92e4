import { EchoDuetError } from "../errors.js";
import { decodeDetections } from "../detection/index.js";
import { exp, Graph, logSoftmax } from "../graph/index.js";
import { normalisePixels, type ParameterSpec, Scope } from "../nn/index.js";
import { type HostTensor, hostTensor, sameShape, type Shape, showShape } from "../tensor/index.js";
import type { Model } from "./model.js";

/**
 * The forward pass for use: batch normalisation folded into the convolutions, parameters as constants.
 * Input `images`, uint8 [batch, 3, height, width], RGB; outputs `detections` (as `decodeDetections`) and
 * `views`, float [batch, views], probabilities.
 * @param tensors parameters and running statistics under their training names
 * @throws EchoDuetError `checkpoint` for a tensor that is missing or has another shape
 */
export function buildDeployGraph(
  model: Model,
  tensors: ReadonlyMap<string, HostTensor>,
  input: { readonly batch: number; readonly height: number; readonly width: number },
): Graph {
  const graph = new Graph();
  const images = graph.input("images", "uint8", [input.batch, 3, input.height, input.width]);
  const scope = new Scope({
    graph,
    mode: "deploy",
    parameter: (spec) => graph.constant(parameterTensor(tensors, spec)),
    buffer: ({ name, shape }) => graph.constant(floatTensor(tensors, name, shape)),
    updateBuffer: () => {},
    dropout: ({ name }) => {
      throw new EchoDuetError("graph", `deployed model: has no dropout, ${name} was asked for`);
    },
  });
  const outputs = model.forward(scope, normalisePixels(graph, images));
  if (outputs.detection) graph.output("detections", decodeDetections(outputs.detection));
  if (outputs.classification) graph.output("views", exp(logSoftmax(outputs.classification)));
  return graph;
}

/**
 * A deployed parameter: with a normalisation folded into it and s = NORM.weight / sqrt(running_var + epsilon),
 * weight · s for each filter, or the bias NORM.bias - running_mean · s. A tensor without one, or of weights
 * that were folded before (they have no NORM.weight), is taken as it is.
 */
function parameterTensor(
  tensors: ReadonlyMap<string, HostTensor>,
  { name, shape, role, folded }: ParameterSpec,
): HostTensor<"float32"> {
  if (!folded || !tensors.has(`${folded.prefix}weight`)) return floatTensor(tensors, name, shape);
  const filters = [shape[0]];
  const statistic = (field: string) => floatTensor(tensors, folded.prefix + field, filters).data;
  const [gamma, beta] = [statistic("weight"), statistic("bias")];
  const [mean, variance] = [statistic("running_mean"), statistic("running_var")];
  const scale = gamma.map((g, i) => g / Math.sqrt(variance[i] + folded.epsilon));
  if (role === "bias")
    return hostTensor(
      "float32",
      shape,
      beta.map((b, i) => b - mean[i] * scale[i]),
    );
  const weight = floatTensor(tensors, name, shape).data;
  const perFilter = weight.length / shape[0];
  return hostTensor(
    "float32",
    shape,
    weight.map((w, i) => w * scale[Math.floor(i / perFilter)]),
  );
}

function floatTensor(
  tensors: ReadonlyMap<string, HostTensor>,
  name: string,
  shape: Shape,
): HostTensor<"float32"> {
  const tensor = tensors.get(name);
  if (!tensor)
    throw new EchoDuetError("checkpoint", `weights: ${name} is missing, expected ${showShape(shape)}`);
  if (tensor.dtype !== "float32" || !sameShape(tensor.shape, shape)) {
    throw new EchoDuetError(
      "checkpoint",
      `weights: ${name} expects float32${showShape(shape)}, got ${tensor.dtype}${showShape(tensor.shape)}`,
    );
  }
  return tensor as HostTensor<"float32">;
}
