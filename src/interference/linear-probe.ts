import { shapeError } from "../errors.js";
import { cholesky, invertCholesky, solveCholesky } from "./cholesky.js";
import { centred, columnStatistics, type Features, innerProducts, type Matrix } from "./features.js";

/** Regularisations that are tried, as multiples of the mean squared length of a training image's features. */
export const probeRegularisations: readonly number[] = [0.01, 0.1, 1, 10, 100];

/** A fitted probe's predictions. */
export interface ProbeScores {
  /** For each target, its prediction for each scored image. */
  readonly scores: readonly Float64Array[];
  /** The chosen one of {@link probeRegularisations}. */
  readonly regularisation: number;
}

/**
 * Linear probes of features: ridge regression in closed form (kernel form, so any number of features will do), with
 * the features standardised by the training images.
 *
 * With K = X Xᵀ and Q = (K + λ I)⁻¹, the weights of the training images are α = Q (y - ȳ) and a prediction is
 * ȳ + k α. λ is chosen from the training images alone, by leaving out one group at a time: the residuals of group g
 * are then Q_gg⁻¹ α_g without another fit, and the λ with the smallest sum of their squares is taken (ȳ and the
 * standardisation stay those of all training images). Groups are patients, so that λ is fit for unseen ones.
 */
export class LinearProbe {
  readonly #kernel: Matrix;
  readonly #across: Matrix;
  readonly #members: readonly (readonly number[])[];
  readonly #solutions: readonly { readonly regularisation: number; readonly inverse: Matrix }[];

  /**
   * @param train at least 2 images @param scored features of the images to predict
   * @param groups of each training image
   * @throws EchoDuetError `shape` where the numbers do not fit
   */
  constructor(train: Features, scored: Features, groups: readonly string[]) {
    if (train.rows !== groups.length || train.rows < 2) {
      shapeError(
        `linear probe: expects a group for each of at least 2 training images, got ${groups.length} for ${train.rows}`,
      );
    }
    const statistics = columnStatistics(train);
    const x = centred(train, statistics, true);
    this.#kernel = innerProducts(x, x);
    this.#across = innerProducts(centred(scored, statistics, true), x);
    this.#members = [...new Set(groups)].map((group) =>
      groups.flatMap((other, i) => (other === group ? [i] : [])),
    );
    this.#solutions = probeRegularisations.map((regularisation) => ({
      regularisation,
      inverse: this.#invert(regularisation),
    }));
  }

  /** Fits all of `targets` with the same λ. @param targets each of as many numbers as there are training images */
  fit(targets: readonly ArrayLike<number>[]): ProbeScores {
    const means = targets.map((y) => Array.from(y).reduce((sum, value) => sum + value, 0) / y.length);
    const residuals = targets.map((y, t) => Float64Array.from(y, (value) => value - means[t]));
    const candidates = this.#solutions.map(({ regularisation, inverse }) => {
      const alphas = residuals.map((y) => multiply(inverse, y));
      return { regularisation, alphas, error: this.#leftOutError(inverse, alphas) };
    });
    const best = candidates.reduce((a, b) => (b.error < a.error ? b : a));
    return {
      regularisation: best.regularisation,
      scores: best.alphas.map((alpha, t) => multiply(this.#across, alpha).map((value) => value + means[t])),
    };
  }

  #invert(regularisation: number): Matrix {
    const { rows: n, data } = this.#kernel;
    let trace = 0;
    for (let i = 0; i < n; i++) trace += data[i * n + i];
    const sum = data.slice();
    // Features that are the same for all images leave a kernel of zeros.
    const lambda = trace > 0 ? (regularisation * trace) / n : 1;
    for (let i = 0; i < n; i++) sum[i * n + i] += lambda;
    return invertCholesky(cholesky({ rows: n, columns: n, data: sum }));
  }

  #leftOutError(inverse: Matrix, alphas: readonly Float64Array[]): number {
    const n = inverse.rows;
    let error = 0;
    for (const members of this.#members) {
      const size = members.length;
      const block = new Float64Array(size * size);
      members.forEach((i, row) => {
        members.forEach((j, column) => {
          block[row * size + column] = inverse.data[i * n + j];
        });
      });
      const factor = cholesky({ rows: size, columns: size, data: block });
      for (const alpha of alphas) {
        const residual = solveCholesky(
          factor,
          members.map((i) => alpha[i]),
        );
        for (const value of residual) error += value ** 2;
      }
    }
    return error;
  }
}

function multiply({ rows, columns, data }: Matrix, x: Float64Array): Float64Array {
  const out = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < columns; k++) out[i] += data[i * columns + k] * x[k];
  }
  return out;
}
