/**
 * Learning rates, momentum and accumulation over a training run, as YOLOv5 (release 6) schedules them. Pure
 * functions of the iteration, so that a resumed run needs no scheduler state.
 */

/** What the schedule depends on; a training configuration satisfies it. */
export interface ScheduleConfig {
  /** Passes over the training split. */
  readonly epochs: number;
  /** Images a batch. */
  readonly batch: number;
  /** Gradients are accumulated up to about this many images; 0: never. */
  readonly nominalBatch: number;
  readonly schedule: "cosine" | "linear";
  /** Learning rate after the warm-up. */
  readonly lr0: number;
  /** Final learning rate as a share of `lr0`. */
  readonly lrf: number;
  readonly momentum: number;
  /** Length of the warm-up in epochs; 0 for none. */
  readonly warmupEpochs: number;
  readonly warmupMomentum: number;
  readonly warmupBiasLr: number;
}

export interface ScheduleQuery extends ScheduleConfig {
  /** Batches processed before this one, counted over the whole run. */
  readonly iteration: number;
  /** Batches an epoch. */
  readonly stepsPerEpoch: number;
}

/** The values that hold for one batch. */
export interface SchedulePoint {
  /** Learning rates of the parameter groups: decayed weights, norm weights (not decayed) and biases. */
  readonly lr: { readonly decay: number; readonly norm: number; readonly bias: number };
  readonly momentum: number;
  /** Batches whose gradients make one optimiser step. */
  readonly accumulate: number;
}

/**
 * The factor on `lr0` in the epoch `epoch` (from 0) of `epochs`:
 * cosine ((1 - cos(pi x / epochs)) / 2) (lrf - 1) + 1, or linear (1 - x / epochs) (1 - lrf) + lrf.
 */
export function learningRateFactor(
  epoch: number,
  { epochs, schedule, lrf }: Pick<ScheduleConfig, "epochs" | "schedule" | "lrf">,
): number {
  return schedule === "cosine"
    ? ((1 - Math.cos((epoch * Math.PI) / epochs)) / 2) * (lrf - 1) + 1
    : (1 - epoch / epochs) * (1 - lrf) + lrf;
}

/** Batches to accumulate after the warm-up: nominalBatch / batch, rounded half to even, at least 1. */
export function nominalAccumulation({
  batch,
  nominalBatch,
}: Pick<ScheduleConfig, "batch" | "nominalBatch">): number {
  return Math.max(1, roundHalfEven(nominalBatch / batch));
}

/**
 * Length of the warm-up in batches: max(round(warmupEpochs * stepsPerEpoch), 100).
 *
 * Two deviations from YOLOv5: `warmupEpochs: 0` means none (there it still takes 100 batches), and the
 * warm-up never takes more than half of the run (there a short run may end before its warm-up does).
 */
export function warmupIterations({
  epochs,
  warmupEpochs,
  stepsPerEpoch,
}: Pick<ScheduleQuery, "epochs" | "warmupEpochs" | "stepsPerEpoch">): number {
  if (warmupEpochs === 0) return 0;
  const wanted = Math.max(roundHalfEven(warmupEpochs * stepsPerEpoch), 100);
  return Math.min(wanted, Math.floor((epochs * stepsPerEpoch) / 2));
}

/**
 * Learning rates, momentum and accumulation of the batch `iteration`.
 *
 * With f = lr0 * learningRateFactor(epoch) and n = warmupIterations, the batches 0 .. n go linearly from 0 to
 * f (biases: from warmupBiasLr to f), from warmupMomentum to momentum, and from 1 to nominalAccumulation;
 * later ones have the final values. The factor changes by epoch, not by batch. `momentum` is meant for SGD:
 * YOLOv5 leaves Adam's first beta at its final value through the warm-up.
 */
export function scheduleAt(query: ScheduleQuery): SchedulePoint {
  const { iteration, stepsPerEpoch, lr0, momentum, warmupMomentum, warmupBiasLr } = query;
  const target = lr0 * learningRateFactor(Math.floor(iteration / stepsPerEpoch), query);
  const warmup = warmupIterations(query);
  if (iteration >= warmup) {
    return {
      lr: { decay: target, norm: target, bias: target },
      momentum,
      accumulate: nominalAccumulation(query),
    };
  }
  const along = (from: number, to: number) => from + (to - from) * (iteration / warmup);
  const rising = along(0, target);
  // The bare quotient, not the rounded accumulation, is interpolated; it may be below 1.
  const accumulate = Math.max(1, roundHalfEven(along(1, query.nominalBatch / query.batch)));
  return {
    lr: { decay: rising, norm: rising, bias: along(warmupBiasLr, target) },
    momentum: along(warmupMomentum, momentum),
    accumulate,
  };
}

/**
 * Weight decay for the batch in use: weightDecay * batch * accumulate / nominalBatch, with the accumulation
 * after the warm-up; unchanged without a nominal batch.
 */
export function scaledWeightDecay(
  config: Pick<ScheduleConfig, "batch" | "nominalBatch"> & { readonly weightDecay: number },
): number {
  if (config.nominalBatch === 0) return config.weightDecay;
  return (config.weightDecay * config.batch * nominalAccumulation(config)) / config.nominalBatch;
}

/** Rounds to the nearest integer, halves to the even one, as Python and NumPy do. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
