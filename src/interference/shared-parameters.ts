import type { Value } from "../graph/index.js";
import { isFloat } from "../tensor/index.js";

/**
 * Those of `candidates` on which `target` depends by a differentiable path: one through floating-point values
 * alone, and through no StopGradient.
 * @param target a loss, or any other value
 * @param candidates values of the same graph, such as parameters
 * @param options `throughStopGradient` asks for dependence of the value, whether or not a gradient flows
 */
export function reaching(
  target: Value,
  candidates: readonly Value[],
  options: { readonly throughStopGradient?: boolean } = {},
): Set<Value> {
  const wanted = new Set(candidates);
  const found = new Set<Value>();
  const seen = new Set<Value>();
  const pending = [target];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (seen.has(value)) continue;
    seen.add(value);
    if (wanted.has(value)) found.add(value);
    if (value.node.op === "StopGradient" && !options.throughStopGradient) continue;
    for (const input of value.node.inputs) if (isFloat(input.dtype)) pending.push(input);
  }
  return found;
}

/**
 * The parameters that the losses of at least two tasks reach, in their own order: where tasks can interfere.
 * @param losses one scalar a task
 * @param parameters values of the same graph by name
 * @returns names; empty where each parameter serves one task, so that the cross-task gradient is exactly zero
 */
export function sharedParameters(
  losses: readonly Value[],
  parameters: ReadonlyMap<string, Value>,
): readonly string[] {
  const reached = losses.map((loss) => reaching(loss, [...parameters.values()]));
  return [...parameters]
    .filter(([, value]) => reached.filter((values) => values.has(value)).length >= 2)
    .map(([name]) => name);
}

/** What there is to say where {@link sharedParameters} finds none. */
export const nothingShared = "no shared parameters: the cross-task gradient is exactly zero";
