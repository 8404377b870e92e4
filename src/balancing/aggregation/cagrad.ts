import { EchoDuetError } from "../../errors.js";
import { dot, gradientNorms, squaredLength } from "./gram.js";
import type { AggregationMethod, Gram } from "./method.js";
import { shortestInHull } from "./mgda.js";
import { projectOntoDualCone } from "./upgrad.js";

/**
 * A combination of gradients counts as zero when its length is below this share of the lengths that it adds up:
 * the Gram matrix holds squares, so that shorter ones have fewer than four digits left.
 */
const zeroShare = 1e-6;

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
  degree: 1,
  weightsFromGram: (gram, { c = 0.5 }) => {
    if (!(c >= 0 && Number.isFinite(c))) {
      throw new EchoDuetError("config", `cagrad: c expects a number >= 0, got ${c}`);
    }
    const mean = gram.map(() => 1 / gram.length);
    const radius = c * Math.sqrt(squaredLength(gram, mean));
    if (radius === 0) return mean;
    // From c = 1, F >= 0: at a stationary point every w with g_w along −g₀ is as good, and rounding would choose.
    if (c >= 1 && isZero(gram, shortestInHull(gram))) return projectOntoDualCone(gram, mean);
    const pull = gram.length === 2 ? worstOfTwo(gram, radius) : worstCombination(gram, radius);
    return pull ? mean.map((value, i) => value + pull[i]) : projectOntoDualCone(gram, mean);
  },
};

/** r w / ‖g_w‖ for two tasks, or null where g_w is zero. */
function worstOfTwo(gram: Gram, radius: number): number[] | null {
  const first = leastOnLine(gram, radius);
  const w = [first, 1 - first];
  const length = Math.sqrt(squaredLength(gram, w));
  return isZero(gram, w) ? null : w.map((value) => (radius * value) / length);
}

function isZero(gram: Gram, w: readonly number[], length = Math.sqrt(squaredLength(gram, w))): boolean {
  return length <= zeroShare * dot(w, gradientNorms(gram));
}

/** The w₁ of two tasks that minimises F. */
function leastOnLine(gram: Gram, radius: number): number {
  const [[g11, g12], [, g22]] = gram;
  const apart = g11 + g22 - 2 * g12;
  const slope = (g11 - g22) / 2;
  const room = radius * radius * apart - slope * slope;
  if (apart <= 0) return 0.5;
  if (room <= 0) return slope > 0 ? 0 : 1;
  const distance = Math.max(0, g11 * g22 - g12 * g12) / apart;
  const first = (g22 - g12) / apart - slope * Math.sqrt(distance / (apart * room));
  return Math.min(1, Math.max(0, first));
}

/** r w / ‖g_w‖ = w / σ for any number of tasks, or null where g_w is zero. */
function worstCombination(gram: Gram, radius: number): number[] | null {
  const most = Math.max(...gradientNorms(gram)) / radius;
  let [low, high] = [most * 1e-20, most];
  for (;;) {
    const sigma = Math.sqrt(low * high);
    if (sigma <= low || sigma >= high) break;
    const w = shortestShifted(gram, sigma);
    // Where rounding would decide the comparison, the search goes on above: a root there is exact.
    const below = isZero(gram, w, sigma * radius) || squaredLength(gram, w) > (sigma * radius) ** 2;
    [low, high] = below ? [sigma, high] : [low, sigma];
  }
  const w = shortestShifted(gram, high);
  const atTheEnd = high < most * 1e-19; // the sign never changed
  return atTheEnd || isZero(gram, w, (high * radius) / 2) ? null : w.map((value) => value / high);
}

/** The w of the shortest vector in the convex hull of gᵢ + σ g₀. */
function shortestShifted(gram: Gram, sigma: number): number[] {
  const towardsMean = gram.map((row) => row.reduce((sum, value) => sum + value, 0) / gram.length);
  const meanSquared = towardsMean.reduce((sum, value) => sum + value, 0) / gram.length;
  const shift = (i: number, j: number) => sigma * (towardsMean[i] + towardsMean[j] + sigma * meanSquared);
  return shortestInHull(gram.map((row, i) => row.map((value, j) => value + shift(i, j))));
}
