/** Eigenvalues in falling order; `vectors[k]` is the unit eigenvector of `values[k]`. */
export interface SymmetricEigen {
  readonly values: readonly number[];
  readonly vectors: readonly (readonly number[])[];
}

/** Sweeps after which the rotations stop; convergence is quadratic and takes about six. */
const maxSweeps = 40;

/**
 * Eigenvalues and eigenvectors of a small symmetric positive semidefinite matrix by cyclic Jacobi rotations.
 *
 * An off-diagonal entry counts as zero when it is small against the two diagonal entries that it links, not
 * against the largest one: for a graded matrix (gradients a million times longer than others) the small
 * eigenvalues then keep their digits, which QR iterations do not guarantee (Demmel and Veselić 1992, "Jacobi's
 * method is more accurate than QR").
 */
export function symmetricEigen(matrix: readonly (readonly number[])[]): SymmetricEigen {
  const size = matrix.length;
  const a = matrix.map((row) => [...row]);
  const vectors = matrix.map((_, i) => matrix.map((_, j) => (i === j ? 1 : 0)));
  for (let sweep = 0, rotated = true; rotated && sweep < maxSweeps; sweep++) {
    rotated = false;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        const small = Number.EPSILON * Math.sqrt(Math.abs(a[p][p] * a[q][q]));
        if (Math.abs(a[p][q]) <= small) continue;
        rotate(a, vectors, p, q);
        rotated = true;
      }
    }
  }
  const order = a.map((_, i) => i).sort((i, j) => a[j][j] - a[i][i]);
  return { values: order.map((i) => a[i][i]), vectors: order.map((i) => vectors[i]) };
}

/** One rotation in the plane (p, q) that makes a[p][q] zero; the rows of `vectors` turn with it. */
function rotate(a: number[][], vectors: number[][], p: number, q: number): void {
  const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
  const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const cosine = 1 / Math.hypot(tangent, 1);
  const sine = tangent * cosine;
  const shift = tangent * a[p][q];
  a[p][p] -= shift;
  a[q][q] += shift;
  a[p][q] = 0;
  a[q][p] = 0;
  for (let k = 0; k < a.length; k++) {
    if (k !== p && k !== q) {
      const [x, y] = [a[k][p], a[k][q]];
      a[k][p] = cosine * x - sine * y;
      a[k][q] = sine * x + cosine * y;
      a[p][k] = a[k][p];
      a[q][k] = a[k][q];
    }
    const [x, y] = [vectors[p][k], vectors[q][k]];
    vectors[p][k] = cosine * x - sine * y;
    vectors[q][k] = sine * x + cosine * y;
  }
}
