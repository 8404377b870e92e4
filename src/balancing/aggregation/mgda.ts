import type { AggregationMethod, Gram } from "./method.js";
import { minimiseNonNegative } from "./non-negative-quadratic.js";

/** A squared length below this share of the largest, or negative by rounding, counts as zero. */
const zeroSquare = 1e-40;

/**
 * MGDA: the shortest vector in the convex hull of the task gradients, min ‖Σ wᵢ gᵢ‖² over w >= 0, Σ wᵢ = 1.
 *
 * It is zero exactly at Pareto-stationary points and elsewhere points downhill for every task by at least its own
 * squared length (gᵢ · d >= ‖d‖²). A task whose gradient is zero therefore stops all others.
 *
 * Source: Désidéri 2012, "Multiple-gradient descent algorithm (MGDA) for multiobjective optimization"; Sener and
 * Koltun 2018, "Multi-Task Learning as Multi-Objective Optimization", arXiv 1810.04650, equations 3 (the
 * problem) and 4 (the closed form for two tasks). Deviation: for more than two tasks the paper iterates
 * Frank-Wolfe; the problem is solved exactly here (`shortestInHull`). Gradients are those of the shared
 * parameters, not the paper's upper bound by the gradient of a shared representation (MGDA-UB).
 */
export const mgda: AggregationMethod = {
  degree: 1,
  weightsFromGram: shortestInHull,
};

/**
 * The weights, >= 0 and of sum 1, of the shortest vector in the convex hull of the gradients.
 *
 * Two tasks: w₁ = (G₂₂ − G₁₂) / (G₁₁ + G₂₂ − 2 G₁₂), clipped to [0, 1]. More: the u >= 0 that minimises
 * uᵀ G u / μ + (Σ uᵢ − 1)², divided by its sum; for u = t w the minimum over t is q / (1 + q) with
 * q = wᵀ G w / μ, which grows with q, so that both problems have the same w for any μ > 0. μ is the shortest
 * gradient's squared length, so that it keeps its digits beside the 1.
 */
export function shortestInHull(gram: Gram): number[] {
  if (gram.length === 2) return shortestOfTwo(gram);
  const squares = gram.map((row, i) => row[i]);
  const shortest = Math.min(...squares);
  if (shortest <= zeroSquare * Math.max(...squares)) return allOn(squares.indexOf(shortest), gram.length);
  const a = gram.map((row) => row.map((value) => value / shortest + 1));
  const u = minimiseNonNegative(
    a,
    gram.map(() => 1),
  );
  const sum = u.reduce((total, value) => total + value, 0);
  return u.map((value) => value / sum);
}

function shortestOfTwo([[g11, g12], [, g22]]: Gram): number[] {
  const apart = g11 + g22 - 2 * g12; // ‖g₁ − g₂‖²
  const first = apart > 0 ? Math.min(1, Math.max(0, (g22 - g12) / apart)) : 0.5;
  return [first, 1 - first];
}

/** A zero gradient is itself the shortest vector. */
function allOn(task: number, tasks: number): number[] {
  return Array.from({ length: tasks }, (_, i) => (i === task ? 1 : 0));
}
