import { cosines, forNonzeroGradients } from "./gram.js";
import type { AggregationMethod, Gram } from "./method.js";
import { symmetricEigen } from "./symmetric-eigen.js";

/** Eigenvalues of the cosine matrix (trace K) up to this count as zero: angles below about 1.4e-6 are parallel. */
const rankTolerance = 1e-12;

/**
 * Aligned-MTL: replaces the task gradients by the nearest set of orthogonal ones, all as long as the smallest
 * nonzero singular value σ of J, and averages these.
 *
 * With G = V Λ Vᵀ, the balance matrix is B = σ V Λ^(−1/2) Vᵀ over the nonzero eigenvalues, σ² the smallest of
 * them, and w = B p with preference p = 1 / K. The aligned gradients B J have condition number 1, and the update
 * has length σ ‖p‖. Two independent gradients need no eigenvalues: with det = G₁₁ G₂₂ − G₁₂², tr = G₁₁ + G₂₂ and
 * λ = (tr + √(tr² − 4 det)) / 2, B = (adj G + √det I) / √(λ (tr + 2 √det)). A graph for more tasks unrolls a few
 * Jacobi sweeps (`symmetricEigen`).
 *
 * Source: Senushkin, Patakin, Kuznetsov and Konushin 2023, "Independent Component Alignment for Multi-Task
 * Learning", arXiv 2305.19000, algorithm 1, scaled by the smallest singular value as in the paper. Settled here:
 * tasks with a zero gradient are left out, and what counts as a zero singular value is decided on the cosines,
 * so that the lengths of the gradients do not matter to it. The rank makes the method discontinuous by nature: the
 * update shrinks to nothing as two gradients become parallel, and jumps back where they are.
 */
export const alignedMtl: AggregationMethod = {
  degree: 1,
  weightsFromGram: (gram) =>
    forNonzeroGradients(gram, (kept, norms) => {
      const preference = kept.map(() => 1 / gram.length);
      const rank = rankOf(cosines(kept, norms));
      return rank === 2 && kept.length === 2
        ? alignTwo(kept, norms, preference)
        : align(kept, rank, preference);
    }),
};

function rankOf(c: Gram): number {
  return symmetricEigen(c).values.filter((value) => value > rankTolerance).length;
}

function alignTwo(
  [[g11, g12], [, g22]]: Gram,
  [n1, n2]: readonly number[],
  [p1, p2]: readonly number[],
): number[] {
  // n₁² n₂² (1 − cos²), as a product of factors that do not cancel.
  const rootDet = Math.sqrt(Math.max(0, n1 * n2 - g12)) * Math.sqrt(Math.max(0, n1 * n2 + g12));
  const trace = g11 + g22;
  const largest = (trace + Math.hypot(g11 - g22, 2 * g12)) / 2;
  const scale = Math.sqrt(largest) * Math.sqrt(trace + 2 * rootDet);
  return [((g22 + rootDet) * p1 - g12 * p2) / scale, ((g11 + rootDet) * p2 - g12 * p1) / scale];
}

function align(gram: Gram, rank: number, preference: readonly number[]): number[] {
  const { values, vectors } = symmetricEigen(gram);
  const smallest = values[rank - 1];
  const weights = gram.map(() => 0);
  for (let k = 0; k < rank; k++) {
    const along = vectors[k].reduce((sum, value, i) => sum + value * preference[i], 0);
    const factor = along * Math.sqrt(smallest / values[k]);
    vectors[k].forEach((value, i) => {
      weights[i] += factor * value;
    });
  }
  return weights;
}
