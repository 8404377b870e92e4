import { fromNumbers, type HostTensor, sizeOf, toNumbers } from "../tensor/index.js";
import { interpretNode } from "./interpreter/interpret.js";
import { type Float64Tensor, tensor64 } from "./interpreter/rule.js";
import { Graph, type Node, type Value } from "./ir.js";

/** Results with more elements than this are computed at run time rather than stored in the model. */
const FOLDED_ELEMENTS = 4096;

/**
 * A new graph that computes the same outputs with less: constants folded, common subexpressions merged, dead code left
 * out. Inputs (unused ones too) and outputs keep their names and order. Values are equal but for the rounding of folded
 * constants, which are computed in float64 and rounded once for each operator.
 */
export function optimise(graph: Graph): Graph {
  // Dead code goes first so that nothing is folded in vain, and last because merging leaves some behind.
  const folded = foldConstants(eliminateDeadCode(graph));
  return eliminateDeadCode(mergeCommonSubexpressions(folded));
}

/** A new graph without the nodes that no output depends on; inputs stay. */
export function eliminateDeadCode(graph: Graph): Graph {
  const live = new Set<Node>([...graph.outputs.values()].map((value) => value.node));
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i];
    if (live.has(node)) for (const input of node.inputs) live.add(input.node);
  }
  return rebuild(graph, (node, inputs, target) => (live.has(node) ? copy(node, inputs, target) : []));
}

/**
 * A new graph in which nodes of the same operator, attributes and inputs are one node. Constants are the
 * same where dtype, shape and every bit of their elements are.
 */
export function mergeCommonSubexpressions(graph: Graph): Graph {
  const seen = new Map<string, readonly Value[]>();
  const constants = new ConstantKeys();
  return rebuild(graph, (node, inputs, target) => {
    const key = isConstant(node)
      ? constants.keyOf(node.attrs.tensor)
      : `${node.op} ${inputs.map((input) => input.id).join(",")} ${JSON.stringify(node.attrs)}`;
    const known = seen.get(key);
    if (known !== undefined) return known;
    const outputs = copy(node, inputs, target);
    seen.set(key, outputs);
    return outputs;
  });
}

/**
 * A new graph in which operators on constants are replaced by their results, rounded to their dtypes, where
 * no result has more than 4096 elements. StopGradient is left to stand: it is what says that no gradient
 * passes. Integer results that their dtype cannot hold are left to the runtime.
 */
export function foldConstants(graph: Graph): Graph {
  const known = new Map<number, Float64Tensor>();
  const tensorOf = (value: Value): Float64Tensor | undefined => {
    const { node } = value;
    if (isConstant(node) && !known.has(value.id)) {
      known.set(value.id, tensor64(value.shape, toNumbers(node.attrs.tensor)));
    }
    return known.get(value.id);
  };
  return rebuild(graph, (node, inputs, target) => {
    if (!isFoldable(node, inputs)) return copy(node, inputs, target);
    const results = interpretNode(node, inputs.map(tensorOf) as Float64Tensor[]);
    if (!node.outputs.every((output, i) => isRepresentable(output, results[i]))) {
      return copy(node, inputs, target);
    }
    return node.outputs.map((output, i) =>
      target.constant(fromNumbers(output.dtype, output.shape, results[i].data)),
    );
  });
}

function isFoldable(node: Node, inputs: readonly Value[]): boolean {
  return (
    node.op !== "StopGradient" &&
    inputs.length > 0 &&
    inputs.every((input) => isConstant(input.node)) &&
    node.outputs.every((output) => sizeOf(output.shape) <= FOLDED_ELEMENTS)
  );
}

const integerRanges = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint8: [0, 255],
  bool: [0, 1],
} as const;

function isRepresentable({ dtype }: Value, { data }: Float64Tensor): boolean {
  if (dtype === "float32" || dtype === "float64") return true;
  const [low, high] = integerRanges[dtype];
  return data.every((x) => x >= low && x <= high);
}

/** A copy of `graph` in which each node but the inputs is replaced by what `each` adds to the target. */
function rebuild(
  graph: Graph,
  each: (node: Node, inputs: readonly Value[], target: Graph) => readonly Value[],
): Graph {
  const target = new Graph();
  const moved = new Map<number, Value>();
  for (const node of graph.nodes) {
    const outputs = isInput(node)
      ? [target.input(node.attrs.name, node.outputs[0].dtype, node.outputs[0].shape)]
      : each(
          node,
          // Inputs of a node that is left out may have been left out too; nothing reads them then.
          node.inputs.map((input) => moved.get(input.id)!),
          target,
        );
    outputs.forEach((output, i) => {
      moved.set(node.outputs[i].id, output);
    });
  }
  for (const [name, value] of graph.outputs) target.output(name, moved.get(value.id)!);
  return target;
}

function copy(node: Node, inputs: readonly Value[], target: Graph): readonly Value[] {
  return target.apply(node.op, inputs, node.attrs);
}

function isInput(node: Node): node is Node<"Input"> {
  return node.op === "Input";
}

function isConstant(node: Node): node is Node<"Constant"> {
  return node.op === "Constant";
}

/** Gives equal keys to equal constants: a hash finds candidates, comparing bytes decides. */
class ConstantKeys {
  readonly #byHash = new Map<string, { key: string; bytes: Uint8Array }[]>();
  #count = 0;

  keyOf({ dtype, shape, data }: HostTensor): string {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const hash = `${dtype} ${shape.join(",")} ${fnv1a(bytes)}`;
    const candidates = this.#byHash.get(hash) ?? [];
    this.#byHash.set(hash, candidates);
    const same = candidates.find((candidate) => bytes.every((byte, i) => byte === candidate.bytes[i]));
    if (same !== undefined) return same.key;
    const key = `Constant ${this.#count++}`;
    candidates.push({ key, bytes });
    return key;
  }
}

function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash >>> 0;
}
