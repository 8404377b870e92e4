import {
  add,
  batchNorm,
  concat,
  conv,
  div,
  type Graph,
  matMul,
  mul,
  reduceMean,
  reshape,
  silu,
  type Value,
} from "../graph/index.js";
import { sizeOf } from "../tensor/index.js";
import { constantInitialiser, fanInUniform, type Initialiser } from "./initialise.js";
import type { Scope } from "./scope.js";

/** YOLOv5's batch normalisation: epsilon, and the share of the new batch in the running statistics. */
export const batchNormDefaults = { epsilon: 1e-3, momentum: 0.03 } as const;

export interface ConvOptions {
  readonly filters: number;
  readonly kernel?: number;
  readonly stride?: number;
  /** Zero padding on each side; by default half the kernel, which keeps the size at stride 1. */
  readonly pad?: number;
}

/**
 * Convolution without bias, batch normalisation, SiLU: YOLOv5's `Conv`.
 * Parameters `conv.weight`, `bn.weight`, `bn.bias`; buffers `bn.running_mean`, `bn.running_var`.
 * @param x [batch, channels, height, width]
 */
export function convBlock(scope: Scope, x: Value, options: ConvOptions): Value {
  if (scope.mode === "deploy") return silu(convBias(scope.child("conv"), x, options));
  return silu(batchNormalise(scope.child("bn"), convolve(scope.child("conv"), x, options)));
}

/** Convolution with a bias for each filter. Parameters `weight`, `bias`. */
export function convBias(
  scope: Scope,
  x: Value,
  options: ConvOptions & { readonly initialBias?: Initialiser },
): Value {
  const { filters, kernel = 1 } = options;
  const initial = options.initialBias ?? fanInUniform(x.shape[1] * kernel * kernel);
  const bias = scope.parameter("bias", [filters], "bias", initial);
  return add(convolve(scope, x, options), reshape(bias, [1, filters, 1, 1]));
}

function convolve(scope: Scope, x: Value, { filters, kernel = 1, stride = 1, pad }: ConvOptions): Value {
  const weight = scope.parameter("weight", [filters, x.shape[1], kernel, kernel], "weight", fanInUniform());
  const padding = pad ?? Math.floor(kernel / 2);
  return conv(x, weight, { strides: [stride, stride], pads: [padding, padding] });
}

/**
 * Batch normalisation by the batch's statistics; the running ones follow, the variance unbiased
 * (times n / (n - 1)) as PyTorch keeps it.
 */
function batchNormalise(scope: Scope, x: Value): Value {
  const { epsilon, momentum } = batchNormDefaults;
  const channels = [x.shape[1]];
  const scale = scope.parameter("weight", channels, "norm", constantInitialiser(1));
  const bias = scope.parameter("bias", channels, "bias", constantInitialiser(0));
  const runningMean = scope.buffer("running_mean", channels, 0);
  const runningVar = scope.buffer("running_var", channels, 1);
  const [y, mean, variance] = batchNorm(x, scale, bias, epsilon);
  const n = sizeOf(x.shape) / x.shape[1];
  const unbiased = n > 1 ? n / (n - 1) : 1;
  runningMean.update(add(mul(runningMean.value, 1 - momentum), mul(mean, momentum)));
  runningVar.update(add(mul(runningVar.value, 1 - momentum), mul(variance, momentum * unbiased)));
  return y;
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
