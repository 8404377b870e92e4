import { EchoDuetError } from "../../errors.js";
import { showShape, sizeOf, toNumbers } from "../../tensor/index.js";
import type { Graph, Node, Value } from "../ir.js";
import type { OpName } from "../ops.js";
import { elementwiseRules } from "./elementwise.js";
import { networkRules } from "./networks.js";
import { reductionRules } from "./reductions.js";
import { type Float64Tensor, type InterpreterRule, tensor64 } from "./rule.js";
import { shapeRules } from "./shape.js";

/** The elements of each input, by name, in row-major order. */
export type Feeds = Readonly<Record<string, ArrayLike<number | bigint>>>;

const rules: { [K in OpName]: InterpreterRule<K> } = {
  Input: (_, { name }) => {
    throw new EchoDuetError("graph", `input ${name}: is fed, not computed`);
  },
  Constant: (_, { tensor }) => [tensor64(tensor.shape, toNumbers(tensor))],
  ...elementwiseRules,
  ...reductionRules,
  ...shapeRules,
  ...networkRules,
};

/**
 * The graph's outputs, by name, computed in float64 from `feeds`.
 *
 * This is the reference that derivatives, passes and runtimes are checked against: every dtype is held in
 * float64 (booleans as 0 and 1), so a Cast to float32 does not round and one to an integer truncates but never
 * wraps. Inputs that no output needs may be left out.
 * @throws EchoDuetError `graph` for a feed that is missing, unknown or of the wrong length, and for an index
 *   outside the rows of Gather or ScatterAdd.
 */
export function interpret(graph: Graph, feeds: Feeds): Map<string, Float64Tensor> {
  const names = [...graph.outputs.keys()];
  const results = compute(graph, [...graph.outputs.values()], feeds);
  return new Map(names.map((name, i) => [name, results[i]]));
}

/**
 * `values` of one graph, computed in float64 as `interpret` does.
 * @throws EchoDuetError `graph`, as `interpret`.
 */
export function interpretValues(values: readonly Value[], feeds: Feeds): Float64Tensor[] {
  return values.length === 0 ? [] : compute(values[0].graph, values, feeds);
}

/** One node's outputs from its inputs' tensors, as `interpret` computes them. */
export function interpretNode<K extends OpName>(
  node: Node<K>,
  inputs: readonly Float64Tensor[],
): Float64Tensor[] {
  return (rules[node.op] as InterpreterRule<K>)(inputs, node.attrs, node.outputs);
}

function compute(graph: Graph, wanted: readonly Value[], feeds: Feeds): Float64Tensor[] {
  requireKnownFeeds(graph, feeds);
  const needed = ancestors(wanted);
  const known = new Map<number, Float64Tensor>();
  for (const node of graph.nodes) {
    if (!needed.has(node)) continue;
    const results = isInput(node)
      ? [feedOf(node, feeds)]
      : interpretNode(
          node,
          node.inputs.map((input) => known.get(input.id)!),
        );
    node.outputs.forEach((output, i) => {
      known.set(output.id, results[i]);
    });
  }
  return wanted.map((value) => known.get(value.id)!);
}

/** The nodes that `wanted` are computed from. */
function ancestors(wanted: readonly Value[]): Set<Node> {
  const found = new Set<Node>();
  const pending = wanted.map((value) => value.node);
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (found.has(node)) continue;
    found.add(node);
    for (const input of node.inputs) pending.push(input.node);
  }
  return found;
}

function isInput(node: Node): node is Node<"Input"> {
  return node.op === "Input";
}

function feedOf(node: Node<"Input">, feeds: Feeds): Float64Tensor {
  const { name } = node.attrs;
  const { shape } = node.outputs[0];
  if (!Object.hasOwn(feeds, name)) {
    throw new EchoDuetError("graph", `input ${name}: expects ${showShape(shape)}, got no feed`);
  }
  const feed = feeds[name];
  if (feed.length !== sizeOf(shape)) {
    throw new EchoDuetError(
      "graph",
      `input ${name}: ${showShape(shape)} expects ${sizeOf(shape)} elements, got ${feed.length}`,
    );
  }
  return tensor64(shape, Float64Array.from(feed, Number));
}

function requireKnownFeeds(graph: Graph, feeds: Feeds): void {
  for (const name of Object.keys(feeds)) {
    if (!graph.inputs.has(name)) {
      const names = [...graph.inputs.keys()].join(", ") || "none";
      throw new EchoDuetError("graph", `feed ${name}: is no input of the graph, whose inputs are ${names}`);
    }
  }
}
