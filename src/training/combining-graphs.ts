import { gradientsOf } from "../autodiff/index.js";
import { EchoDuetError } from "../errors.js";
import {
  add,
  cast,
  concat,
  Graph,
  greater,
  mul,
  reduceSum,
  reshape,
  slice,
  type Value,
} from "../graph/index.js";
import { nothingShared, sharedParameters } from "../interference/index.js";
import { sizeOf } from "../tensor/index.js";
import type { FlatGroup, StateLayout } from "./state-layout.js";
import { stateNames } from "./state-names.js";
import { batchVectors, buildForward, flatInput, scalarInput, stack, windowVectors } from "./step-forward.js";
import type { StepGraph } from "./step-graph.js";
import type { CombiningStepOptions } from "./step-options.js";
import { buildUpdate } from "./step-update.js";

/** A training step in two halves, between which the host turns the Gram matrix into one weight a task. */
export interface CombiningGraphs {
  /** Forward, losses, each task's gradient of every parameter, accumulation, Gram matrix. */
  readonly gradients: StepGraph;
  /** Combination, clipping, optimiser, moving average of the parameters. */
  readonly update: Graph;
}

/** Elements [start, end) of a group, all shared or all of one task. */
interface Run {
  readonly start: number;
  readonly end: number;
  readonly shared: boolean;
}

/**
 * The halves of a step whose balancer combines gradients. The first has the outputs of `buildStepGraph` but for
 * parameters, optimiser and weights, and `gram`, float [tasks, tasks]: the products of the tasks' gradients
 * of all shared parameters, each summed over the accumulated batches (`balance.counted` tells which tasks had a valid target in
 * them). The second is fed `combination`, float [tasks].
 */
export function buildCombiningGraphs(options: CombiningStepOptions): CombiningGraphs {
  const { layout, tasks, balancer } = options;
  const forward = buildForward(options);
  const { graph, trained, terms } = forward;
  const weighted = terms.map(({ loss, scale }, i) => mul(mul(loss, scale), balancer.lossWeights[i]));
  const values = [...trained.values()];
  const shared = new Set(sharedParameters(weighted, trained));
  if (shared.size === 0) {
    throw new EchoDuetError(
      "config",
      `${balancer.name}: expects tasks that share parameters, got ${options.model.name} with ${nothingShared}; use --balancer static`,
    );
  }
  const runs = new Map(layout.parameters.map((group) => [group.name, runsOf(group, shared)]));

  const retain = scalarInput(graph, "accumulate.retain");
  const window = windowVectors(graph, batchVectors(terms), retain);
  graph.output("balance.counted", cast(greater(window.counts, 0), "float32"));
  // By task, then by group.
  const sums = weighted.map((loss, i) => {
    const gradients = new Map(gradientsOf(loss, values).map((gradient, j) => [values[j], gradient]));
    return layout.parameters.map((group) => {
      const pieces = group.entries.map(({ name, shape }) =>
        reshape(gradients.get(trained.get(name) as Value) as Value, [sizeOf(shape)]),
      );
      const state = stateNames.taskAccumulated(tasks[i].name, group.name);
      const sum = add(flatInput(graph, state, group), concat(pieces, 0));
      graph.output(stateNames.next(state), sum);
      return sum;
    });
  });
  graph.output("gram", gramOf(sums, layout, runs));
  if (options.inspect) outputGradients(graph, options, sums);
  return {
    gradients: { graph, dropouts: forward.dropouts },
    update: buildCombinedUpdate(options, runs),
  };
}

/** The consecutive entries of a group that are alike, as few runs as possible. */
function runsOf(group: FlatGroup, sharedNames: ReadonlySet<string>): Run[] {
  const runs: Run[] = [];
  for (const { name, shape, offset } of group.entries) {
    const shared = sharedNames.has(name);
    const end = offset + sizeOf(shape);
    const last = runs.at(-1);
    if (last?.shared === shared) runs[runs.length - 1] = { ...last, end };
    else runs.push({ start: offset, end, shared });
  }
  return runs;
}

function gramOf(
  sums: readonly (readonly Value[])[],
  layout: StateLayout,
  runs: ReadonlyMap<string, readonly Run[]>,
): Value {
  const shared = sums.map((groups) =>
    groups.flatMap((sum, g) =>
      (runs.get(layout.parameters[g].name) as Run[])
        .filter((run) => run.shared)
        .map((run) => slice(sum, 0, run.start, run.end)),
    ),
  );
  const dot = (a: readonly Value[], b: readonly Value[]) =>
    a.map((value, i) => reduceSum(mul(value, b[i]))).reduce((total, part) => add(total, part));
  const products = shared.map((row, i) =>
    shared.map((column, j) => (j < i ? dot(column, row) : dot(row, column))),
  );
  return reshape(stack(products.flat()), [sums.length, sums.length]);
}

function buildCombinedUpdate(
  options: CombiningStepOptions,
  runs: ReadonlyMap<string, readonly Run[]>,
): Graph {
  const { layout, tasks } = options;
  const graph = new Graph();
  const combination = graph.input("combination", "float32", [tasks.length]);
  const weights = tasks.map((_, i) => reshape(slice(combination, 0, i, i + 1), []));
  const groups = layout.parameters.map((group) => {
    const sums = tasks.map(({ name }) =>
      flatInput(graph, stateNames.taskAccumulated(name, group.name), group),
    );
    const pieces = (runs.get(group.name) as Run[]).map(({ start, end, shared }) =>
      sums
        .map((sum) => slice(sum, 0, start, end))
        // Of a parameter that one task alone reaches, the others' gradients are zero.
        .map((sum, i) => (shared ? mul(sum, weights[i]) : sum))
        .reduce((total, part) => add(total, part)),
    );
    const flat = flatInput(graph, stateNames.parameters(group.name), group);
    return { group, flat, gradient: concat(pieces, 0) };
  });
  buildUpdate(graph, options.parts, groups);
  return graph;
}

function outputGradients(
  graph: Graph,
  { layout }: CombiningStepOptions,
  sums: readonly (readonly Value[])[],
): void {
  layout.parameters.forEach((group, g) => {
    const total = sums.map((groups) => groups[g]).reduce((a, b) => add(a, b));
    for (const { name, shape, offset } of group.entries) {
      graph.output(`gradient.${name}`, slice(total, 0, offset, offset + sizeOf(shape)));
    }
  });
}
