import { type HostTensor, showShape } from "../tensor/index.js";
import type { Graph, Node, Value } from "./ir.js";
import { showType } from "./value-type.js";

/** Constants of up to this many elements are printed whole. */
const SHOWN_ELEMENTS = 8;

/**
 * A graph as text: its inputs, one line a node, its outputs.
 *
 *     inputs
 *       x: %0 : float32[1, 3, 8, 8]
 *     %12 = Conv(%3, %7) {strides: [2, 2], pads: [1, 1]} : float32[8, 16, 160, 160]
 *     outputs
 *       y: %12
 */
export function print(graph: Graph): string {
  const inputs = [...graph.inputs].map(([name, value]) => `  ${name}: ${show(value)} : ${showType(value)}`);
  const nodes = graph.nodes.filter((node) => node.op !== "Input").map(printNode);
  const outputs = [...graph.outputs].map(([name, value]) => `  ${name}: ${show(value)}`);
  return ["inputs", ...inputs, ...nodes, "outputs", ...outputs].join("\n");
}

/** One node on one line, as `print` shows it. */
export function printNode(node: Node): string {
  const results = node.outputs.map(show).join(", ");
  const operands = node.inputs.map(show).join(", ");
  const types = node.outputs.map(showType).join(", ");
  return `${results} = ${node.op}(${operands})${showAttributes(node.attrs)} : ${types}`;
}

function show(value: Value): string {
  return `%${value.id}`;
}

function showAttributes(attrs: object): string {
  const entries = Object.entries(attrs).map(([name, value]) => `${name}: ${showAttribute(value)}`);
  return entries.length === 0 ? "" : ` {${entries.join(", ")}}`;
}

function showAttribute(value: unknown): string {
  if (Array.isArray(value)) return showShape(value);
  return typeof value === "object" && value !== null ? showTensor(value as HostTensor) : String(value);
}

function showTensor({ data }: HostTensor): string {
  const shown = Array.from<number | bigint>(data.subarray(0, SHOWN_ELEMENTS)).join(", ");
  return data.length <= SHOWN_ELEMENTS ? `[${shown}]` : `[${shown}, ... ${data.length} elements]`;
}
