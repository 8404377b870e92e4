import type { Graph, Node, OpName, Value } from "../graph/index.js";
import { bytesPerElement, sizeOf, type Shape } from "../tensor/index.js";
import { declareModel } from "./declare.js";
import { describeMatch, type FlopsMatch } from "./flops-match.js";
import type { Model } from "./model.js";

/** One layer of a model. */
export interface LayerSummary {
  /** `model.N` by YOLOv5's numbering, or the first part of its parameters' names (`classifier`). */
  readonly name: string;
  /** What other layers or the model's user read of it. */
  readonly outputs: readonly Shape[];
  /** Elements of its trainable tensors. */
  readonly parameters: number;
  /** 2 · multiply-adds of its convolutions and matrix products for the whole batch; nothing else is counted. */
  readonly flops: number;
}

/** A model's size and cost at one input size. */
export interface ModelSummary {
  readonly model: string;
  /** Images, [batch, 3, height, width]. */
  readonly input: Shape;
  /** How the model's multiples were chosen; null where they are those of its name. */
  readonly matched: FlopsMatch | null;
  /** In the order of execution. */
  readonly layers: readonly LayerSummary[];
  readonly parameters: number;
  /** Elements of tensors that are trained without a gradient: running means and variances. */
  readonly buffers: number;
  /** 2 · multiply-adds of the convolutions and matrix products of one forward pass of the batch. */
  readonly flops: number;
  /**
   * Bytes of every forward result in training that is not a mere view (Reshape, StopGradient): all that the
   * backward pass may read. A bound: gradients and the runtime's own buffers come on top, and results that
   * no gradient reads may be freed.
   */
  readonly trainingActivationBytes: number;
  /**
   * Largest sum of bytes of results alive at once when the deployed graph (batch normalisation folded) runs
   * in order, the images included, weights not, and no operator writing over its input.
   */
  readonly inferenceActivationBytes: number;
}

/**
 * What a model consists of and costs, counted on its graph; no number is measured or taken from a table.
 * @param input batch, and height and width in pixels, multiples of 32
 * @throws EchoDuetError `shape` where the model does not take that input
 */
export function summariseModel(
  model: Model,
  input: { readonly batch: number; readonly height: number; readonly width: number },
): ModelSummary {
  const { graph, parameters, buffers } = declareModel(model, input);
  const sizes = new Map(parameters.map(({ name, shape }) => [name, sizeOf(shape)]));
  const layers = summariseLayers(graph, sizes);
  const sum = (numbers: Iterable<number>) => [...numbers].reduce((a, b) => a + b, 0);
  return {
    model: model.name,
    input: [input.batch, 3, input.height, input.width],
    matched: model.matched ?? null,
    layers,
    parameters: sum(sizes.values()),
    buffers: sum(buffers.map(({ shape }) => sizeOf(shape))),
    flops: sum(layers.map(({ flops }) => flops)),
    trainingActivationBytes: sum(forwardResults(graph).map(bytesOf)),
    inferenceActivationBytes: largestLiveBytes(declareModel(model, input, "deploy").graph),
  };
}

/**
 * 2 · multiply-adds of every convolution, convolution gradient and matrix product of a graph; a whole
 * training step's where the graph is one. Each gradient of a convolution costs what the convolution does.
 */
export function trainingStepFlops(graph: Graph): number {
  return graph.nodes.reduce((total, node) => total + nodeFlops(node), 0);
}

