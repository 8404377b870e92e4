import type { TrainConfig } from "../config/index.js";
import { FrameLoader, type FrameRecord } from "../data/index.js";
import type { Model } from "../models/index.js";
import { InterferenceProbe, probeFrames } from "./interference-probe.js";

/**
 * The interference probe of a training, with its images loaded: `probe.images` of the training frames, as many as a
 * batch by default.
 */
export async function openProbe(
  model: Model,
  config: TrainConfig,
  frames: readonly FrameRecord[],
): Promise<InterferenceProbe> {
  const count = config.probe.images || config.batch;
  const indices = probeFrames(frames, { count, seed: config.seed });
  // A loader of its own: the training's cache and timing stay what they are without a probe.
  const loader = new FrameLoader(frames, config.size, { cacheBytes: 0, workers: config.workers });
  try {
    return new InterferenceProbe({ model, config, batch: await loader.batch(indices) });
  } finally {
    await loader.close();
  }
}
