import { div, logSoftmax, max, mul, neg, reduceSum, softplus, sub, type Value } from "../graph/index.js";

/**
 * Binary cross-entropy of logits, elementwise: softplus(x) - x · t, which is
 * -t log sigmoid(x) - (1 - t) log(1 - sigmoid(x)).
 * @param logits any shape, float
 * @param targets probabilities of that shape
 */
export function binaryCrossEntropy(logits: Value, targets: Value): Value {
  return sub(softplus(logits), mul(logits, targets));
}

/**
 * Cross-entropy averaged over the labelled rows, 0 where there are none.
 * @param logits [batch, classes], float
 * @param targets [batch, classes]: probabilities, one-hot or smoothed
 * @param weights [batch]: 1 for a labelled row, 0 for one without a label
 */
export function crossEntropy(logits: Value, targets: Value, weights: Value): Value {
  const perRow = neg(reduceSum(mul(logSoftmax(logits), targets), [1]));
  return maskedMean(perRow, weights);
}

/** sum(x · mask) / max(sum(mask), 1): the mean of x [n] over the rows where the mask [n] is 1. */
export function maskedMean(x: Value, mask: Value): Value {
  return div(reduceSum(mul(x, mask)), max(reduceSum(mask), 1));
}
