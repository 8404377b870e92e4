import { concat, reduceMax, type Value } from "../graph/index.js";
import { convBlock, dropout, globalAveragePool, linear, type Scope } from "../nn/index.js";

/** How the classifier sums up a map: the mean or the largest value of each channel, or both end to end. */
export const poolings = ["avg", "max", "avg-max"] as const;
export type Pooling = (typeof poolings)[number];

export interface ClassifierHeadOptions {
  readonly views: number;
  readonly dropout: number;
  readonly pooling: Pooling;
  /** Further features of the whole image, float [batch, n], that stand beside the pooled ones. */
  readonly beside?: Value;
}

/**
 * The view classifier: 3x3 convolution block, global pooling, dropout, linear.
 * Parameters under `conv` and `linear`.
 * @param features [batch, channels, height, width]
 * @returns logits [batch, views]
 */
export function classifierHead(head: Scope, features: Value, options: ClassifierHeadOptions): Value {
  const mixed = convBlock(head.child("conv"), features, { filters: 128, kernel: 3 });
  const pooled = pool[options.pooling](mixed);
  const all = options.beside ? concat([pooled, options.beside], 1) : pooled;
  return linear(head.child("linear"), dropout(head, all, options.dropout), options.views);
}

const globalMaxPool = (x: Value) => reduceMax(x, [2, 3]);

/** [batch, channels, height, width] to [batch, channels], or twice as many. */
const pool: Record<Pooling, (x: Value) => Value> = {
  avg: globalAveragePool,
  max: globalMaxPool,
  "avg-max": (x) => concat([globalAveragePool(x), globalMaxPool(x)], 1),
};
