import { add, batchNorm, channelAffine, div, mul, sqrt, sub, type Value } from "../graph/index.js";
import { sizeOf } from "../tensor/index.js";
import { constantInitialiser } from "./initialise.js";
import type { Scope } from "./scope.js";

export interface BatchNormOptions {
  /** Added to the variance. */
  readonly epsilon: number;
  /** The share of the new batch in the running statistics. */
  readonly momentum: number;
}

/** YOLOv5's batch normalisation. */
export const batchNormDefaults = { epsilon: 1e-3, momentum: 0.03 } as const satisfies BatchNormOptions;

/**
 * Batch normalisation of each channel in training (Ioffe and Szegedy 2015, arXiv 1502.03167):
 * (x - mean) / sqrt(variance + epsilon) · weight + bias, by the batch's statistics. The running ones follow,
 * the variance unbiased (times n / (n - 1)) as PyTorch keeps it. Where the scope says that `weight` is frozen,
 * the running statistics take the batch's place and stay as they are.
 *
 * Parameters `weight`, `bias`; buffers `running_mean`, `running_var`.
 * @param x float [batch, channels, height, width]
 * @returns float, x's shape
 */
export function batchNormalise(scope: Scope, x: Value, { epsilon, momentum }: BatchNormOptions): Value {
  const channels = [x.shape[1]];
  const weight = scope.parameter("weight", channels, "norm", constantInitialiser(1));
  const bias = scope.parameter("bias", channels, "bias", constantInitialiser(0));
  const runningMean = scope.buffer("running_mean", channels, 0);
  const runningVar = scope.buffer("running_var", channels, 1);
  if (scope.isFrozen("weight")) {
    const scale = div(weight, sqrt(add(runningVar.value, epsilon)));
    return channelAffine(x, scale, sub(bias, mul(runningMean.value, scale)));
  }
  const [y, mean, variance] = batchNorm(x, weight, bias, epsilon);
  const n = sizeOf(x.shape) / x.shape[1];
  const unbiased = n > 1 ? n / (n - 1) : 1;
  runningMean.update(add(mul(runningMean.value, 1 - momentum), mul(mean, momentum)));
  runningVar.update(add(mul(runningVar.value, 1 - momentum), mul(variance, momentum * unbiased)));
  return y;
}
