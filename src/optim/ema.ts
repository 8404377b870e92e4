import { add, mul, sub, type Value } from "../graph/index.js";

/** keep · average + (1 - keep) · value: one step of an exponential moving average; keep 1 leaves it. */
export function movingAverage(average: Value, value: Value, keep: Value): Value {
  return add(mul(average, keep), mul(value, sub(1, keep)));
}

/**
 * The share of the old average at the t-th update (from 1): decay · (1 - exp(-t / tau)), YOLOv5's ramp,
 * which lets the average follow quickly at first.
 */
export function emaKeep(update: number, options: { decay: number; tau: number }): number {
  return options.decay * (1 - Math.exp(-update / options.tau));
}
