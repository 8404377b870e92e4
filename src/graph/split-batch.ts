import { sizeOf } from "../tensor/index.js";
import { add, concat, div, mul, split, sub } from "./functions.js";
import { Graph, type Node, type Value } from "./ir.js";
import type { OpName } from "./ops.js";
import { eliminateDeadCode } from "./passes.js";

/** How large the parts of a batch are. */
export interface PartLimits {
  /** Images that a part has at least. */
  readonly leastImages: number;
  /** Bytes of the largest value of a part, where that many hold the least images. */
  readonly partBytes: number;
  /** A value of a batch that has fewer bytes stays whole. */
  readonly fromBytes: number;
}

/** Operators that treat every image alone. Operands that are no images serve all: weights, vectors of channels, scalars. */
const alone: ReadonlySet<OpName> = new Set([
  "Add",
  "ChannelAffine",
  "ChannelBlend",
  "Concat",
  "Conv",
  "ConvInputGrad",
  "Mul",
  "Normalise",
  "Relu",
  "Sigmoid",
  "Silu",
  "SiluGrad",
  "Slice",
  "Split",
  "Sub",
  "SumPool",
  "UpsampleNearest",
]);

/** Operators that put all images together in a result without a batch. */
const together: ReadonlySet<OpName> = new Set(["BatchNorm", "ChannelDot", "ConvWeightGrad", "ReduceSum"]);

/**
 * A new graph in which a training step computes large values of its batch in parts of a few images, each as far as the
 * next result in which all images have a say: a batch's statistics, a weight's gradient. A part then stays in the
 * processor's caches from one operator to the next, where the whole batch goes to memory and back. Outputs are equal
 * but for rounding. A graph without batch statistics is no training step and stays as it is.
 */
export function splitBatch(graph: Graph, limits: PartLimits): Graph {
  if (!graph.nodes.some((node) => node.op === "BatchNorm")) return graph;
  const splitter = new BatchSplitter(imagesOf(graph), limits);
  for (const node of graph.nodes) splitter.add(node);
  for (const [name, value] of graph.outputs) splitter.target.output(name, splitter.whole(value));
  return eliminateDeadCode(splitter.target);
}

/** What convolutions read, write and differentiate, and what is made of it image by image: [batch, channels, height, width]. */
function imagesOf(graph: Graph): ReadonlySet<Value> {
  const images = new Set<Value>();
  for (const { op, inputs, outputs } of graph.nodes) {
    if (op === "Conv" || op === "ConvInputGrad") images.add(inputs[0]).add(outputs[0]);
    const follows = op === "BatchNorm" || alone.has(op);
    if (!follows || !inputs.some((input) => images.has(input))) continue;
    for (const output of outputs) {
      if (output.shape.length === 4 && output.dtype === "float32") images.add(output);
    }
  }
  return images;
}

class BatchSplitter {
  readonly target = new Graph();
  readonly #images: ReadonlySet<Value>;
  readonly #fromBytes: number;
  /** Images of a part, by those of the batch. */
  readonly #partImages = new Map<number, number>();
  // A value of the source has one of these or both: what the target has for it.
  readonly #whole = new Map<Value, Value>();
  readonly #parts = new Map<Value, readonly Value[]>();

  constructor(images: ReadonlySet<Value>, limits: PartLimits) {
    this.#images = images;
    this.#fromBytes = limits.fromBytes;
    for (const value of images) {
      const [batch] = value.shape;
      const most = partImages(batch, bytesOf(value) / batch, limits);
      this.#partImages.set(batch, Math.min(most, this.#partImages.get(batch) ?? batch));
    }
  }

