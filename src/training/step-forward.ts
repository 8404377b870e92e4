import { add, cast, concat, Graph, greater, mul, reduceSum, reshape, type Value } from "../graph/index.js";
import { type BufferSpec, type DropoutSpec, normalisePixels, Scope } from "../nn/index.js";
import { movingAverage } from "../optim/index.js";
import { sizeOf } from "../tensor/index.js";
import { type FlatGroup, unpackValues } from "./state-layout.js";
import { stateNames } from "./state-names.js";
import type { StepGraphOptions } from "./step-options.js";
import type { Task, TaskLoss } from "./task.js";

/** One task's loss in the graph of a step. */
export interface TaskTerm extends TaskLoss {
  readonly task: Task;
  /** `scale.TASK`, which the host feeds: the batch size makes a mean the sum over images. */
  readonly scale: Value;
  /** Whether the batch has a valid target: bool [1]. */
  readonly valid: Value;
}

/** The forward half of a training step. */
export interface StepForward {
  readonly graph: Graph;
  readonly dropouts: readonly DropoutSpec[];
  /** The groups' parameters as flat inputs. */
  readonly flats: ReadonlyMap<string, Value>;
  /** Every trained parameter by name, in the order of the layout. */
  readonly trained: ReadonlyMap<string, Value>;
  /** Every parameter by name, frozen ones included. */
  readonly parameters: ReadonlyMap<string, Value>;
  readonly terms: readonly TaskTerm[];
  /** Task losses of the same batch with other parameters; batch statistics and dropout alike. */
  lossesWith(flats: ReadonlyMap<string, Value>): Value[];
}

/**
 * Forward pass and losses. Declares the inputs `images` (uint8 [batch, 3, height, width]), targets, dropout masks,
 * parameters and buffers; names the outputs `loss.TASK`, `loss.TASK.ITEM`, and the next buffers with their average.
 */
export function buildForward(options: StepGraphOptions): StepForward {
  const { model, tasks, layout, batch, size } = options;
  const graph = new Graph();
  const images = graph.input("images", "uint8", [batch, 3, size.height, size.width]);
  const flatsOf = (groups: readonly FlatGroup[]) =>
    new Map(groups.map((group) => [group.name, flatInput(graph, stateNames.parameters(group.name), group)]));
  const flats = flatsOf(layout.parameters);
  const frozen = unpackAll(layout.frozen, flatsOf(layout.frozen));
  const buffers = new Map(
    layout.buffers.flatMap((group) => [
      ...unpackValues(group, flatInput(graph, stateNames.buffers(group.name), group)),
    ]),
  );
  const nextBuffers = new Map<string, Value>();
  const dropouts: DropoutSpec[] = [];
  const pixels = normalisePixels(graph, images);
  const forward = (parameters: ReadonlyMap<string, Value>, first: boolean) => {
    const scope = new Scope({
      graph,
      mode: "train",
      parameter: ({ name }) => parameters.get(name) as Value,
      buffer: ({ name }) => buffers.get(name) as Value,
      frozen: (name) => frozen.has(name),
      updateBuffer: ({ name }: BufferSpec, next) => first && nextBuffers.set(name, next),
      dropout: (spec) => {
        if (first) dropouts.push(spec);
        const name = `dropout/${spec.name}`;
        return graph.inputs.get(name) ?? graph.input(name, "float32", spec.shape);
      },
    });
    return model.forward(scope, pixels);
  };

  const trained = unpackAll(layout.parameters, flats);
  const parameters = new Map([...trained, ...frozen]);
  const outputs = forward(parameters, true);
  const declared = tasks.map((task) => task.declare(graph, { batch, capacity: options.capacity }));
  const terms = tasks.map((task, i): TaskTerm => {
    const loss = declared[i].loss(outputs);
    graph.output(`loss.${task.name}`, loss.loss);
    for (const [item, value] of Object.entries(loss.items)) graph.output(`loss.${task.name}.${item}`, value);
    const valid = greater(reduceSum(declared[i].images, [0], true), 0);
    return { task, ...loss, scale: scalarInput(graph, `scale.${task.name}`), valid };
  });
  outputBuffers(graph, options, { buffers, nextBuffers });
  return {
    graph,
    dropouts,
    flats,
    trained,
    parameters,
    terms,
    lossesWith: (next) => {
      const after = forward(new Map([...unpackAll(layout.parameters, next), ...frozen]), false);
      return declared.map((task) => task.loss(after).loss);
    },
  };
}

