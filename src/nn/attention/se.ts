import { mul, relu, reshape, sigmoid, type Value } from "../../graph/index.js";
import { globalAveragePool, linear } from "../layers.js";
import type { Scope } from "../scope.js";
import { hiddenWidth } from "./hidden-width.js";

/**
 * Squeeze-and-excitation (Hu et al. 2018, arXiv 1709.01507, equations 2 to 4): each channel is scaled by a gate
 * that all channels' means decide,
 *
 *     y = x · sigmoid(W2 · relu(W1 · mean(x) + b1) + b2).
 *
 * The paper writes no biases; here both layers have one. Parameters `fc1.weight`, `fc1.bias`, `fc2.weight`,
 * `fc2.bias`, with {@link hiddenWidth} numbers between the two.
 * @param x float [batch, channels, height, width]
 * @returns float, x's shape
 */
export function squeezeExcitation(scope: Scope, x: Value): Value {
  const [batch, channels] = x.shape;
  const hidden = relu(linear(scope.child("fc1"), globalAveragePool(x), hiddenWidth(channels)));
  const gate = sigmoid(linear(scope.child("fc2"), hidden, channels));
  return mul(x, reshape(gate, [batch, channels, 1, 1]));
}
