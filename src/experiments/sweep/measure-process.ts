import { text } from "node:stream/consumers";
import { resolveTrainConfig, type TrainConfig } from "../../config/index.js";
import {
  AugmentedLoader,
  epochOrder,
  FrameLoader,
  listFrames,
  loadDataDescription,
  wholeBatches,
} from "../../data/index.js";
import { createModel, type Model } from "../../models/index.js";
import {
  declareForTraining,
  evaluate,
  initialTensors,
  Predictor,
  TrainingSession,
} from "../../training/index.js";
import { type Cost, medianOf } from "./cost.js";

/** Steps that are run before those that are timed, and those. */
const warmUpSteps = 2;
const timedSteps = 5;

/**
 * What training as `config` says costs, by a few of its steps and a part of its validation in this process; the
 * weights are new ones.
 */
async function measure(config: TrainConfig): Promise<Cost> {
  const description = loadDataDescription(config.data);
  const { names, views } = description;
  const model = createModel(config.model, { ...config, classes: names.length, views: views.length });
  const { startSeconds, stepSeconds, session } = await timeSteps(config, model);
  const predictor = await timed(() => Predictor.create(model, session.averaged(), config.size, config));
  const frames = listFrames(description, "val").slice(0, 2 * config.batch);
  const loader = new FrameLoader(frames, config.size, { workers: config.workers });
  const scored = {
    ...{ predictor: predictor.result, loader, frames, batch: config.batch },
    names: model.classes > 0 ? names : [],
    views: model.views > 0 ? views : [],
  };
  await evaluate(scored); // the first pass allocates, and decodes what later ones find in memory
  const validation = await timed(() => evaluate(scored));
  await Promise.all([session.close(), predictor.result.close(), loader.close()]);
  return {
    startSeconds,
    stepSeconds,
    validationSeconds: predictor.seconds,
    imageSeconds: validation.seconds / frames.length,
    peakBytes: process.resourceUsage().maxRSS * 1024,
  };
}

async function timeSteps(config: TrainConfig, model: Model) {
  const frames = listFrames(loadDataDescription(config.data), "train");
  const loader = new AugmentedLoader(frames, config.size, config);
  const { parameters, buffers } = declareForTraining(model);
  const tensors = initialTensors(parameters, buffers, config.seed);
  const queue = wholeBatches(epochOrder(frames.length, config.seed, 1), config.batch);
  const session = new TrainingSession(model, config, tensors, queue.length);
  const seconds: number[] = [];
  let startSeconds = 0;
  const placed = (i: number) => ({
    indices: queue[i % queue.length],
    place: { seed: config.seed, epoch: 1, first: i * config.batch },
  });
  for (let i = 0; i < warmUpSteps + timedSteps; i++) {
    const step = await timed(async () => {
      loader.prefetch(placed(i + 1));
      await session.step(await loader.batch(placed(i)));
    });
    if (i === 0) startSeconds = performance.now() / 1000; // from the start of the process
    if (i >= warmUpSteps) seconds.push(step.seconds);
  }
  await loader.close();
  return { startSeconds, stepSeconds: medianOf(seconds), session };
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; seconds: number }> {
  const start = performance.now();
  const result = await work();
  return { result, seconds: (performance.now() - start) / 1000 };
}

try {
  const config = resolveTrainConfig(JSON.parse(await text(process.stdin)), "measuring");
  process.stdout.write(JSON.stringify(await measure(config)));
} catch (error) {
  process.stderr.write(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
