import { gradientsOf } from "../autodiff/index.js";
import type { TrainConfig } from "../config/index.js";
import type { FrameBatch, FrameRecord } from "../data/index.js";
import type { Graph, Value } from "../graph/index.js";
import {
  type Conflict,
  conflictOf,
  gramValues,
  groupByLayer,
  type Layer,
  type LayerGram,
  readGrams,
  sharedParameters,
  sumGrams,
} from "../interference/index.js";
import type { Model } from "../models/index.js";
import { Program, resolveThreads } from "../runtime/index.js";
import { type HostTensor, randomStream } from "../tensor/index.js";
import { buildLossGraph, type LossGraph } from "./loss-graph.js";
import type { Task } from "./task.js";
import { createTasks } from "./task-set.js";

/** Conflict of the tasks for all shared parameters together, and for each layer in the order of the network. */
export interface Interference {
  readonly overall: Conflict;
  /** Empty where nothing is shared. */
  readonly layers: (Conflict & { readonly name: string })[];
}

/** The fields of an `interference` event. */
export interface InterferenceMeasure extends Interference {
  /** Images in the probe batch. */
  readonly images: number;
  /** What this measurement took. */
  readonly seconds: number;
  /** By which the step multiplies each task's mean loss: task weight · scale / batch size. */
  readonly weights: Readonly<Record<string, number>>;
}

/**
 * The gradients of each task's loss with respect to all parameters that tasks share, measured on any batch by
 * programs of its own: batch statistics as in training, dropout off. Which parameters those are follows from the
 * graph: the ones that the losses of two tasks reach.
 */
export class SharedGradients {
  /** Shared parameters by layer, in the order of the network; empty where nothing is shared. */
  readonly layers: readonly Layer[];
  readonly tasks: readonly string[];
  readonly #model: Model;
  readonly #config: TrainConfig;
  readonly #tasks: readonly Task[];
  /** One for each batch size, at its latest capacity. */
  readonly #programs = new Map<number, { program: Program; capacity: number }>();

  /** @param config of the model's training: losses, size, device and threads are read */
  constructor(model: Model, config: TrainConfig) {
    this.#model = model;
    this.#config = config;
    this.#tasks = createTasks(model, config);
    this.tasks = this.#tasks.map(({ name }) => name);
    // Neither the batch nor the number of targets changes what reaches what.
    const { losses, parameters } = this.#lossGraph(1, 1);
    this.layers = groupByLayer(sharedParameters(losses, parameters));
  }

  /**
   * The Gram matrices of the tasks' gradients on `batch`; none where nothing is shared.
   * @param tensors at least the model's parameters by name
   */
  async grams(batch: FrameBatch, tensors: ReadonlyMap<string, HostTensor>): Promise<LayerGram[]> {
    if (this.layers.length === 0) return [];
    const prepared = this.#tasks.map((task) => task.prepare(batch));
    const rows = Math.max(1, ...prepared.map((targets) => targets.rows));
    const { program, capacity } = await this.#compiled(batch.frames.length, rows);
    const feeds = new Map<string, HostTensor>([...tensors, ["images", batch.images]]);
    for (const targets of prepared) {
      for (const [name, tensor] of targets.feeds(capacity)) feeds.set(name, tensor);
    }
    const results = await program.run(feeds);
    return readGrams(this.layers, {
      gram: results.get("gram") as HostTensor,
      scale: results.get("scale") as HostTensor,
    });
  }

  /** As {@link grams}, in norms and cosines. */
  async measure(batch: FrameBatch, tensors: ReadonlyMap<string, HostTensor>): Promise<Interference> {
    const layers = await this.grams(batch, tensors);
    return {
      overall: conflictOf(sumGrams(layers, this.tasks.length), this.tasks),
      layers: layers.map(({ name, gram }) => ({ name, ...conflictOf(gram, this.tasks) })),
    };
  }

