import { add, concat, div, type Graph, matMul, mul, reduceMean, silu, type Value } from "../graph/index.js";
import { batchNormDefaults } from "./batch-norm.js";
import { type ConvOptions, convNorm } from "./convolution.js";
import { fanInUniform } from "./initialise.js";
import type { Scope } from "./scope.js";

/**
 * Convolution without bias, batch normalisation, SiLU: YOLOv5's `Conv`.
 * Parameters `conv.weight`, `bn.weight`, `bn.bias`; buffers `bn.running_mean`, `bn.running_var`.
 * @param x [batch, channels, height, width]
 */
export function convBlock(scope: Scope, x: Value, options: ConvOptions): Value {
  return silu(convNorm(scope, x, { ...options, conv: "conv", norm: "bn", batchNorm: batchNormDefaults }));
}

/**
 * The one-by-one and three-by-three pair of a CSP stage. With `shortcut` the input is added.
 * Parameters under `cv1`, `cv2`.
 */
function bottleneck(scope: Scope, x: Value, shortcut: boolean): Value {
  const filters = x.shape[1];
  const inner = convBlock(scope.child("cv1"), x, { filters });
  const y = convBlock(scope.child("cv2"), inner, { filters, kernel: 3 });
  return shortcut ? add(x, y) : y;
}

/**
 * CSP stage with three convolutions (Wang et al. 2020, arXiv 1911.11929, in YOLOv5's form, `C3`): one
 * half of the channels passes `repeats` bottlenecks, the other passes by.
 */
export function c3(
  scope: Scope,
  x: Value,
  options: { readonly filters: number; readonly repeats: number; readonly shortcut: boolean },
): Value {
  const filters = Math.floor(options.filters / 2);
  let main = convBlock(scope.child("cv1"), x, { filters });
  for (let i = 0; i < options.repeats; i++)
    main = bottleneck(scope.child("m").child(i), main, options.shortcut);
  const side = convBlock(scope.child("cv2"), x, { filters });
  return convBlock(scope.child("cv3"), concat([main, side], 1), { filters: options.filters });
}

/** x · W + b. Parameters `weight` [outputs, inputs], `bias` [outputs]. @param x [batch, inputs] */
export function linear(scope: Scope, x: Value, outputs: number): Value {
  const inputs = x.shape[1];
  const weight = scope.parameter("weight", [outputs, inputs], "weight", fanInUniform());
  const bias = scope.parameter("bias", [outputs], "bias", fanInUniform(inputs));
  return add(matMul(x, weight, { transB: true }), bias);
}

/** Zeroes a random part of x in training and scales the rest by 1 / (1 - rate); nothing in deployment. */
export function dropout(scope: Scope, x: Value, rate: number): Value {
  if (scope.mode === "deploy" || rate === 0) return x;
  return mul(x, scope.dropoutMask("mask", x.shape, rate));
}

/** The mean of each channel: [batch, channels, height, width] to [batch, channels]. */
export function globalAveragePool(x: Value): Value {
  return reduceMean(x, [2, 3]);
}

/** uint8 pixels to float32 in 0..1. */
export function normalisePixels(graph: Graph, images: Value): Value {
  return div(graph.apply("Cast", [images], { to: "float32" })[0], 255);
}
