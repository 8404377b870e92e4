import { type Graph, mul, type Value } from "../graph/index.js";
import { clipFactor, globalNorm, movingAverage } from "../optim/index.js";
import { type ParameterGroup, partName } from "./state-layout.js";
import { stateNames } from "./state-names.js";
import { flatInput, scalarInput } from "./step-forward.js";
import type { TrainedPart } from "./step-options.js";

/** A parameter group with its accumulated gradient. */
export interface GroupGradient {
  readonly group: ParameterGroup;
  /** Parameters, float [n]. */
  readonly flat: Value;
  /** Their gradient, float [n]. */
  readonly gradient: Value;
}

/**
 * Clips each part's gradient, moves the parameters and their average. Names the outputs `gradientNorm` (before
 * clipping; of each branch, `BRANCH.gradientNorm`) and the next state.
 * @returns the next parameters by group
 */
export function buildUpdate(
  graph: Graph,
  parts: readonly TrainedPart[],
  groups: readonly GroupGradient[],
): Map<string, Value> {
  return new Map(
    parts.flatMap((part) =>
      updatePart(
        graph,
        part,
        groups.filter(({ group }) => group.branch === part.branch),
      ),
    ),
  );
}

function updatePart(graph: Graph, part: TrainedPart, groups: readonly GroupGradient[]): [string, Value][] {
  const keep = scalarInput(graph, "ema.keep");
  const norm = globalNorm(groups.map(({ gradient }) => gradient));
  graph.output(partName(part.branch, "gradientNorm"), norm);
  const factor = part.settings.clipNorm > 0 ? clipFactor(norm, part.settings.clipNorm) : null;
  return groups.map(({ group, flat, gradient }) => {
    const clipped = factor ? mul(gradient, factor) : gradient;
    const next = updateGroup(graph, part, { group, flat, gradient: clipped });
    const average = flatInput(graph, stateNames.average(group.name), group);
    graph.output(stateNames.next(stateNames.average(group.name)), movingAverage(average, next, keep));
    return [group.name, next];
  });
}

/** The optimiser's update of one group; returns the next parameters. */
function updateGroup(
  graph: Graph,
  { branch, optimiser, settings }: TrainedPart,
  { group, flat, gradient }: GroupGradient,
): Value {
  const slots: Record<string, Value> = {};
  for (const slot of optimiser.slots) {
    slots[slot] = flatInput(graph, stateNames.slot(slot, group.name), group);
  }
  const decays = group.role === "weight" && settings.weightDecay > 0;
  const next = optimiser.update({
    graph,
    parameters: flat,
    gradient,
    slots,
    decay: decays ? scalarInput(graph, partName(branch, "weightDecay")) : null,
    terms: {
      rate: scalarInput(graph, `rate.${group.name}`),
      coefficient: (name) => scalarInput(graph, partName(branch, `optimiser.${name}`)),
    },
  });
  graph.output(stateNames.next(stateNames.parameters(group.name)), next.parameters);
  for (const slot of optimiser.slots) {
    graph.output(stateNames.next(stateNames.slot(slot, group.name)), next.slots[slot]);
  }
  return next.parameters;
}