  /** Adds to the target what a node of the source is there. */
  add(node: Node): void {
    const batch = node.inputs.find((input) => this.#images.has(input))?.shape[0];
    if (is(node, "Input")) {
      const [value] = node.outputs;
      this.#whole.set(value, this.target.input(node.attrs.name, value.dtype, value.shape));
    } else if (batch === undefined || !this.#isSplit(node, batch)) this.#addWhole(node);
    else if (is(node, "BatchNorm")) this.#addBatchNorm(node);
    else if (is(node, "ConvWeightGrad")) this.#addWeightGrad(node);
    else if (together.has(node.op)) this.#addSum(node);
    else this.#addParts(node, batch);
  }

  /** The target's value of the whole batch. */
  whole(value: Value): Value {
    const known = this.#whole.get(value);
    if (known) return known;
    const joined = concat(this.#parts.get(value) as readonly Value[], 0);
    this.#whole.set(value, joined);
    return joined;
  }

  #isSplit(node: Node, batch: number): boolean {
    const { op, inputs, outputs } = node;
    const images = inputs.filter((input) => this.#images.has(input));
    if (this.#partImages.get(batch) === batch || images.some(({ shape }) => shape[0] !== batch)) return false;
    // Operators that also reach across the batch do not here.
    if ((is(node, "Concat") || is(node, "Split")) && node.attrs.axis === 0) return false;
    if (is(node, "Slice") && node.attrs.ends[0] - node.attrs.starts[0] !== batch) return false;
    if (is(node, "ReduceSum") && !node.attrs.axes.includes(0)) return false;
    const isApart = images.some((input) => !this.#whole.has(input));
    return together.has(op) ? isApart : alone.has(op) && (isApart || bytesOf(outputs[0]) >= this.#fromBytes);
  }

  #partsOf(value: Value): readonly Value[] {
    const known = this.#parts.get(value);
    if (known) return known;
    const images = this.#partImages.get(value.shape[0]) as number;
    const parts = split(this.whole(value), 0, Array(value.shape[0] / images).fill(images));
    this.#parts.set(value, parts);
    return parts;
  }

  #addWhole({ op, attrs, inputs, outputs }: Node): void {
    const results = this.target.apply(
      op,
      inputs.map((input) => this.whole(input)),
      attrs,
    );
    for (const [i, output] of outputs.entries()) this.#whole.set(output, results[i]);
  }

  /** The results of a node for each part: of its own images, and of the operands that serve all. */
  #applyToParts<K extends OpName>(
    node: Node<K>,
    batch: number,
    attrs: Node<K>["attrs"],
  ): (readonly Value[])[] {
    const takesWeight = node.op === "Conv" || node.op === "ConvInputGrad";
    const operands = node.inputs.map((input, i) => {
      const { shape } = input;
      const isOwn = shape.length === 4 && shape[0] === batch && !(takesWeight && i > 0);
      return isOwn ? this.#partsOf(input) : this.whole(input);
    });
    const count = batch / (this.#partImages.get(batch) as number);
    return Array.from({ length: count }, (_, part) =>
      this.target.apply(
        node.op,
        operands.map((operand) => ("graph" in operand ? operand : operand[part])),
        attrs,
      ),
    );
  }

  #addParts(node: Node, batch: number): void {
    const attrs = is(node, "Slice")
      ? { ...node.attrs, ends: [this.#partImages.get(batch) as number, ...node.attrs.ends.slice(1)] }
      : node.attrs;
    const results = this.#applyToParts(node, batch, attrs);
    for (const [i, output] of node.outputs.entries()) {
      const parts = results.map((outputs) => outputs[i]);
      if (bytesOf(output) >= this.#fromBytes) this.#parts.set(output, parts);
      else this.#whole.set(output, concat(parts, 0));
    }
  }

  /** A sum over images as that of the parts' sums. */
  #addSum(node: Node): void {
    const sums = this.#applyToParts(node, node.inputs[0].shape[0], node.attrs);
    this.#whole.set(node.outputs[0], sums.map(([sum]) => sum).reduce(add));
  }

  #addWeightGrad({ op, attrs, inputs, outputs }: Node<"ConvWeightGrad">): void {
    const [x, dy] = inputs.map((input) => this.#partsOf(input));
    const pairs = x.flatMap((part, i) => [part, dy[i]]);
    this.#whole.set(outputs[0], this.target.apply(op, pairs, attrs)[0]);
  }

  /**
   * With means m and variances v of equal parts: mean = average of m; variance = average of v + (m - mean)², without the
   * cancellation of the square's average less the average's square (Chan, Golub and LeVeque, 1979).
   */
  #addBatchNorm(node: Node<"BatchNorm">): void {
    const [x, scale, bias] = node.inputs;
    const average = (values: readonly Value[]) => div(values.reduce(add), values.length);
    const statistics = this.#applyToParts(node, x.shape[0], node.attrs);
    const mean = average(statistics.map(([, own]) => own));
    const variance = average(
      statistics.map(([, own, spread]) => {
        const apart = sub(own, mean);
        return add(spread, mul(apart, apart));
      }),
    );
    const vectors = [this.whole(scale), this.whole(bias), mean, variance];
    const parts = this.#partsOf(x).map(
      (part) => this.target.apply("Normalise", [part, ...vectors], node.attrs)[0],
    );
    const [y, ownMean, ownVariance] = node.outputs;
    this.#parts.set(y, parts);
    this.#whole.set(ownMean, mean).set(ownVariance, variance);
  }
}

/** Of the numbers of images that divide a batch: the largest whose value fits, or the least that is allowed. */
function partImages(batch: number, imageBytes: number, { leastImages, partBytes }: PartLimits): number {
  const allowed = Array.from({ length: batch }, (_, i) => i + 1).filter(
    (images) => batch % images === 0 && images >= Math.min(leastImages, batch),
  );
  return allowed.findLast((images) => images * imageBytes <= partBytes) ?? allowed[0];
}

function bytesOf({ shape }: Value): number {
  return Float32Array.BYTES_PER_ELEMENT * sizeOf(shape);
}

function is<K extends OpName>(node: Node, op: K): node is Node<K> {
  return node.op === op;
}
