import { shapeError } from "../errors.js";
import { centred, columnStatistics, type Features, innerProducts, type Matrix } from "./features.js";

/**
 * The similarities of images under some features, ready to be compared: X Xᵀ with its diagonal left out and
 * U-centred (Székely & Rizzo 2014, "Partial distance correlation", eq. 2.2),
 * Ũᵢⱼ = Kᵢⱼ - Σ_l Kᵢₗ / (n-2) - Σ_k Kₖⱼ / (n-2) + Σ_kl Kₖₗ / ((n-1)(n-2)) for i ≠ j, 0 on the diagonal.
 * @param features of at least 4 images
 * @throws EchoDuetError `shape` for fewer
 */
export function similarityOf(features: Features): Matrix {
  const n = features.rows;
  if (n < 4) shapeError(`cka: expects at least 4 images, got ${n}`);
  const x = centred(features, columnStatistics(features), false);
  const { data } = innerProducts(x, x);
  for (let i = 0; i < n; i++) data[i * n + i] = 0;
  const sums = new Float64Array(n);
  for (let i = 0; i < data.length; i++) sums[Math.floor(i / n)] += data[i];
  const total = sums.reduce((sum, value) => sum + value, 0) / ((n - 1) * (n - 2));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      data[i * n + j] = i === j ? 0 : data[i * n + j] - (sums[i] + sums[j]) / (n - 2) + total;
    }
  }
  return { rows: n, columns: n, data };
}

/**
 * Linear centred kernel alignment (Kornblith et al. 2019, arXiv 1905.00414) of two sets of features of the same
 * images, with the debiased estimator of HSIC (Song et al. 2012, eq. 5; so used by Nguyen et al. 2021, arXiv
 * 2010.15327): HSIC₁(K, L) = Σᵢⱼ K̃ᵢⱼ L̃ᵢⱼ / (n (n-3)) of the U-centred K̃ and L̃, and
 * CKA = HSIC₁(K, L) / √(HSIC₁(K, K) HSIC₁(L, L)). 1 for features that differ by a rotation and a scale; about 0 for
 * unrelated ones however many features there are, where the biased estimator tends to 1; slightly below 0 by chance.
 * @param a @param b of {@link similarityOf}, of the same images in the same order
 * @returns null where one set of features is the same for all images
 * @throws EchoDuetError `shape` where the images differ in number
 */
export function linearCka(a: Matrix, b: Matrix): number | null {
  if (a.rows !== b.rows) {
    shapeError(`cka: expects features of the same images, got those of ${a.rows} and ${b.rows}`);
  }
  const scale = Math.sqrt(dot(a.data, a.data)) * Math.sqrt(dot(b.data, b.data));
  return scale > 0 ? dot(a.data, b.data) / scale : null;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
