import { median } from "simple-statistics";
import { FrameLoader, listFrames, loadDataDescription } from "../../data/index.js";
import { Predictor } from "../../training/index.js";
import { takeTurns } from "../speed/index.js";
import type { ComparedRun } from "./gather.js";
import { openRun, type PredictionOptions } from "./predictions.js";

const rounds = 6;
/** Images of a turn; the first only wakes the network up. */
const imagesOfTurn = 6;

/**
 * Milliseconds of each run's network alone on one validation image: medians over rounds in which the networks take
 * turns, so that what else the machine does meets them alike.
 */
export async function measureLatencies(
  runs: readonly ComparedRun[],
  options: PredictionOptions,
): Promise<number[]> {
  const networks: Network[] = [];
  try {
    for (const run of runs) networks.push(await openNetwork(run, options));
    const times = await takeTurns(
      networks.map((network) => () => timesOf(network)),
      rounds,
      () => {},
    );
    return times.map((turns) => median(turns.flat()));
  } finally {
    for (const { predictor, loader } of networks) await Promise.all([predictor.close(), loader.close()]);
  }
}

interface Network {
  readonly predictor: Predictor;
  readonly loader: FrameLoader;
  readonly images: number;
}

async function openNetwork(run: ComparedRun, options: PredictionOptions): Promise<Network> {
  const { model, metadata, tensors } = openRun(run);
  const { size } = metadata.config;
  const frames = listFrames(loadDataDescription(run.data), "val");
  const predictor = await Predictor.create(model, tensors, size, options);
  return { predictor, loader: new FrameLoader(frames, size, { cacheBytes: 0 }), images: frames.length };
}

async function timesOf({ predictor, loader, images: count }: Network): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < imagesOfTurn; i++) {
    const { images } = await loader.batch([i % count]);
    const start = performance.now();
    await predictor.predict(images);
    times.push(performance.now() - start);
  }
  return times.slice(1);
}
