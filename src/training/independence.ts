import { gradientsOf } from "../autodiff/index.js";
import type { TrainConfig } from "../config/index.js";
import type { FrameBatch } from "../data/index.js";
import { abs, concat, reduceMax, reshape, type Value } from "../graph/index.js";
import { reaching } from "../interference/index.js";
import type { Model } from "../models/index.js";
import { Program, resolveThreads } from "../runtime/index.js";
import type { HostTensor } from "../tensor/index.js";
import { buildLossGraph, type LossGraph } from "./loss-graph.js";
import { createTasks } from "./task-set.js";

/** What one task's loss does to one set of parameters. */
export interface GradientReach {
  /** The task whose loss is differentiated. */
  readonly loss: string;
  /** The task that the parameters serve. */
  readonly parametersOf: string;
  /** Largest absolute entry of the gradient, measured. */
  readonly largest: number;
}

/** Evidence that tasks do not touch each other's parameters. */
export interface Independence {
  /** Parameter tensors that each task's loss reaches by a differentiable path. */
  readonly reached: Readonly<Record<string, number>>;
  /** Those that more than one reaches: 0 where the tasks are independent. */
  readonly shared: number;
  /** Every loss by every task's own parameters, on a batch. */
  readonly gradients: readonly GradientReach[];
}

/**
 * Measures each task's gradient of the other tasks' parameters, which is exactly zero where nothing is shared; and
 * of its own, which shows that the measurement would see one.
 * @param tensors at least the model's parameters by name
 */
export async function measureIndependence(
  model: Model,
  config: TrainConfig,
  batch: FrameBatch,
  tensors: ReadonlyMap<string, HostTensor>,
): Promise<Independence> {
  const tasks = createTasks(model, config);
  const names = tasks.map(({ name }) => name);
  const prepared = tasks.map((task) => task.prepare(batch));
  const capacity = Math.max(1, ...prepared.map(({ rows }) => rows));
  const built = buildLossGraph(model, tasks, { ...config.size, batch: batch.frames.length, capacity });
  const reached = built.losses.map((loss) => reaching(loss, [...built.parameters.values()]));
  const own = reached.map((values, i) => [...values].filter((value) => servesAlone(value, reached, i)));
  outputLargest(built, own);
  const program = await Program.compile(built.graph, {
    device: config.device,
    threads: resolveThreads(config.threads),
  });
  try {
    const feeds = new Map<string, HostTensor>([...tensors, ["images", batch.images]]);
    for (const targets of prepared)
      for (const [name, tensor] of targets.feeds(capacity)) feeds.set(name, tensor);
    const results = await program.run(feeds);
    return {
      reached: Object.fromEntries(names.map((name, i) => [name, reached[i].size])),
      shared: [...built.parameters.values()].filter(
        (value) => reached.filter((values) => values.has(value)).length > 1,
      ).length,
      gradients: names.flatMap((loss, i) =>
        names.flatMap((parametersOf, j) => {
          const largest = results.get(`largest.${i}.${j}`);
          return largest ? [{ loss, parametersOf, largest: Number(largest.data[0]) }] : [];
        }),
      ),
    };
  } finally {
    await program.close();
  }
}

function servesAlone(value: Value, reached: readonly ReadonlySet<Value>[], task: number): boolean {
  return reached.every((values, i) => i === task || !values.has(value));
}

/** Names the outputs `largest.LOSS.OWNER`, by the tasks' numbers. */
function outputLargest({ graph, losses }: LossGraph, own: readonly (readonly Value[])[]): void {
  losses.forEach((loss, i) => {
    own.forEach((parameters, j) => {
      if (parameters.length > 0) graph.output(`largest.${i}.${j}`, largestOf(gradientsOf(loss, parameters)));
    });
  });
}

function largestOf(gradients: readonly Value[]): Value {
  return reduceMax(
    concat(
      gradients.map((gradient) => reshape(reduceMax(abs(gradient)), [1])),
      0,
    ),
  );
}