/** The next buffers, and their averages. What the forward pass leaves alone keeps its average, to the last bit. */
function outputBuffers(
  graph: Graph,
  { layout }: StepGraphOptions,
  {
    buffers,
    nextBuffers,
  }: { readonly buffers: ReadonlyMap<string, Value>; readonly nextBuffers: ReadonlyMap<string, Value> },
): void {
  const keep = scalarInput(graph, "ema.keep");
  for (const group of layout.buffers) {
    const flat = (values: ReadonlyMap<string, Value>) =>
      concat(
        group.entries.map(({ name, shape }) => reshape(values.get(name) as Value, [sizeOf(shape)])),
        0,
      );
    const next = flat(new Map([...buffers, ...nextBuffers]));
    graph.output(stateNames.next(stateNames.buffers(group.name)), next);
    const average = flatInput(graph, stateNames.average(group.name), group);
    const averaged = movingAverage(average, next, keep);
    const moves = group.entries.every(({ name }) => nextBuffers.has(name));
    graph.output(
      stateNames.next(stateNames.average(group.name)),
      moves ? averaged : flat(mixed(group, { average, averaged }, nextBuffers)),
    );
  }
}

/** The average of each buffer that moves, and the old one of each that does not. */
function mixed(
  group: FlatGroup,
  { average, averaged }: Readonly<Record<"average" | "averaged", Value>>,
  moving: ReadonlyMap<string, Value>,
): Map<string, Value> {
  const after = unpackValues(group, averaged);
  return new Map(
    [...unpackValues(group, average)].map(([name, value]) => [
      name,
      moving.has(name) ? (after.get(name) as Value) : value,
    ]),
  );
}

function unpackAll(groups: readonly FlatGroup[], flats: ReadonlyMap<string, Value>): Map<string, Value> {
  return new Map(groups.flatMap((group) => [...unpackValues(group, flats.get(group.name) as Value)]));
}

/** A group's vector as an input. */
export function flatInput(graph: Graph, name: string, group: FlatGroup): Value {
  return graph.input(name, "float32", [group.size]);
}

/** A scalar that the host feeds; several readers may share it. */
export function scalarInput(graph: Graph, name: string): Value {
  return graph.inputs.get(name) ?? graph.input(name, "float32", []);
}

/** Scalars or one-element vectors, one a task, as a vector [tasks]. */
export function stack(values: readonly Value[]): Value {
  return concat(
    values.map((value) => reshape(value, [1])),
    0,
  );
}

/** The batch's losses, and whether each task has a valid target in it: float and bool [tasks]. */
export function batchVectors(terms: readonly TaskTerm[]): { losses: Value; valid: Value; counts: Value } {
  const counts = stack(terms.map(({ valid }) => cast(valid, "float32")));
  return { losses: stack(terms.map(({ loss }) => loss)), valid: greater(counts, 0), counts };
}

/** The sums over the window of batches since the last update, this one included; the host clears them by `retain`. */
export function windowVectors(graph: Graph, batch: { losses: Value; counts: Value }, retain: Value) {
  const tasks = batch.losses.shape;
  const sum = (name: string, value: Value) => {
    const total = add(graph.input(name, "float32", tasks), value);
    graph.output(stateNames.next(name), mul(total, retain));
    return total;
  };
  return {
    losses: sum(stateNames.windowLosses, mul(batch.losses, batch.counts)),
    counts: sum(stateNames.windowCounts, batch.counts),
  };
}
