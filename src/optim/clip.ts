import { add, div, min, mul, reduceSum, sqrt, type Value } from "../graph/index.js";

/** The Euclidean norm over all gradients together, a scalar. */
export function globalNorm(gradients: readonly Value[]): Value {
  return sqrt(gradients.map((g) => reduceSum(mul(g, g))).reduce((a, b) => add(a, b)));
}

/** min(1, limit / norm): what gradients are multiplied by so that their norm stays within the limit. */
export function clipFactor(norm: Value, limit: number): Value {
  return min(div(limit, add(norm, 1e-6)), 1);
}
