import { EchoDuetError } from "../errors.js";
import { inferTypes } from "./inference.js";
import type { Graph, Node, Value } from "./ir.js";
import { showType } from "./value-type.js";

/**
 * Checks that a graph is well formed: every node comes after the nodes that it reads, every value belongs to
 * the graph under an id of its own, the recorded types are those that inference gives, names match their
 * inputs, and there is at least one output, each computed by a node of the graph.
 * @throws EchoDuetError `graph` for the first thing that is wrong.
 */
export function verify(graph: Graph): void {
  const defined = new Set<Value>();
  const ids = new Set<number>();
  for (const [position, node] of graph.nodes.entries()) {
    const subject = `node ${position} (${node.op})`;
    verifyOperands(subject, node, defined);
    verifyTypes(subject, node);
    for (const [index, output] of node.outputs.entries()) {
      if (output.graph !== graph || output.node !== node || output.index !== index) {
        malformed(`${subject}: output ${index} (%${output.id}) expects to name this graph, node and index`);
      }
      if (ids.has(output.id)) malformed(`${subject}: %${output.id} is the id of two values`);
      ids.add(output.id);
      defined.add(output);
    }
  }
  verifyNames(graph, defined);
}

function verifyOperands(subject: string, node: Node, defined: ReadonlySet<Value>): void {
  for (const [index, input] of node.inputs.entries()) {
    if (!defined.has(input)) {
      malformed(`${subject}: input ${index} (%${input.id}) expects to be computed by an earlier node`);
    }
  }
}

function verifyTypes(subject: string, node: Node): void {
  // Inputs declare their type; every other type follows from a rule.
  if (node.op === "Input") return;
  const recorded = node.outputs.map(showType).join(", ");
  const inferred = inferTypes(node.op, node.inputs, node.attrs).map(showType).join(", ");
  if (recorded !== inferred) malformed(`${subject}: expects ${inferred}, got ${recorded}`);
}

function verifyNames(graph: Graph, defined: ReadonlySet<Value>): void {
  for (const node of graph.nodes) {
    if (isInput(node) && graph.inputs.get(node.attrs.name) !== node.outputs[0]) {
      malformed(`input ${node.attrs.name}: expects to be listed among the graph's inputs`);
    }
  }
  for (const [name, value] of graph.inputs) {
    if (!isInput(value.node) || value.node.attrs.name !== name || !defined.has(value)) {
      malformed(`input ${name}: expects a node of the graph that declares it`);
    }
  }
  if (graph.outputs.size === 0) malformed("graph: expects at least one output; name one with Graph.output");
  for (const [name, value] of graph.outputs) {
    if (graph.inputs.has(name)) malformed(`output ${name}: expects a name that no input has`);
    if (!defined.has(value)) malformed(`output ${name}: expects to be computed by a node of the graph`);
  }
}

function isInput(node: Node): node is Node<"Input"> {
  return node.op === "Input";
}

function malformed(message: string): never {
  throw new EchoDuetError("graph", message);
}
