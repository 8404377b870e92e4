import {
  add,
  concat,
  conv,
  matMul,
  mul,
  reduceMax,
  reduceMean,
  relu,
  reshape,
  sigmoid,
  type Value,
} from "../../graph/index.js";
import { fanInUniform } from "../initialise.js";
import type { Scope } from "../scope.js";
import { hiddenWidth } from "./hidden-width.js";

/** Side of the spatial gate's kernel (equation 3). */
const KERNEL = 7;

/**
 * Convolutional block attention module (Woo et al. 2018, arXiv 1807.06521, equations 1 to 3): a gate for each
 * channel, then one for each pixel of what that leaves.
 *
 * The paper leaves open whether its layers have biases and whether the spatial convolution is normalised. Here
 * they are as its equations are written: no bias, and no batch normalisation, so that training and deployment
 * compute the same.
 * @param x float [batch, channels, height, width]
 * @returns float, x's shape
 */
export function cbam(scope: Scope, x: Value): Value {
  const gated = mul(x, channelGate(scope.child("channel"), x));
  return mul(gated, spatialGate(scope.child("spatial"), gated));
}

/**
 * sigmoid(W2 · relu(W1 · mean(x)) + W2 · relu(W1 · max(x))), mean and maximum over the pixels, the same weights
 * for both. Parameters `fc1.weight`, `fc2.weight`, with {@link hiddenWidth} numbers between the two. Pixels that
 * share the maximum share its gradient.
 * @returns float [batch, channels, 1, 1]
 */
function channelGate(scope: Scope, x: Value): Value {
  const [batch, channels] = x.shape;
  const width = hiddenWidth(channels);
  const first = scope.child("fc1").parameter("weight", [width, channels], "weight", fanInUniform());
  const second = scope.child("fc2").parameter("weight", [channels, width], "weight", fanInUniform());
  const score = (pooled: Value) =>
    matMul(relu(matMul(pooled, first, { transB: true })), second, { transB: true });
  const gate = sigmoid(add(score(reduceMean(x, [2, 3])), score(reduceMax(x, [2, 3]))));
  return reshape(gate, [batch, channels, 1, 1]);
}

/**
 * sigmoid of a 7x7 convolution of the two maps mean(x) and max(x), over the channels, in this order, with zeros
 * around them. Parameter `conv.weight` [1, 2, 7, 7].
 * @returns float [batch, 1, height, width]
 */
function spatialGate(scope: Scope, x: Value): Value {
  const maps = concat([reduceMean(x, [1], true), reduceMax(x, [1], true)], 1);
  const weight = scope.child("conv").parameter("weight", [1, 2, KERNEL, KERNEL], "weight", fanInUniform());
  const pad = (KERNEL - 1) / 2;
  return sigmoid(conv(maps, weight, { strides: [1, 1], pads: [pad, pad] }));
}