  /** By which a step multiplies each task's mean loss: task weight · scale / batch size. */
  weights(taskWeights: Readonly<Record<string, number>>): Record<string, number> {
    const { lossScale, batch } = this.#config;
    return Object.fromEntries(
      this.#tasks.map(({ name, batchScaled }) => {
        const summed = lossScale === "sum" || batchScaled;
        return [name, taskWeights[name] * (summed ? 1 : 1 / batch)];
      }),
    );
  }

  /** Frees the programs; the next measurement compiles anew. */
  async close(): Promise<void> {
    const open = [...this.#programs.values()];
    this.#programs.clear();
    for (const { program } of open) await program.close();
  }

  async #compiled(batch: number, rows: number): Promise<{ program: Program; capacity: number }> {
    const known = this.#programs.get(batch);
    if (known !== undefined && known.capacity >= rows) return known;
    await known?.program.close();
    const capacity = 2 ** Math.ceil(Math.log2(rows));
    const { device, threads } = this.#config;
    const program = await Program.compile(this.#gramGraph(batch, capacity), {
      device,
      threads: resolveThreads(threads),
      keep: true,
    });
    const compiled = { program, capacity };
    this.#programs.set(batch, compiled);
    return compiled;
  }

  #gramGraph(batch: number, capacity: number): Graph {
    const { graph, losses, parameters } = this.#lossGraph(batch, capacity);
    const names = this.layers.flatMap((layer) => layer.parameters);
    const shared = names.map((name) => parameters.get(name) as Value);
    const gradients = losses.map(
      (loss) => new Map(gradientsOf(loss, shared).map((gradient, i) => [names[i], gradient])),
    );
    const { gram, scale } = gramValues(gradients, this.layers);
    graph.output("gram", gram);
    graph.output("scale", scale);
    return graph;
  }

  #lossGraph(batch: number, capacity: number): LossGraph {
    const shape = { ...this.#config.size, batch, capacity };
    return buildLossGraph(this.#model, this.#tasks, shape);
  }
}

export interface InterferenceProbeOptions {
  readonly model: Model;
  /** Of the training that is watched. */
  readonly config: TrainConfig;
  /** The fixed images: those of {@link probeFrames}, not augmented. */
  readonly batch: FrameBatch;
}

/**
 * Watches the tasks' gradients on the same images again and again during a training. It has a program of its own,
 * reads the training's tensors and writes nothing, so a training with it is bit for bit the one without. The program
 * is compiled at the first measurement and kept, since compiling takes longer than measuring (docs/interference-probe.md).
 */
export class InterferenceProbe {
  readonly #gradients: SharedGradients;
  readonly #batch: FrameBatch;
  readonly #config: TrainConfig;

  constructor({ model, config, batch }: InterferenceProbeOptions) {
    this.#gradients = new SharedGradients(model, config);
    this.#batch = batch;
    this.#config = config;
  }

  /** The layers whose parameters the tasks share; empty where there is nothing to measure. */
  get layers(): readonly Layer[] {
    return this.#gradients.layers;
  }

  /**
   * Norms of the tasks' unweighted gradients and the cosine between them; zeros, null and no layers where nothing
   * is shared.
   * @param tensors the parameters by name as they are trained, not averaged; more of them do no harm
   * @param taskWeights the current ones; by default those that the training begins with
   */
  async measure(
    tensors: ReadonlyMap<string, HostTensor>,
    taskWeights: Readonly<Record<string, number>> = this.#config.taskWeights,
  ): Promise<InterferenceMeasure> {
    const start = performance.now();
    const interference = await this.#gradients.measure(this.#batch, tensors);
    return {
      images: this.#batch.frames.length,
      seconds: (performance.now() - start) / 1000,
      weights: this.#gradients.weights(taskWeights),
      ...interference,
    };
  }

  /** Frees the program. */
  async close(): Promise<void> {
    await this.#gradients.close();
  }
}

/**
 * The indices of the probe's frames: `count` of them, or all where there are fewer. Frames are grouped by view and
 * by the rarest class that they show (of all the frames; none is a group too), each group is shuffled with the
 * seed, and the groups give one frame each in turn, the smallest group first. So every pair of view and class is
 * seen as long as there are places, and frequent ones do not crowd out rare ones.
 */
export function probeFrames(
  frames: readonly FrameRecord[],
  { count, seed }: { readonly count: number; readonly seed: number },
): Int32Array {
  const random = randomStream(seed, "interference probe");
  const groups = groupsOf(frames)
    .sort((a, b) => a.length - b.length)
    .map((group) => random.shuffled(group));
  const chosen: number[] = [];
  for (let turn = 0; chosen.length < Math.min(count, frames.length); turn++) {
    chosen.push(...groups.flatMap((group) => group.slice(turn, turn + 1)));
  }
  return Int32Array.from(chosen.slice(0, count));
}

function groupsOf(frames: readonly FrameRecord[]): number[][] {
  const classes = frames.map(({ boxes }) => [...new Set(boxes.filter((_, i) => i % 5 === 0))]);
  const counts = new Map<number, number>();
  for (const label of classes.flat()) counts.set(label, (counts.get(label) ?? 0) + 1);
  const groups = new Map<string, number[]>();
  frames.forEach(({ view }, index) => {
    const [rarest = -1] = classes[index].sort((a, b) => (counts.get(a) ?? 0) - (counts.get(b) ?? 0) || a - b);
    const key = `${view} ${rarest}`;
    const group = groups.get(key);
    if (group) group.push(index);
    else groups.set(key, [index]);
  });
  return [...groups.values()];
}
