import { EchoDuetError } from "../../errors.js";
import { dot, gradientNorms, squaredLength } from "./gram.js";
import type { AggregationMethod, Gram } from "./method.js";
import { shortestInHull } from "./mgda.js";
import { projectOntoDualCone } from "./upgrad.js";

/** A combination of gradients is zero when its length is below this share of the lengths that it adds up. */
const zeroShare = 1e-7;

/**
 * CAGrad: among the directions within c ‖g₀‖ of the mean gradient g₀ = Jᵀ 1 / K, the one that serves the worst-off
 * task best, max over ‖d − g₀‖ <= c ‖g₀‖ of min gᵢ · d.
 *
 * Solution: d = g₀ + r g_w / ‖g_w‖ with r = c ‖g₀‖ and g_w = Jᵀ w for the w of the simplex that minimises
 * F(w) = g_w · g₀ + r ‖g_w‖; hence weights 1 / K + r w / ‖g_w‖. With b = G 1 / K:
 *
 * - Two tasks: along the line through g₁ and g₂ let a = ‖g₁ − g₂‖², h its squared distance from the origin, m the
 *   weight of g₁ at the foot, A = (g₁ − g₂) · g₀. F is least at w₁ = m − A √(h / (a (r² a − A²))) where r² a > A²,
 *   else at the end towards which F falls; clipped to [0, 1].
 * - More: √q = min over s of (q / s + s) / 2 makes F, for fixed σ = s / r, the squared length of the combination of
 *   gᵢ + σ g₀: MGDA's problem on the Gram matrix G + σ (b 1ᵀ + 1 bᵀ) + σ² ‖g₀‖² 1 1ᵀ. ‖g_w‖ − σ r changes sign once,
 *   at the solution, which bisection finds.
 *
 * c = 0 is the mean gradient; from c = 1 the update conflicts with no task. For c < 1 the stationary points are
 * those of the mean loss.
 *
 * Source: Liu, Liu, Jin, Stone and Liu 2021, "Conflict-Averse Gradient Descent for Multi-task Learning", arXiv
 * 2110.14048, algorithm 1; without the rescaling by c that the authors' code can add. Settled
 * here: where g_w = 0 the paper divides by zero; of the directions that are then equally good (no task gains, none
 * loses) the nearest to g₀ is taken, its projection onto {x: J x >= 0}.
 */
export const cagrad: AggregationMethod = {
  needs: "gradients",
  degree: 1,
  weightsFromGram: (gram, { c = 0.5 }) => {
    if (!(c >= 0 && Number.isFinite(c))) {
      throw new EchoDuetError("config", `cagrad: c expects a number >= 0, got ${c}`);
    }
    const mean = gram.map(() => 1 / gram.length);
    const radius = c * Math.sqrt(squaredLength(gram, mean));
    if (radius === 0) return mean;
    const w = gram.length === 2 ? worstOfTwo(gram, radius) : worstCombination(gram, radius);
    const length = Math.sqrt(squaredLength(gram, w));
    if (length <= zeroShare * dot(w, gradientNorms(gram))) return projectOntoDualCone(gram, mean);
    return mean.map((value, i) => value + (radius * w[i]) / length);
  },
};

function worstOfTwo(gram: Gram, radius: number): number[] {
  const [[g11, g12], [, g22]] = gram;
  const apart = g11 + g22 - 2 * g12;
  const slope = (g11 - g22) / 2;
  const room = radius * radius * apart - slope * slope;
  if (apart <= 0) return [0.5, 0.5];
  if (room <= 0) return slope > 0 ? [0, 1] : [1, 0];
  const distance = Math.max(0, g11 * g22 - g12 * g12) / apart;
  const first = (g22 - g12) / apart - slope * Math.sqrt(distance / (apart * room));
  const clipped = Math.min(1, Math.max(0, first));
  return [clipped, 1 - clipped];
}

function worstCombination(gram: Gram, radius: number): number[] {
  const tasks = gram.length;
  const towardsMean = gram.map((row) => row.reduce((sum, value) => sum + value, 0) / tasks);
  const meanSquared = towardsMean.reduce((sum, value) => sum + value, 0) / tasks;
  const solve = (sigma: number) =>
    shortestInHull(
      gram.map((row, i) =>
        row.map(
          (value, j) => value + sigma * (towardsMean[i] + towardsMean[j]) + sigma * sigma * meanSquared,
        ),
      ),
    );
  let high = Math.max(...gradientNorms(gram)) / radius;
  let low = high * 1e-20;
  while (high > low * (1 + 4 * Number.EPSILON)) {
    const middle = Math.sqrt(low * high);
    if (middle <= low || middle >= high) break;
    if (squaredLength(gram, solve(middle)) > (middle * radius) ** 2) low = middle;
    else high = middle;
  }
  return solve(high);
}
