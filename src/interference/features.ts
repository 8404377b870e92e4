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
    // Of one matrix with itself the upper half is enough.
    for (let j = a === b ? i : 0; j < b.rows; j++) {
      const at = j * length;
      let sum = 0;
      for (let k = 0; k < length; k++) sum += row[k] * b.data[at + k];
      data[i * b.rows + j] = sum;
      if (a === b) data[j * b.rows + i] = sum;
    }
  }
  return { rows: a.rows, columns: b.rows, data };
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
