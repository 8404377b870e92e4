import { cosines, forNonzeroGradients } from "./gram.js";
import type { AggregationMethod, Gram } from "./method.js";
import { symmetricEigen } from "./symmetric-eigen.js";

/** Eigenvalues of the cosine matrix (trace K) up to this count as zero. */
const rankTolerance = 1e-12;

/**
 * IMTL-G: the combination Σ wᵢ gᵢ with Σ wᵢ = 1 whose projections onto all task gradients are equally long,
 * d · gᵢ / ‖gᵢ‖ the same for every i.
 *
 * With unit gradients uᵢ = gᵢ / nᵢ and their cosine matrix C, the condition is C β = 1 (all ones) up to a factor,
 * for βᵢ = wᵢ nᵢ; so wᵢ ∝ βᵢ / nᵢ. Two tasks: β₁ = β₂, hence wᵢ = (1 / nᵢ) / Σ 1 / nⱼ. More: one K x K solve.
 *
 * The direction does not depend on the lengths of the gradients. With two tasks it conflicts with neither; with more
 * it may, since the paper leaves the weights unbounded: some may be negative, and where Σ βᵢ / nᵢ < 0 the common
 * projection is negative as well.
 *
 * Source: Liu, Li, Kuang, Xue, Chen, Yang, Liao and Zhang 2021, "Towards Impartial Multi-task Learning", ICLR 2021
 * (OpenReview IMPnRXEWpvr; not on arXiv), the gradient balance of section 3. Settled here, since the paper divides by zero: tasks with a zero
 * gradient are left out (weight 0); parallel gradients share their weight evenly (least β); where no direction
 * with equal projections other than zero exists, or Σ βᵢ / nᵢ vanishes, all weights are 0.
 */
export const imtlG: AggregationMethod = {
  degree: 1,
  weightsFromGram: (gram) => forNonzeroGradients(gram, impartial),
};

function impartial(gram: Gram, norms: readonly number[]): number[] {
  const beta = gram.length <= 2 ? gram.map(() => 1) : equalProjections(cosines(gram, norms));
  const weights = beta.map((value, i) => value / norms[i]);
  const sum = weights.reduce((total, value) => total + value, 0);
  const size = weights.reduce((total, value) => total + Math.abs(value), 0);
  return Math.abs(sum) > 1e-12 * size ? weights.map((value) => value / sum) : weights.map(() => 0);
}

/** The shortest solution of C β = 1, or zeros where there is none. */
function equalProjections(c: Gram): number[] {
  const { values, vectors } = symmetricEigen(c);
  const beta = c.map(() => 0);
  for (const [k, vector] of vectors.entries()) {
    const ones = vector.reduce((sum, value) => sum + value, 0);
    if (values[k] > rankTolerance) {
      vector.forEach((value, i) => {
        beta[i] += (value * ones) / values[k];
      });
    } else if (Math.abs(ones) > 1e-6) {
      return c.map(() => 0);
    }
  }
  return beta;
}
