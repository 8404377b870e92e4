import { dot, gradientNorms } from "./gram.js";
import type { Gram } from "./method.js";
import { solvePositiveDefinite } from "./cholesky.js";

/**
 * Added to the unit diagonal, so that parallel gradients leave the system definite and their weights shared
 * evenly. It shifts a well-posed answer by about one part in 10^13.
 */
const ridge = 1e-13;

/** A gradient of the objective below this counts as zero, in units in which the diagonal is 1. */
const tolerance = 1e-14;

/**
 * The u >= 0 that minimises ½ uᵀ A u − bᵀ u, for a small symmetric positive semidefinite A over which the
 * minimum exists.
 *
 * Active-set method of Lawson and Hanson (Solving Least Squares Problems, 1974, chapter 23) on the normal
 * equations, after scaling A to a unit diagonal: variables enter one at a time, the one with the steepest
 * descent first; the entered ones are solved for exactly, and those that this would take below zero leave. It
 * ends after a finite number of steps. A graph with fixed operators reaches the same point by sweeps of
 * uᵢ ← max(0, uᵢ + (b − A u)ᵢ / Aᵢᵢ).
 */
export function minimiseNonNegative(a: Gram, b: readonly number[]): number[] {
  const scale = gradientNorms(a).map((norm) => (norm > 0 ? 1 / norm : 0));
  const unit = a.map((row, i) => row.map((value, j) => (i === j ? 1 + ridge : value * scale[i] * scale[j])));
  const target = b.map((value, i) => value * scale[i]);
  const small = tolerance * Math.max(...target.map(Math.abs));

  const u = target.map(() => 0);
  const entered: number[] = [];
  for (let round = 0; round < 10 * u.length; round++) {
    const descent = target.map((value, i) => (entered.includes(i) ? 0 : value - dot(unit[i], u)));
    const steepest = descent.indexOf(Math.max(...descent));
    if (!(descent[steepest] > small)) break;
    entered.push(steepest);
    solveEntered(unit, target, u, entered);
  }
  return u.map((value, i) => value * scale[i]);
}

/** Moves `u` to the minimum over the entered variables, dropping each that reaches zero on the way. */
function solveEntered(unit: Gram, target: readonly number[], u: number[], entered: number[]): void {
  while (entered.length > 0) {
    const solution = solvePositiveDefinite(
      entered.map((i) => entered.map((j) => unit[i][j])),
      entered.map((i) => target[i]),
    );
    const blocked = entered.flatMap((variable, k) =>
      solution[k] > 0
        ? []
        : [{ variable, share: u[variable] > 0 ? u[variable] / (u[variable] - solution[k]) : 0 }],
    );
    const share = Math.min(1, ...blocked.map((entry) => entry.share));
    entered.forEach((variable, k) => {
      u[variable] += share * (solution[k] - u[variable]);
    });
    if (blocked.length === 0) return;
    for (const { variable } of blocked.filter((entry) => entry.share <= share)) {
      u[variable] = 0;
      entered.splice(entered.indexOf(variable), 1);
    }
  }
}
