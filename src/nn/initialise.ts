import { type RandomStream, type Shape, sizeOf } from "../tensor/index.js";

/** Fills a new parameter, float32 in row-major order, from a stream keyed by its name. */
export type Initialiser = (shape: Shape, random: RandomStream) => Float32Array;

export function constantInitialiser(value: number): Initialiser {
  return (shape) => new Float32Array(sizeOf(shape)).fill(value);
}

/**
 * Uniform in ±1 / sqrt(fan in): what PyTorch's layers start from (He et al. 2015 with a = sqrt 5).
 * @param fanIn inputs of one output element; by default all axes but the first.
 */
export function fanInUniform(fanIn?: number): Initialiser {
  return (shape, random) => {
    const bound = 1 / Math.sqrt(fanIn ?? sizeOf(shape.slice(1)));
    return Float32Array.from({ length: sizeOf(shape) }, () => random.uniform(-bound, bound));
  };
}

/**
 * Normal with variance 2 / fan out (He et al. 2015, arXiv 1502.01852, equation 14), for a convolution that ReLU
 * follows: the backward pass keeps the gradient's variance. Fan out: filters times kernel elements.
 */
export function kaimingNormal(): Initialiser {
  return (shape, random) => {
    const deviation = Math.sqrt(2 / (shape[0] * sizeOf(shape.slice(2))));
    return Float32Array.from({ length: sizeOf(shape) }, () => deviation * random.normal());
  };
}
