import { flattenPaths, nestPaths } from "../sweep/option-paths.js";
import type { PlannedRun, SweepPlan } from "../sweep/plan.js";

/**
 * How the recommended design is trained in earnest: longer and larger than in the study, at the default input, with
 * augmentations that leave the diagnosis alone (docs/augmentation.md).
 */
const earnest = {
  size: 320,
  epochs: 36,
  batch: 8,
  validation: { every: 2 },
  ema: { decay: 0.998, tau: 200 },
  augment: { scale: 0.3, translate: 0.1, gain: 0.2, mosaic: 0.3 },
};

/** The training configuration of a study's arm, trained in earnest: options as `train --config` takes them. */
export function earnestConfig({ asked }: SweepPlan, { settings }: PlannedRun): Record<string, unknown> {
  const base = { ...flattenPaths(asked.base), ...settings };
  for (const key of Object.keys(base))
    if (/^(size|batch|ema|validation|threads)\b/.test(key)) delete base[key];
  return { ...nestPaths(base), ...earnest };
}
