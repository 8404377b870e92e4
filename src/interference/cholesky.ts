import { EchoDuetError } from "../errors.js";
import type { Matrix } from "./features.js";

/**
 * The lower triangular L with L Lᵀ = a (Cholesky).
 * @param a symmetric, positive definite
 * @throws EchoDuetError `diverged` where it is not positive definite
 */
export function cholesky({ rows: n, data: a }: Matrix): Matrix {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j];
      for (let k = 0; k < j; k++) sum -= l[i * n + k] * l[j * n + k];
      if (i !== j) l[i * n + j] = sum / l[j * n + j];
      else if (sum > 0) l[i * n + i] = Math.sqrt(sum);
      else throw notDefinite(sum, i);
    }
  }
  return { rows: n, columns: n, data: l };
}

function notDefinite(pivot: number, row: number): EchoDuetError {
  return new EchoDuetError(
    "diverged",
    `cholesky: expects a positive definite matrix, got pivot ${pivot} in row ${row}`,
  );
}

/** a⁻¹ b of a vector b, from a's Cholesky factor. */
export function solveCholesky({ rows: n, data: l }: Matrix, b: ArrayLike<number>): Float64Array {
  const x = Float64Array.from(b);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i] -= l[i * n + k] * x[k];
    x[i] /= l[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i] -= l[k * n + i] * x[k];
    x[i] /= l[i * n + i];
  }
  return x;
}

/** a⁻¹ from a's Cholesky factor L: L⁻ᵀ L⁻¹. */
export function invertCholesky({ rows: n, data: l }: Matrix): Matrix {
  // Rows of L⁻ᵀ, upper triangular: row i is column i of L⁻¹, so that both loops below run along rows.
  const columns = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const column = columns.subarray(i * n, (i + 1) * n);
    column[i] = 1 / l[i * n + i];
    for (let r = i + 1; r < n; r++) {
      let sum = 0;
      for (let k = i; k < r; k++) sum -= l[r * n + k] * column[k];
      column[r] = sum / l[r * n + r];
    }
  }
  const data = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = i; j < n; j++) {
      let sum = 0;
      for (let k = j; k < n; k++) sum += columns[i * n + k] * columns[j * n + k];
      data[i * n + j] = sum;
      data[j * n + i] = sum;
    }
  }
  return { rows: n, columns: n, data };
}
