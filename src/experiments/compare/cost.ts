import { existsSync } from "node:fs";
import { join } from "node:path";
import { median } from "simple-statistics";
import type { Graph } from "../../graph/index.js";
import { buildDeployGraph, summariseModel } from "../../models/index.js";
import { type LoggedEvent, readEvents, runFiles } from "../../training/index.js";
import type { ComparedRun } from "./gather.js";
import { openRun } from "./predictions.js";

/** What a design costs. */
export interface Cost {
  /** Trainable numbers. */
  readonly parameters: number;
  /** 2 · multiply-adds of the convolutions and matrix products of one image's forward pass. */
  readonly flops: number;
  /** Network input in pixels. */
  readonly size: { readonly width: number; readonly height: number };
  /** Median time from one step's record to the next within an epoch, over the runs (seconds). */
  readonly stepSeconds: number | null;
  /** Median of the epochs of all runs, without validation (seconds). */
  readonly epochSeconds: number | null;
  /** Largest resident memory of the process up to the end of its last epoch, the most of all runs (bytes). */
  readonly memoryBytes: number | null;
  /** Median of the network alone on one image (ms), measured here and now (`measureLatencies`); null unless asked for. */
  readonly latencyMs: number | null;
  /** Networks that stand side by side, sharing nothing. */
  readonly networks: number;
  /** Kinds of operators in the deployed network. */
  readonly operators: readonly string[];
}

/** What the runs of a design tell of its cost. */
export function costOf(runs: readonly ComparedRun[]): Omit<Cost, "latencyMs"> {
  const { model, metadata, tensors } = openRun(runs[0]);
  const { size } = metadata.config;
  const { parameters, flops } = summariseModel(model, { batch: 1, ...size });
  const graph = buildDeployGraph(model, tensors, { batch: 1, ...size });
  const logs = runs.map(({ directory }) => eventsOf(directory));
  const epochs = logs.flat().flatMap((event) => (event.type === "epoch" ? [event] : []));
  return {
    parameters,
    flops,
    size,
    stepSeconds: medianOf(logs.flatMap(stepTimes)),
    epochSeconds: medianOf(epochs.map(({ seconds }) => seconds)),
    memoryBytes: epochs.length > 0 ? Math.max(...epochs.map(({ memoryBytes }) => memoryBytes)) : null,
    networks: Math.max(1, model.alone.size),
    operators: operatorsOf(graph),
  };
}

/** Seconds between the records of steps that follow each other in one epoch. */
function stepTimes(events: readonly LoggedEvent[]): number[] {
  return events.flatMap((event, i) => {
    const before = events[i - 1];
    if (event.type !== "step" || before?.type !== "step" || before.epoch !== event.epoch) return [];
    return [(Date.parse(event.time) - Date.parse(before.time)) / 1000];
  });
}

function eventsOf(directory: string): LoggedEvent[] {
  const log = join(directory, runFiles.events);
  return existsSync(log) ? readEvents(log) : [];
}

function operatorsOf(graph: Graph): string[] {
  return [...new Set(graph.nodes.map(({ op }) => op))].sort();
}

function medianOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : median([...values]);
}
