import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveTrainConfig, type TrainConfig, type TrainConfigInput } from "../src/config/index.js";
import type { FrameBatch, FrameRecord } from "../src/data/index.js";
import { Graph } from "../src/graph/index.js";
import { createModel, type Model, trainingStepFlops } from "../src/models/index.js";
import { Program } from "../src/runtime/index.js";
import { hostTensor, randomStream } from "../src/tensor/index.js";
import { declareForTraining, TrainingSession } from "../src/training/session.js";
import { initialTensors } from "../src/training/state-layout.js";
import { serveSteps } from "./line-process.js";
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
const boxesPerImage = 2;
const warmUpSteps = 2;

/** Serves steps of `TrainingSession.step` on one fixed batch to the parent process. */
export async function serve(options: StepOptions): Promise<void> {
  const { session, ready, batch } = await prepare(options);
  await serveSteps(ready, async () => {
    const { losses } = await session.step(batch);
    return Object.values(losses).reduce((sum, loss) => sum + loss, 0);
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

/** A session of synthetic classes and views, new. */
export function openSession(
  { model: name, size, batch, threads }: StepOptions,
  changes: Partial<TrainConfigInput> = {},
): { session: TrainingSession; model: Model; config: TrainConfig } {
  const config = resolveTrainConfig(
    { data: "synthetic", model: name, batch, size, threads, nominalBatch: 0, lr0: 0.001, ...changes },
    "bench",
  );
  const model = createModel(name, { classes, views });
  const { parameters, buffers } = declareForTraining(model);
  const session = new TrainingSession(model, config, initialTensors(parameters, buffers, 0), 1000);
  return { session, model, config };
}

/** A session with its program compiled by a first step. */
async function prepare(
  options: StepOptions,
  profilePrefix?: string,
): Promise<{ session: TrainingSession; batch: FrameBatch; ready: StepReady }> {
  const compiled = observeCompilation(profilePrefix);
  const { session } = openSession(options);
  const batch = syntheticBatch(options.batch, options.size);
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

/**
 * Random pixels, boxes and views in the shape of a batch: an input for measuring speed, from which nothing
 * about accuracy follows.
 */
export function syntheticBatch(images: number, size: number): FrameBatch {
  const random = randomStream(0, "bench");
  const pixels = Uint8Array.from({ length: images * 3 * size * size }, () => random.integer(256));
  const rows = Array.from({ length: images * boxesPerImage }, (_, row) => [
    Math.floor(row / boxesPerImage),
    random.integer(classes),
    random.uniform(0.2, 0.8),
    random.uniform(0.2, 0.8),
    random.uniform(0.05, 0.4),
    random.uniform(0.05, 0.4),
  ]);
  const frame: FrameRecord = {
    name: "synthetic",
    imagePath: "",
    labelPath: null,
    boxes: new Float32Array(),
    view: 0,
    patient: null,
    video: null,
    detectionMasked: false,
  };
  const geometry = { sourceWidth: size, sourceHeight: size, width: size, height: size, scale: 1 };
  return {
    images: hostTensor("uint8", [images, 3, size, size], pixels),
    letterboxes: Array.from({ length: images }, () => ({
      ...geometry,
      padX: 0,
      padY: 0,
      newWidth: size,
      newHeight: size,
    })),
    targets: Float32Array.from(rows.flat()),
    views: Int32Array.from({ length: images }, () => random.integer(views)),
    detectionMask: new Uint8Array(images).fill(1),
    frames: Array.from({ length: images }, () => frame),
  };
}
