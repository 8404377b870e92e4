import type { Gram } from "./method.js";

/** The quadratic form wᵀ G w = ‖Jᵀ w‖², never below zero by rounding. */
export function squaredLength(gram: Gram, weights: readonly number[]): number {
  const products = gram.map((row) => dot(row, weights));
  return Math.max(0, dot(products, weights));
}

/** Σ aᵢ bᵢ. */
export function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

/** Lengths nᵢ = √Gᵢᵢ of the task gradients. */
export function gradientNorms(gram: Gram): number[] {
  return gram.map((row, i) => Math.sqrt(Math.max(0, row[i])));
}

/**
 * The Gram matrix of the gradients scaled to length 1: C[i][j] = Gᵢⱼ / (nᵢ nⱼ), the cosines, within [-1, 1] and
 * exactly 1 on the diagonal. What depends on angles alone is computed on C, where a ratio of a million between
 * tasks costs no digits. Expects positive norms.
 */
export function cosines(gram: Gram, norms: readonly number[]): number[][] {
  return gram.map((row, i) =>
    row.map((value, j) => (i === j ? 1 : Math.min(1, Math.max(-1, value / norms[i] / norms[j])))),
  );
}

/**
 * Solves a method's weights for the tasks whose gradient is not zero, and gives the others weight 0.
 * @param solve receives the smaller Gram matrix and its (positive) norms
 */
export function forNonzeroGradients(
  gram: Gram,
  solve: (gram: Gram, norms: readonly number[]) => readonly number[],
): number[] {
  const norms = gradientNorms(gram);
  const kept = gram.flatMap((_, i) => (norms[i] > 0 ? [i] : []));
  const weights = gram.map(() => 0);
  if (kept.length === 0) return weights;
  const solved = solve(
    kept.map((i) => kept.map((j) => gram[i][j])),
    kept.map((i) => norms[i]),
  );
  kept.forEach((task, i) => {
    weights[task] = solved[i];
  });
  return weights;
}
