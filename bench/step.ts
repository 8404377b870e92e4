import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TrainConfigInput } from "../src/config/index.js";
import type { FrameBatch } from "../src/data/index.js";
import {
  openSyntheticSession,
  type SyntheticInput,
  serveRuns,
  syntheticBatch,
} from "../src/experiments/index.js";
import { Graph } from "../src/graph/index.js";
import { trainingStepFlops } from "../src/models/index.js";
import { Program } from "../src/runtime/index.js";
import type { TrainingSession } from "../src/training/session.js";
import { type OperatorShare, readProfile, type SlowNode } from "./profile.js";

/** One configuration of the step that is measured. */
export interface StepOptions {
  readonly model: string;
  /** Side of the square images in pixels. */
  readonly size: number;
  readonly batch: number;
  readonly threads: number;
}

/** First line of our stepping process. */
export interface StepReady {
  /** 2 · multiply-adds of the whole step's convolutions, their gradients and matrix products. */
  readonly flops: number;
  readonly parameters: number;
  /** From building the graph to a program ready to run. */
  readonly compileSeconds: number;
  readonly handover: Handover;
}

/** What it costs to pass the training state through a run: fed in, copied by Identity, copied out. */
export interface Handover {
  readonly bytes: number;
  readonly tensors: number;
  /** Median of a run that does nothing else: an upper bound, since Identity copies once more than a step. */
  readonly milliseconds: number;
}

/** Where the time of a step goes, by ONNX Runtime's own profile. */
export interface StepProfile {
  readonly steps: number;
  readonly operators: readonly OperatorShare[];
  readonly slowest: readonly SlowNode[];
}

/** The data's make-up: that of the PyTorch twin. */
export const classes = 4;
export const views = 3;
const warmUpSteps = 2;

/** Serves steps of `TrainingSession.step` on one fixed batch to the parent process. */
export async function serve(options: StepOptions): Promise<void> {
  const { session, ready, batch } = await prepare(options);
  await serveRuns(ready, {
    step: async () => {
      const { losses } = await session.step(batch);
      return Object.values(losses).reduce((sum, loss) => sum + loss, 0);
    },
  });
  await session.close();
}

/** Runs steps under ONNX Runtime's profiler, which slows them a little: shares count, not seconds. */
export async function profile(options: StepOptions, steps: number): Promise<StepProfile> {
  const folder = mkdtempSync(join(tmpdir(), "echoduet-bench-"));
  try {
    const { session, batch } = await prepare(options, join(folder, "step"));
    for (let i = 0; i < warmUpSteps + steps; i++) await session.step(batch);
    await session.close();
    const [file] = readdirSync(folder);
    const events: unknown = JSON.parse(readFileSync(join(folder, file), "utf8"));
    return { steps, ...readProfile(events, steps) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a step is fed. */
export function inputOf({ size, batch }: StepOptions): SyntheticInput {
  return { size: { width: size, height: size }, batch, classes, views };
}

/** A session of synthetic classes and views, new. */
export function openSession(
  options: StepOptions,
  changes: Partial<TrainConfigInput> = {},
): ReturnType<typeof openSyntheticSession> {
  const { model, threads } = options;
  return openSyntheticSession(inputOf(options), { model, threads, ...changes });
}

/** The graph of a training step, as it is before it is fitted to the processor. */
export async function stepGraph(options: StepOptions): Promise<Graph> {
  const compiled = observeCompilation();
  const { session } = openSession(options);
  await session.step(syntheticBatch(inputOf(options)));
  await session.close();
  return compiled().graph;
}

/** A session with its program compiled by a first step. */
async function prepare(
  options: StepOptions,
  profilePrefix?: string,
): Promise<{ session: TrainingSession; batch: FrameBatch; ready: StepReady }> {
  const compiled = observeCompilation(profilePrefix);
  const { session } = openSession(options);
  const batch = syntheticBatch(inputOf(options));
  await session.step(batch);
  const { graph, seconds } = compiled();
  return {
    session,
    batch,
    ready: {
      flops: trainingStepFlops(graph),
      parameters: session.layout.parameters.reduce((sum, group) => sum + group.size, 0),
      compileSeconds: seconds,
      handover: await measureHandover(session, options.threads),
    },
  };
}

async function measureHandover({ state }: TrainingSession, threads: number): Promise<Handover> {
  const graph = new Graph();
  for (const [name, { dtype, shape }] of state) graph.output(`next/${name}`, graph.input(name, dtype, shape));
  const program = await Program.compile(graph, { threads });
  const times: number[] = [];
  for (let i = 0; i < 30; i++) {
    const start = performance.now();
    await program.run(state);
    times.push(performance.now() - start);
  }
  await program.close();
  return {
    bytes: [...state.values()].reduce((sum, { data }) => sum + data.byteLength, 0),
    tensors: state.size,
    milliseconds: times.sort((a, b) => a - b)[times.length >> 1],
  };
}

/**
 * Watches what the session compiles, and adds the profiler to it: so the bench measures the very graph that
 * training runs, without an interface in the product that serves the bench alone.
 */
function observeCompilation(profilePrefix?: string): () => { graph: Graph; seconds: number } {
  const compile = Program.compile.bind(Program);
  let seen: { graph: Graph; seconds: number } | null = null;
  Program.compile = async (graph, options) => {
    const start = performance.now();
    const program = await compile(graph, profilePrefix ? { ...options, profile: profilePrefix } : options);
    seen = { graph, seconds: (performance.now() - start) / 1000 };
    return program;
  };
  return () => {
    if (!seen) throw new Error("bench: the session compiled nothing");
    return seen;
  };
}
