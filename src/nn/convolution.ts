import { add, conv, reshape, type Value } from "../graph/index.js";
import { type BatchNormOptions, batchNormalise } from "./batch-norm.js";
import { constantInitialiser, fanInUniform, type Initialiser } from "./initialise.js";
import type { FoldedNorm, Scope } from "./scope.js";

export interface ConvOptions {
  readonly filters: number;
  readonly kernel?: number;
  readonly stride?: number;
  /** Zero padding on each side; by default half the kernel, which keeps the size at stride 1. */
  readonly pad?: number;
  /** {@link fanInUniform} by default. */
  readonly initialWeight?: Initialiser;
}

export interface ConvNormOptions extends ConvOptions {
  /** Name of the convolution in the scope. */
  readonly conv: string | number;
  /** Name of its normalisation in the scope. */
  readonly norm: string | number;
  readonly batchNorm: BatchNormOptions;
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
  return addBias(convolve(scope, x, options), bias);
}

/**
 * Convolution without bias, then batch normalisation, each under a name of the caller's. In training:
 * parameters `CONV.weight`, `NORM.weight`, `NORM.bias`, buffers `NORM.running_mean`, `NORM.running_var`. In
 * deployment the normalisation is folded into `CONV.weight` and `CONV.bias`, whose specifications name it.
 * @param x float [batch, channels, height, width]
 * @returns float [batch, filters, height', width']
 */
export function convNorm(scope: Scope, x: Value, options: ConvNormOptions): Value {
  const [conv, norm] = [scope.child(options.conv), scope.child(options.norm)];
  if (scope.mode === "train") return batchNormalise(norm, convolve(conv, x, options), options.batchNorm);
  const folded = { prefix: norm.prefix, epsilon: options.batchNorm.epsilon };
  // What a normalisation begins with: a mean of 0 and a bias of 0.
  const bias = conv.parameter("bias", [options.filters], "bias", constantInitialiser(0), folded);
  return addBias(convolve(conv, x, options, folded), bias);
}

function convolve(
  scope: Scope,
  x: Value,
  { filters, kernel = 1, stride = 1, pad, initialWeight = fanInUniform() }: ConvOptions,
  folded?: FoldedNorm,
): Value {
  const shape = [filters, x.shape[1], kernel, kernel];
  const weight = scope.parameter("weight", shape, "weight", initialWeight, folded);
  const padding = pad ?? Math.floor(kernel / 2);
  return conv(x, weight, { strides: [stride, stride], pads: [padding, padding] });
}

function addBias(x: Value, bias: Value): Value {
  return add(x, reshape(bias, [1, x.shape[1], 1, 1]));
}
