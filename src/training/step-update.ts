import { type Graph, mul, type Value } from "../graph/index.js";
import { clipFactor, globalNorm, movingAverage } from "../optim/index.js";
import type { StateLayout } from "./state-layout.js";
import { stateNames } from "./state-names.js";
import { flatInput, scalarInput } from "./step-forward.js";
import type { StepGraphOptions } from "./step-options.js";

/** A parameter group with its accumulated gradient. */
export interface GroupGradient {
  readonly group: StateLayout["parameters"][number];
  /** Parameters, float [n]. */
  readonly flat: Value;
  /** Their gradient, float [n]. */
  readonly gradient: Value;
}

/**
 * Clips the gradient, moves the parameters and their average. Names the outputs `gradientNorm` (before clipping) and
 * the next state.
 * @returns the next parameters by group
 */
export function buildUpdate(
  graph: Graph,
  options: Pick<StepGraphOptions, "optimiser" | "clipNorm" | "weightDecay">,
  groups: readonly GroupGradient[],
): Map<string, Value> {
  const keep = scalarInput(graph, "ema.keep");
  const norm = globalNorm(groups.map(({ gradient }) => gradient));
  graph.output("gradientNorm", norm);
  const factor = options.clipNorm > 0 ? clipFactor(norm, options.clipNorm) : null;
  return new Map(
    groups.map(({ group, flat, gradient }) => {
      const clipped = factor ? mul(gradient, factor) : gradient;
      const next = updateGroup(graph, options, { group, flat, gradient: clipped });
      const average = flatInput(graph, stateNames.average(group.name), group);
      graph.output(stateNames.next(stateNames.average(group.name)), movingAverage(average, next, keep));
      return [group.name, next];
    }),
  );
}

/** The optimiser's update of one group; returns the next parameters. */
function updateGroup(
  graph: Graph,
  { optimiser, weightDecay }: Pick<StepGraphOptions, "optimiser" | "weightDecay">,
  { group, flat, gradient }: GroupGradient,
): Value {
  const slots: Record<string, Value> = {};
  for (const slot of optimiser.slots) {
    slots[slot] = flatInput(graph, stateNames.slot(slot, group.name), group);
  }
  const decays = group.role === "weight" && weightDecay > 0;
  const next = optimiser.update({
    graph,
    parameters: flat,
    gradient,
    slots,
    decay: decays ? scalarInput(graph, "weightDecay") : null,
    terms: {
      rate: scalarInput(graph, `rate.${group.name}`),
      coefficient: (name) => scalarInput(graph, `optimiser.${name}`),
    },
  });
  graph.output(stateNames.next(stateNames.parameters(group.name)), next.parameters);
  for (const slot of optimiser.slots) {
    graph.output(stateNames.next(stateNames.slot(slot, group.name)), next.slots[slot]);
  }
  return next.parameters;
}
