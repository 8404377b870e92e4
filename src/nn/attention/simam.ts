import { add, div, mul, reduceMean, reduceSum, sigmoid, sub, type Value } from "../../graph/index.js";

/** λ: keeps the energy of a map without contrast finite. */
const LAMBDA = 1e-4;

/**
 * SimAM (Yang et al. 2021, ICML, PMLR 139): each pixel is scaled by how much it stands out of its channel,
 * without any parameter. With μ and σ² the mean and variance of one image's channel,
 *
 *     y = x · sigmoid((x - μ)² / (4 (σ² + λ)) + 1/2).
 *
 * The fraction and the half are the inverse of the paper's minimal energy (equation 5). The variance divides by
 * height · width - 1, not by the equation's number of neurons. A map of one pixel has a variance of 0 here, not of
 * 0 / 0: it stands out of nothing and is scaled by sigmoid(1/2), as any map without contrast is.
 * @param x float [batch, channels, height, width]
 * @returns float, x's shape
 */
export function simam(x: Value): Value {
  const [, , height, width] = x.shape;
  const deviation = sub(x, reduceMean(x, [2, 3], true));
  const squared = mul(deviation, deviation);
  const variance = div(reduceSum(squared, [2, 3], true), Math.max(height * width - 1, 1));
  const inverseEnergy = add(div(squared, mul(add(variance, LAMBDA), 4)), 0.5);
  return mul(x, sigmoid(inverseEnergy));
}
