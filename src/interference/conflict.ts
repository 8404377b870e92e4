import { shapeError } from "../errors.js";
import type { Gram } from "./gradient-gram.js";

/** How two tasks' gradients of the same parameters lie to each other; tasks and layers carry their names. */
export interface Conflict {
  /** ‖∇Lᵢ‖₂ of each task's unweighted loss. */
  readonly norms: Readonly<Record<string, number>>;
  /** Of the angle between the two, -1..1; null where a gradient is zero, or where there are not two tasks. */
  readonly cosine: number | null;
}

/** What follows of a {@link Conflict} for a step that weighs the tasks. */
export interface Clash {
  readonly cosine: number | null;
  /** w₂ ‖g₂‖ / (w₁ ‖g₁‖), the second task over the first; null where the first one's is zero. */
  readonly normRatio: number | null;
  /** Whether the cosine is negative: a step for one task goes against the other. */
  readonly conflicts: boolean;
  /**
   * The share of a gradient's energy ‖g‖² that PCGrad's projection takes away: cos² where cos < 0, else 0. It is the
   * same for both gradients and for any positive weights, since g₁ - (g₁·g₂ / g₂·g₂) g₂ has length² ‖g₁‖² (1 - cos²).
   */
  readonly removableEnergy: number;
}

/** Mean and standard deviation (n - 1; null for a single value). */
export interface Spread {
  readonly mean: number;
  readonly sd: number | null;
}

/** Clashes of several batches. */
export interface ClashSummary {
  /** Batches in which both gradients were above zero: those that everything below is taken over. */
  readonly batches: number;
  readonly cosine: Spread | null;
  /** Geometric mean, and the standard deviation of the natural logarithm: ratios multiply. */
  readonly normRatio: { readonly geometricMean: number; readonly sdLog: number | null } | null;
  /** Share of the batches whose cosine is negative. */
  readonly conflictRate: number | null;
  readonly removableEnergy: Spread | null;
}

/**
 * Norms and cosine from the Gram matrix of the tasks' gradients.
 * @throws EchoDuetError `shape` for more than two tasks, whose cosine is that of no one pair
 */
export function conflictOf(gram: Gram, tasks: readonly string[]): Conflict {
  if (tasks.length > 2 || gram.length !== tasks.length) {
    shapeError(
      `conflict: expects the Gram matrix of at most two tasks, got ${gram.length} rows for ${tasks.length} tasks; take the rows and columns of a pair`,
    );
  }
  const norms = gram.map((row, i) => Math.sqrt(row[i]));
  return {
    norms: Object.fromEntries(tasks.map((name, i) => [name, norms[i]])),
    cosine: tasks.length === 2 ? cosineOf(gram[0][1], norms[0], norms[1]) : null,
  };
}

function cosineOf(product: number, a: number, b: number): number | null {
  if (a === 0 || b === 0) return null;
  // Rounding may carry parallel gradients a little beyond 1. NaN stays NaN.
  return Math.max(-1, Math.min(1, product / a / b));
}

/**
 * What a conflict means under the tasks' weights.
 * @param weights by which the step multiplies each task's loss, of the same tasks
 */
export function clashOf({ norms, cosine }: Conflict, weights: Readonly<Record<string, number>>): Clash {
  const [first, second] = Object.keys(norms);
  const weighted = (task: string | undefined) => (task === undefined ? 0 : norms[task] * weights[task]);
  const conflicts = cosine !== null && cosine < 0;
  return {
    cosine,
    normRatio: weighted(first) === 0 ? null : weighted(second) / weighted(first),
    conflicts,
    removableEnergy: conflicts ? cosine ** 2 : 0,
  };
}

/** Conflict rate, means and spread over several batches; null throughout where none had two gradients above zero. */
export function summariseClashes(clashes: readonly Clash[]): ClashSummary {
  const measured = clashes.filter(({ cosine }) => cosine !== null);
  const ratios = measured.flatMap(({ normRatio }) =>
    normRatio !== null && normRatio > 0 ? [Math.log(normRatio)] : [],
  );
  const logs = spreadOf(ratios);
  return {
    batches: measured.length,
    cosine: spreadOf(measured.map(({ cosine }) => cosine as number)),
    normRatio: logs && { geometricMean: Math.exp(logs.mean), sdLog: logs.sd },
    conflictRate: spreadOf(measured.map(({ conflicts }) => (conflicts ? 1 : 0)))?.mean ?? null,
    removableEnergy: spreadOf(measured.map(({ removableEnergy }) => removableEnergy)),
  };
}

/** Mean and sample standard deviation; null where there is no value. */
export function spreadOf(values: readonly number[]): Spread | null {
  const n = values.length;
  if (n === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: n > 1 ? Math.sqrt(squares / (n - 1)) : null };
}
