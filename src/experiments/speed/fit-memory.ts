import type { TrainConfig } from "../../config/index.js";
import { EchoDuetError } from "../../errors.js";
import { nominalAccumulation } from "../../optim/index.js";
import { type Cost, measureCost } from "../sweep/cost.js";

/** How {@link fitMemory} goes about it. */
export interface FitMemoryOptions {
  /** Largest resident memory that the training may take (bytes). */
  readonly budget: number;
  readonly onMessage: (message: string) => void;
  /** What a configuration costs; by default a few of its steps are run. */
  readonly measure?: (config: TrainConfig) => Promise<Pick<Cost, "peakBytes">>;
}

/**
 * What a whole training may take over its first steps: 11 to 15 % were seen (joint-yolov5n), as programs are compiled
 * again for more boxes and memory is not given back at once.
 */
const reserve = 1.2;

/**
 * The training of `config` within a budget of memory: the largest micro-batches whose measured peak fits with a reserve, accumulated
 * up to the same number of images an update, and no more decoded images kept than there is room for.
 *
 * Batch norm sees the images of a micro-batch alone, and steps (of checkpoints, of the probe, of the warm-up's ramp) are
 * those of micro-batches: a training with micro-batches is not the one without them.
 * @throws EchoDuetError `config` where not even one image a step fits, with what it takes
 */
export async function fitMemory(
  config: TrainConfig,
  { budget, onMessage, measure = (one) => measureCost(one, 1) }: FitMemoryOptions,
): Promise<TrainConfig> {
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of microBatched(config)) {
    const { peakBytes } = await measure(candidate);
    const needed = Math.ceil(reserve * peakBytes);
    onMessage(
      `memory: ${candidate.batch} images a step take ${mebibytes(peakBytes)} MiB, with a reserve ${mebibytes(needed)} of ${mebibytes(budget)}`,
    );
    least = Math.min(least, needed);
    if (needed > budget) continue;
    return { ...candidate, cacheBytes: Math.min(config.cacheBytes, budget - needed) };
  }
  throw new EchoDuetError(
    "config",
    `--memory: expected a budget of at least ${mebibytes(least)} MiB for this model and input, got ${mebibytes(budget)} MiB; ` +
      "give more, or a smaller --size or model",
  );
}

type Branch = TrainConfig["optim"]["detection"];

/**
 * `config` with its batch, then with every whole part of it, the greatest first, that can be accumulated to the same
 * number of images an update and the same weight decay.
 */
export function microBatched(config: TrainConfig): TrainConfig[] {
  const images = config.batch * nominalAccumulation(config);
  // Where less than a batch is nominal, weight decay counts the batch in parts of it.
  const decay = config.nominalBatch === 0 ? 1 : images / config.nominalBatch;
  const parts = Array.from({ length: config.batch - 1 }, (_, i) => config.batch - 1 - i).filter(
    (part) => config.batch % part === 0,
  );
  return [
    config,
    ...parts.map((batch) => ({
      ...config,
      batch,
      nominalBatch: images,
      weightDecay: config.weightDecay * decay,
      optim: {
        detection: scaledDecay(config.optim.detection, decay),
        classification: scaledDecay(config.optim.classification, decay),
      },
    })),
  ];
}

function scaledDecay(branch: Branch, decay: number): Branch {
  return { ...branch, weightDecay: branch.weightDecay === null ? null : branch.weightDecay * decay };
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}