/** A summary as an aligned table, a line for each layer, the totals below. */
export function formatSummary(summary: ModelSummary): string {
  const showShapes = (shapes: readonly Shape[]) => shapes.map((shape) => shape.join("x")).join(" ");
  const rows = [
    ["layer", "output", "parameters", "MFLOPs"],
    ...summary.layers.map(({ name, outputs, parameters, flops }) => [
      name,
      showShapes(outputs),
      parameters.toLocaleString("en-US"),
      (flops / 1e6).toFixed(1),
    ]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const table = rows.map((row) =>
    row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  "),
  );
  const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  return [
    `${summary.model}, images ${summary.input.join("x")}`,
    ...(summary.matched ? [describeMatch(summary.matched)] : []),
    ...table,
    `parameters            ${summary.parameters.toLocaleString("en-US")}`,
    `buffers               ${summary.buffers.toLocaleString("en-US")}`,
    `forward               ${(summary.flops / 1e9).toFixed(2)} GFLOPs (2 x multiply-adds of convolutions and matrix products)`,
    `training activations  ${mebibytes(summary.trainingActivationBytes)}`,
    `inference activations ${mebibytes(summary.inferenceActivationBytes)}`,
  ].join("\n");
}

function nodeFlops({ op, attrs, inputs, outputs }: Node): number {
  switch (op) {
    case "Conv":
      return 2 * sizeOf(outputs[0].shape) * sizeOf(inputs[1].shape.slice(1));
    case "ConvInputGrad":
      return 2 * sizeOf(inputs[0].shape) * sizeOf(inputs[1].shape.slice(1));
    case "ConvWeightGrad": {
      const cotangents = inputs.filter((_, i) => i % 2 === 1);
      const elements = cotangents.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
      return 2 * elements * sizeOf(outputs[0].shape.slice(1));
    }
    case "MatMul": {
      const { transA } = attrs as Node<"MatMul">["attrs"];
      return 2 * sizeOf(outputs[0].shape) * (inputs[0].shape.at(transA ? -2 : -1) as number);
    }
    default:
      return 0;
  }
}

/** Operators that only arrange data: they count to the layer that reads their result. */
const arranging: ReadonlySet<OpName> = new Set(["UpsampleNearest", "Concat", "Reshape", "Transpose", "Pad"]);
/** Operators whose result is their input's memory. */
const views: ReadonlySet<OpName> = new Set(["Reshape", "StopGradient"]);

function summariseLayers(graph: Graph, sizes: ReadonlyMap<string, number>): LayerSummary[] {
  const layerOf = assignLayers(graph, sizes);
  const shared = sharedValues(graph, layerOf);
  const nodes = graph.nodes.filter((node) => layerOf.has(node));
  return [...new Set([...sizes.keys()].map(layerName))].map((name) => {
    const own = nodes.filter((node) => layerOf.get(node) === name);
    return {
      name,
      outputs: own
        .flatMap(({ outputs }) => outputs)
        .filter((value) => shared.has(value))
        .map(({ shape }) => shape),
      parameters: [...sizes].reduce((sum, [key, size]) => sum + (layerName(key) === name ? size : 0), 0),
      flops: own.reduce((sum, node) => sum + nodeFlops(node), 0),
    };
  });
}

/**
 * The layer of every operator. Layers ask for their parameters when they are built, so an operator belongs
 * to the parameter declared last before it, unless it only arranges data for a later layer.
 */
function assignLayers(graph: Graph, sizes: ReadonlyMap<string, number>): Map<Node, string> {
  const layerOf = new Map<Node, string>();
  let current = layerName([...sizes.keys()][0] ?? "");
  for (const node of graph.nodes) {
    if (!isInput(node)) layerOf.set(node, current);
    else if (sizes.has(node.attrs.name)) current = layerName(node.attrs.name);
  }
  const readers = readersOf(graph);
  for (const node of graph.nodes.toReversed()) {
    const reader = readers.get(node.outputs[0])?.[0];
    if (reader && arranging.has(node.op)) layerOf.set(node, layerOf.get(reader) as string);
  }
  return layerOf;
}

/** Values that another layer reads, or that are the model's outputs rather than a buffer's next state. */
function sharedValues(graph: Graph, layerOf: ReadonlyMap<Node, string>): Set<Value> {
  const shared = new Set<Value>();
  for (const [name, value] of graph.outputs) if (!name.startsWith("next.")) shared.add(value);
  for (const [value, readers] of readersOf(graph)) {
    const layer = layerOf.get(value.node);
    if (layer !== undefined && readers.some((reader) => layerOf.get(reader) !== layer)) shared.add(value);
  }
  return shared;
}

function readersOf(graph: Graph): Map<Value, Node[]> {
  const readers = new Map<Value, Node[]>();
  for (const node of graph.nodes) {
    for (const input of node.inputs) readers.set(input, [...(readers.get(input) ?? []), node]);
  }
  return readers;
}

/** `model.N` with whatever stands before it, or the first part of the name. */
function layerName(parameter: string): string {
  return /^(?:.*\.)?model\.\d+(?=\.)/.exec(parameter)?.[0] ?? parameter.split(".")[0];
}

/** Results of a forward graph that take memory of their own. */
function forwardResults(graph: Graph): Value[] {
  return graph.nodes
    .filter((node) => !isInput(node) && node.op !== "Constant" && !views.has(node.op))
    .flatMap(({ outputs }) => outputs);
}

function largestLiveBytes(graph: Graph): number {
  const root = (value: Value): Value => (views.has(value.node.op) ? root(value.node.inputs[0]) : value);
  const images = graph.inputs.get("images") as Value;
  const results = [images, ...forwardResults(graph)];
  const lastRead = new Map<Value, number>();
  graph.nodes.forEach((node, at) => {
    for (const value of [...node.outputs, ...node.inputs]) lastRead.set(root(value), at);
  });
  for (const value of graph.outputs.values()) lastRead.set(root(value), graph.nodes.length);
  // What a node allocates is there before anything that it read last is freed.
  const change = new Float64Array(graph.nodes.length + 2);
  const position = new Map(graph.nodes.map((node, at) => [node, at]));
  for (const value of results) {
    change[value === images ? 0 : (position.get(value.node) as number)] += bytesOf(value);
    change[(lastRead.get(value) as number) + 1] -= bytesOf(value);
  }
  let live = 0;
  return change.reduce((largest, delta) => {
    live += delta;
    return Math.max(largest, live);
  }, 0);
}

function bytesOf({ dtype, shape }: Value): number {
  return sizeOf(shape) * bytesPerElement[dtype];
}

function isInput(node: Node): node is Node<"Input"> {
  return node.op === "Input";
}
