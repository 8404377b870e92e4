import type { TrainConfig } from "../config/index.js";
import type { TaskName } from "../models/index.js";
import { emaKeep, scaledWeightDecay, scheduleAt } from "../optim/index.js";
import { partName } from "./state-layout.js";
import type { TrainedLayout } from "./trained-parts.js";

/** What the host feeds a step beside tensors. */
export interface StepPlan {
  /** By input name. */
  readonly scalars: Readonly<Record<string, number>>;
  /** Whether the step ends an accumulation. */
  readonly applies: boolean;
  /** Of the decayed weights of each part. */
  readonly learningRates: ReadonlyMap<TaskName | null, number>;
}

/**
 * Rates and coefficients of the coming step. Each part has its own schedule; gradients are accumulated over the same
 * batches for all of them, by the model's own warm-up.
 */
export function planStep(
  { layout, parts }: TrainedLayout,
  config: TrainConfig,
  place: {
    /** Batches processed, updates applied, and batches processed at the latest update, before this step. */
    readonly step: number;
    readonly updates: number;
    readonly updatedAt: number;
    readonly stepsPerEpoch: number;
  },
): StepPlan {
  const { step, updates, updatedAt, stepsPerEpoch } = place;
  const at = { iteration: step, stepsPerEpoch };
  const applies = step + 1 - updatedAt >= scheduleAt({ ...config, ...at }).accumulate;
  const planned = parts.map(({ branch, optimiser, settings }) => {
    const own = { ...config, ...settings };
    const point = scheduleAt({ ...own, ...at });
    const momentum = optimiser.warmsMomentum ? point.momentum : own.momentum;
    const coefficients = optimiser.coefficientsAt({ momentum, applied: updates, applies });
    const rates = { weight: point.lr.decay, norm: point.lr.norm, bias: point.lr.bias };
    const scalars = {
      ...Object.fromEntries(
        layout.parameters
          .filter((group) => group.branch === branch)
          .map(({ name, role }) => [`rate.${name}`, applies ? rates[role] : 0]),
      ),
      ...Object.fromEntries(
        Object.entries(coefficients).map(([name, value]) => [partName(branch, `optimiser.${name}`), value]),
      ),
      [partName(branch, "weightDecay")]: scaledWeightDecay(own),
    };
    return { branch, scalars, learningRate: point.lr.decay };
  });
  return {
    applies,
    learningRates: new Map(planned.map(({ branch, learningRate }) => [branch, learningRate])),
    scalars: {
      ...Object.assign({}, ...planned.map(({ scalars }) => scalars)),
      "accumulate.retain": applies ? 0 : 1,
      "ema.keep": applies ? emaKeep(updates + 1, config.ema) : 1,
    },
  };
}
