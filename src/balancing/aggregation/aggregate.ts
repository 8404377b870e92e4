import { EchoDuetError, shapeError } from "../../errors.js";
import type { AggregationMethod, AggregationOptions } from "./method.js";
import { type AggregationName, aggregationMethods, aggregationNames } from "./methods.js";

/** Task gradients: K rows of D numbers. */
export type Jacobian = readonly ArrayLike<number>[];

/**
 * Combines task gradients into one: Jᵀ f(J Jᵀ), in float64.
 *
 * The gradients are first divided by the power of two next to their largest entry, which is exact, so that squares
 * neither overflow nor vanish whatever their common scale; the result is scaled back.
 *
 * @param name a method: `pcgrad` (sum of the projected gradients), `cagrad`, `mgda`, `imtl-g`, `aligned-mtl`,
 *   `nash-mtl` or `upgrad`
 * @param jacobian one row a task, all of the same length D, finite
 * @param options what the method reads of them is said in its file
 * @returns the combined gradient, D numbers; a step goes against it
 * @throws EchoDuetError `config` for an unknown name or option, `shape` for rows that do not fit, `diverged` for
 *   numbers that are not finite
 */
export function aggregate(
  name: AggregationName,
  jacobian: Jacobian,
  options: AggregationOptions = {},
): Float64Array {
  const method: AggregationMethod | undefined = Object.hasOwn(aggregationMethods, name)
    ? aggregationMethods[name]
    : undefined;
  if (!method) {
    throw new EchoDuetError(
      "config",
      `aggregate: method expects one of ${aggregationNames.join(", ")}, got ${name}`,
    );
  }
  const scale = powerOfTwo(largestEntry(jacobian));
  const rows = jacobian.map((row) => Float64Array.from(row, (value) => value / scale));
  const weights = method.weightsFromGram(gramOf(rows), options);
  return combine(rows, weights, method.degree === 1 ? scale : 1);
}

/** The Gram matrix J Jᵀ of task gradients, K x K. */
export function gramOf(jacobian: Jacobian): number[][] {
  const gram = jacobian.map(() => jacobian.map(() => 0));
  for (let i = 0; i < jacobian.length; i++) {
    for (let j = i; j < jacobian.length; j++) {
      let sum = 0;
      for (let k = 0; k < jacobian[i].length; k++) sum += jacobian[i][k] * jacobian[j][k];
      gram[i][j] = sum;
      gram[j][i] = sum;
    }
  }
  return gram;
}

/** scale · Σ wᵢ gᵢ. */
function combine(rows: readonly Float64Array[], weights: readonly number[], scale: number): Float64Array {
  const combined = new Float64Array(rows[0].length);
  rows.forEach((row, task) => {
    for (let k = 0; k < row.length; k++) combined[k] += weights[task] * row[k];
  });
  return combined.map((value) => value * scale);
}

function largestEntry(jacobian: Jacobian): number {
  if (jacobian.length === 0) shapeError("aggregate: jacobian expects one row a task, got none");
  const length = jacobian[0].length;
  let largest = 0;
  for (const [task, row] of jacobian.entries()) {
    if (row.length !== length) {
      shapeError(`aggregate: jacobian expects rows of ${length} numbers, got ${row.length} (row ${task})`);
    }
    for (let k = 0; k < length; k++) {
      if (!Number.isFinite(row[k])) {
        throw new EchoDuetError(
          "diverged",
          `aggregate: jacobian expects finite numbers, got ${row[k]} (row ${task}, column ${k})`,
        );
      }
      largest = Math.max(largest, Math.abs(row[k]));
    }
  }
  return largest;
}

/** The power of two at or just below a positive number; 1 for 0. */
function powerOfTwo(value: number): number {
  return value > 0 ? 2 ** Math.floor(Math.log2(value)) : 1;
}
