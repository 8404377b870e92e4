import type { AggregationMethod, Gram } from "./method.js";
import { minimiseNonNegative } from "./non-negative-quadratic.js";

/**
 * UPGrad: each task's gradient is projected onto the cone of directions that conflict with no task
 * ({x: gⱼ · x >= 0 for all j}), and the projections are averaged.
 *
 * The result conflicts with no task, and each task's part in it is proportional to the length of its gradient
 * (linear under scaling). The projection of Jᵀ p is Jᵀ v with v the minimiser of vᵀ G v over v >= p, here with p = eᵢ for each task in turn; the weights are the mean of the v.
 * Two tasks: half of PCGrad's weights, wⱼ = (1 + max(0, −G₁₂) / Gⱼⱼ) / 2. More: one `minimiseNonNegative` a task.
 *
 * Source: Quinton and Rey 2024, "Jacobian Descent for Multi-Objective Optimization", arXiv 2406.16232, with the
 * mean as preference. Deviation: none in the method; the authors' library adds 1e-4 to the diagonal of the
 * normalised Gram matrix, here the solver adds 1e-13.
 */
export const upgrad: AggregationMethod = {
  degree: 1,
  weightsFromGram: (gram) => {
    const tasks = gram.length;
    const projections = gram.map((_, i) =>
      projectOntoDualCone(
        gram,
        gram.map((_, j) => (i === j ? 1 : 0)),
      ),
    );
    return gram.map((_, j) => projections.reduce((sum, v) => sum + v[j], 0) / tasks);
  },
};

/**
 * Weights v of the projection Jᵀ v of Jᵀ p onto {x: J x >= 0}: the least vᵀ G v with v >= p.
 * With u = v − p >= 0 it is the least ½ uᵀ G u + (G p)ᵀ u.
 */
export function projectOntoDualCone(gram: Gram, p: readonly number[]): number[] {
  const against = gram.map((row) => -row.reduce((sum, value, j) => sum + value * p[j], 0));
  const u = minimiseNonNegative(gram, against);
  return p.map((value, i) => value + u[i]);
}
