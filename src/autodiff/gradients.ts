import { EchoDuetError } from "../errors.js";
import { add, filled, type Node, type Value } from "../graph/index.js";
import { isFloat, sameShape, showShape } from "../tensor/index.js";
import { ruleOf } from "./vjp-table.js";

/** A value and the cotangent (dL/dvalue) with which the backward pass starts there. */
export interface Seed {
  readonly value: Value;
  readonly cotangent: Value;
}

/**
 * Reverse-mode differentiation: for each of `wrt`, the sum over the seeds of cotangentᵀ · d value / d wrt.
 *
 * The backward operators are added to the values' own graph. Only nodes on a path from `wrt` to a seed
 * are visited; a value of `wrt` that no seed depends on gets zeros.
 * @returns one gradient for each of `wrt`, of its dtype and shape.
 * @throws EchoDuetError `graph` where a path leads through an operator that has no gradient, naming it.
 */
export function gradients(seeds: readonly Seed[], wrt: readonly Value[]): Value[] {
  const cotangents = new Map<Value, Value>();
  const accumulate = (value: Value, ct: Value): void => {
    const known = cotangents.get(value);
    cotangents.set(value, known ? add(known, ct) : ct);
  };
  for (const { value, cotangent } of seeds) {
    if (!sameShape(value.shape, cotangent.shape)) {
      throw new EchoDuetError(
        "graph",
        `gradients: expects a cotangent of ${showShape(value.shape)}, got ${showShape(cotangent.shape)}`,
      );
    }
    accumulate(value, cotangent);
  }
  if (wrt.length > 0) {
    const graph = wrt[0].graph;
    const nodes = graph.nodes.slice();
    const active = activeValues(nodes, wrt);
    for (const node of nodes.reverse()) {
      const cts = node.outputs.map((output) => cotangents.get(output) ?? null);
      if (node.inputs.some((input) => active.has(input)) && cts.some((ct) => ct !== null)) {
        propagate(node, cts, active, accumulate);
      }
    }
  }
  return wrt.map((value) => cotangents.get(value) ?? filled(value.graph, value.shape, 0, value.dtype));
}

/** The gradient of a scalar loss with respect to each of `wrt`. */
export function gradientsOf(loss: Value, wrt: readonly Value[]): Value[] {
  return gradients([{ value: loss, cotangent: filled(loss.graph, loss.shape, 1, loss.dtype) }], wrt);
}

/** Every floating-point value that depends on one of `wrt`, themselves included. */
function activeValues(nodes: readonly Node[], wrt: readonly Value[]): Set<Value> {
  const active = new Set<Value>(wrt);
  for (const node of nodes) {
    if (node.op === "StopGradient" || !node.inputs.some((input) => active.has(input))) continue;
    for (const output of node.outputs) if (isFloat(output.dtype)) active.add(output);
  }
  return active;
}

function propagate(
  node: Node,
  cts: readonly (Value | null)[],
  active: ReadonlySet<Value>,
  accumulate: (value: Value, ct: Value) => void,
): void {
  const rule = ruleOf(node);
  if (!(typeof rule === "function")) {
    throw new EchoDuetError("graph", `gradients: ${node.op} has no gradient: ${rule.notDifferentiable}`);
  }
  const ct = cts[0] ?? filled(node.outputs[0].graph, node.outputs[0].shape, 0, node.outputs[0].dtype);
  const results = rule({ inputs: node.inputs, outputs: node.outputs, attrs: node.attrs, ct, cts });
  node.inputs.forEach((input, i) => {
    const result = results[i];
    if (result && active.has(input)) accumulate(input, result);
  });
}
