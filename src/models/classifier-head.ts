import type { Value } from "../graph/index.js";
import { convBlock, dropout, globalAveragePool, linear, type Scope } from "../nn/index.js";

/**
 * The view classifier: 3x3 convolution block, global average pooling, dropout, linear.
 * Parameters under `classifier.conv` and `classifier.linear`.
 * @param features [batch, channels, height, width]
 * @returns logits [batch, views]
 */
export function classifierHead(
  scope: Scope,
  features: Value,
  options: { readonly views: number; readonly dropout: number },
): Value {
  const head = scope.child("classifier");
  const mixed = convBlock(head.child("conv"), features, { filters: 128, kernel: 3 });
  return linear(
    head.child("linear"),
    dropout(head, globalAveragePool(mixed), options.dropout),
    options.views,
  );
}
