import { shapeError } from "../errors.js";

/** n images by d features, row-major. */
export interface Features {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array | Float64Array;
}

/** A square or rectangular matrix of float64, row-major. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/**
 * Inner products of the rows of two matrices with equally many columns: a bᵀ [a.rows, b.rows], float64.
 * @throws EchoDuetError `shape` where the columns differ in number
 */
export function innerProducts(a: Matrix, b: Matrix): Matrix {
  if (a.columns !== b.columns) {
    shapeError(`inner products: expect as many columns on both sides, got ${a.columns} and ${b.columns}`);
  }
  const data = new Float64Array(a.rows * b.rows);
  const length = a.columns;
  for (let i = 0; i < a.rows; i++) {
    const row = a.data.subarray(i * length, (i + 1) * length);
    // Of one matrix with itself the upper half is enough. Four sums at a time: a sum of its own waits for each addition.
    const first = a === b ? i : 0;
    for (let j = first; j < b.rows; j += 4) {
      const [at0, at1, at2, at3] = [0, 1, 2, 3].map((k) => Math.min(j + k, b.rows - 1) * length);
      let [sum0, sum1, sum2, sum3] = [0, 0, 0, 0];
      for (let k = 0; k < length; k++) {
        const x = row[k];
        sum0 += x * b.data[at0 + k];
        sum1 += x * b.data[at1 + k];
        sum2 += x * b.data[at2 + k];
        sum3 += x * b.data[at3 + k];
      }
      const sums = [sum0, sum1, sum2, sum3].slice(0, b.rows - j);
      data.set(sums, i * b.rows + j);
    }
  }
  if (a === b) mirror(data, a.rows);
  return { rows: a.rows, columns: b.rows, data };
}

/** Copies the upper half of a square matrix to the lower one. */
function mirror(data: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) data[i * n + j] = data[j * n + i];
  }
}

/** Mean and standard deviation (n) of each column; a constant one deviates by 0. */
export interface ColumnStatistics {
  readonly means: Float64Array;
  readonly deviations: Float64Array;
}

/** The mean and the standard deviation of each feature over the images. */
export function columnStatistics({ rows, columns, data }: Features): ColumnStatistics {
  const means = new Float64Array(columns);
  const deviations = new Float64Array(columns);
  for (let i = 0; i < data.length; i++) means[i % columns] += data[i] / rows;
  for (let i = 0; i < data.length; i++) deviations[i % columns] += (data[i] - means[i % columns]) ** 2 / rows;
  // What rounding leaves of a constant is no deviation.
  return {
    means,
    deviations: deviations.map((square, i) =>
      Math.sqrt(square) > 1e-12 * Math.abs(means[i]) ? Math.sqrt(square) : 0,
    ),
  };
}

/** The features less the means, and over the deviations where `standardise` is asked for; constant ones are 0. */
export function centred(
  features: Features,
  { means, deviations }: ColumnStatistics,
  standardise: boolean,
): Matrix {
  const { rows, columns } = features;
  const data = new Float64Array(features.data.length);
  for (let i = 0; i < data.length; i++) {
    const column = i % columns;
    const value = features.data[i] - means[column];
    if (deviations[column] > 0) data[i] = standardise ? value / deviations[column] : value;
  }
  return { rows, columns, data };
}
