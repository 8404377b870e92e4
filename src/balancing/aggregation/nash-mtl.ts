import { solvePositiveDefinite } from "./cholesky.js";
import { cosines, dot, forNonzeroGradients, squaredLength } from "./gram.js";
import type { AggregationMethod, Gram } from "./method.js";
import { shortestInHull } from "./mgda.js";

/** Where a convex combination of unit gradients is shorter than the root of this, they count as stationary. */
const stationary = 1e-12;

/**
 * Nash-MTL: the bargaining solution, the direction that maximises Σ log(gᵢ · d) in a ball; d = Jᵀ w with
 * (G w)ᵢ = 1 / wᵢ and w > 0.
 *
 * With unit gradients, their cosine matrix C and βᵢ = wᵢ nᵢ: C β = 1 / β. Two tasks with cosine c:
 * wᵢ = 1 / (nᵢ √(1 + c)), the bisector of the two. More: the minimum of the strictly convex ½ βᵀ C β − Σ log βᵢ by
 * damped Newton steps; a graph with fixed operators reaches it by sweeps of the exact coordinate minimum
 * βᵢ ← (√(s² + 4) − s) / 2 with s = Σ_{j≠i} Cᵢⱼ βⱼ.
 *
 * The update conflicts with no task, does not change when a task's loss is scaled, and has length √K whatever the
 * lengths of the gradients: the learning rate alone decides the step.
 *
 * Source: Navon, Shamsian, Achituve, Maron, Kawaguchi, Chechik and Fetaya 2022, "Multi-Task Learning as a
 * Bargaining Game", arXiv 2202.01017, claim 3.1. Deviations: the paper approximates w by a sequence of
 * convex problems, here it is solved to rounding; the authors' code divides G by its Frobenius norm and clips the
 * update, here the equation holds as printed. Settled here: tasks with a zero gradient are left out, and at a
 * Pareto-stationary point, where no solution exists, all weights are 0.
 */
export const nashMtl: AggregationMethod = {
  degree: 0,
  weightsFromGram: (gram) =>
    forNonzeroGradients(gram, (kept, norms) => {
      const c = cosines(kept, norms);
      if (squaredLength(c, shortestInHull(c)) <= stationary) return kept.map(() => 0);
      const beta = kept.length === 2 ? kept.map(() => 1 / Math.sqrt(1 + c[0][1])) : bargain(c);
      return beta.map((value, i) => value / norms[i]);
    }),
};

/** The β > 0 with C β = 1 / β. Damped steps converge from anywhere, since the objective is self-concordant. */
function bargain(c: Gram): number[] {
  const total = c.reduce((sum, row) => sum + row.reduce((a, b) => a + b, 0), 0);
  let beta = c.map(() => Math.sqrt(c.length / total)); // the best point along the diagonal
  for (let step = 0; step < 1000; step++) {
    const gradient = c.map((row, i) => dot(row, beta) - 1 / beta[i]);
    const hessian = c.map((row, i) => row.map((value, j) => (i === j ? value + beta[i] ** -2 : value)));
    const direction = solvePositiveDefinite(hessian, gradient);
    const decrement = Math.sqrt(Math.max(0, dot(gradient, direction)));
    const share = decrement < 0.25 ? 1 : 1 / (1 + decrement);
    beta = beta.map((value, i) => value - share * direction[i]);
    if (decrement < 1e-10) break;
  }
  return beta;
}
