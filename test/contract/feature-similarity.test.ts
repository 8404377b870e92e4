import { describe, expect, it } from "vitest";
import { auroc } from "../../src/classification/index.js";
import { cholesky, invertCholesky, solveCholesky } from "../../src/interference/cholesky.js";
import {
  centred,
  columnStatistics,
  type Features,
  innerProducts,
  LinearProbe,
  linearCka,
  type Matrix,
  probeRegularisations,
  similarityOf,
} from "../../src/interference/index.js";
import { randomStream } from "../../src/tensor/index.js";

function features(rows: number, columns: number, seed: string): Features {
  const random = randomStream(1, seed);
  return { rows, columns, data: Float64Array.from({ length: rows * columns }, () => random.normal()) };
}

const cka = (a: Features, b: Features) => linearCka(similarityOf(a), similarityOf(b)) as number;

/** x times a matrix [columns, to], row-major. */
function times(x: Features, matrix: readonly number[][]): Features {
  const columns = matrix[0].length;
  const data = Float64Array.from({ length: x.rows * columns }, (_, i) =>
    matrix.reduce(
      (sum, row, k) => sum + x.data[Math.floor(i / columns) * x.columns + k] * row[i % columns],
      0,
    ),
  );
  return { rows: x.rows, columns, data };
}

/** A rotation: a product of plane rotations by random angles. */
function rotation(size: number): number[][] {
  const random = randomStream(2, "rotation");
  const matrix = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (_, j) => (i === j ? 1 : 0) as number),
  );
  for (let i = 0; i < size; i++) {
    for (let j = i + 1; j < size; j++) {
      const angle = random.uniform(0, 6);
      for (const row of matrix) {
        const [a, b] = [row[i], row[j]];
        row[i] = a * Math.cos(angle) - b * Math.sin(angle);
        row[j] = a * Math.sin(angle) + b * Math.cos(angle);
      }
    }
  }
  return matrix;
}

describe("linear CKA", () => {
  const x = features(40, 6, "x");

  it("is 1 for the same features, also turned, scaled and shifted", () => {
    const turned = times(x, rotation(6));
    const moved = { ...turned, data: turned.data.map((value, i) => 1e-4 * value + (i % 6)) };
    expect(cka(x, x)).toBeCloseTo(1, 12);
    expect(cka(x, turned)).toBeCloseTo(1, 12);
    expect(cka(x, moved)).toBeCloseTo(1, 8);
    const stretched = times(
      x,
      Array.from({ length: 6 }, (_, i) => Array.from({ length: 6 }, (_, j) => (i === j ? 3 ** i : 0))),
    );
    expect(cka(x, stretched)).toBeLessThan(0.8);
  });

  it("is about 0 for independent features, even where there are more of them than images", () => {
    const values = Array.from({ length: 8 }, (_, i) =>
      cka(features(60, 2000, `a${i}`), features(60, 2000, `b${i}`)),
    );
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    // The biased estimator gives about 0.97 here.
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.max(...values.map(Math.abs))).toBeLessThan(0.1);
  });

  it("is the ratio of the HSICs of Song et al., written out", () => {
    const y = times(x, [
      [1, 2],
      [0, 1],
      [0, 0],
      [1, 0],
      [0, 0],
      [3, -1],
    ]);
    const kernel = (f: Features): Matrix => {
      const matrix = { rows: f.rows, columns: f.columns, data: Float64Array.from(f.data) };
      const k = innerProducts(matrix, matrix);
      for (let i = 0; i < f.rows; i++) k.data[i * f.rows + i] = 0;
      return k;
    };
    const hsic = (k: Matrix, l: Matrix) => {
      const n = k.rows;
      const sum = (data: Float64Array) => data.reduce((total, value) => total + value, 0);
      const rowSums = ({ data }: Matrix) =>
        Array.from({ length: n }, (_, i) => sum(data.subarray(i * n, (i + 1) * n)));
      const trace = k.data.reduce((total, value, i) => total + value * l.data[i], 0);
      const [a, b] = [rowSums(k), rowSums(l)];
      const middle = a.reduce((total, value, i) => total + value * b[i], 0);
      return (
        (trace + (sum(k.data) * sum(l.data)) / ((n - 1) * (n - 2)) - (2 / (n - 2)) * middle) / (n * (n - 3))
      );
    };
    const [k, l] = [kernel(x), kernel(y)];
    expect(cka(x, y)).toBeCloseTo(hsic(k, l) / Math.sqrt(hsic(k, k) * hsic(l, l)), 10);
    expect(cka(x, y)).toBeGreaterThan(0.3);
  });

  it("has no value for constant features, and needs four images of both", () => {
    const constant = { rows: 40, columns: 2, data: new Float64Array(80).fill(0.1) };
    expect(linearCka(similarityOf(x), similarityOf(constant))).toBeNull();
    expect(() => similarityOf(features(3, 2, "few"))).toThrow(/at least 4 images, got 3/);
    expect(() => linearCka(similarityOf(x), similarityOf(features(39, 6, "x")))).toThrow(/40 and 39/);
  });
});

describe("Cholesky", () => {
  it("solves and inverts", () => {
    const x = features(12, 20, "spd");
    const matrix = { rows: 12, columns: 20, data: Float64Array.from(x.data) };
    const a = innerProducts(matrix, matrix);
    const factor = cholesky(a);
    const b = Array.from({ length: 12 }, (_, i) => i - 3);
    const product = (m: Matrix, v: ArrayLike<number>) =>
      Array.from({ length: 12 }, (_, i) =>
        Array.from(v).reduce((sum, value, k) => sum + m.data[i * 12 + k] * value, 0),
      );
    product(a, solveCholesky(factor, b)).forEach((value, i) => {
      expect(value).toBeCloseTo(b[i], 9);
    });
    product(a, product(invertCholesky(factor), b)).forEach((value, i) => {
      expect(value).toBeCloseTo(b[i], 9);
    });
    expect(() => cholesky({ rows: 1, columns: 1, data: Float64Array.of(-1) })).toThrow(/pivot -1 in row 0/);
  });
});

describe("linear probes", () => {
  const groups = Array.from({ length: 90 }, (_, i) => `p${Math.floor(i / 9)}`);

  /** A signal along one direction of 200 noisy features, as strong as the noise of each. */
  function planted(rows: number, seed: string): { x: Features; label: boolean[] } {
    const noise = features(rows, 200, seed);
    const random = randomStream(4, seed);
    const label = Array.from({ length: rows }, () => random.uniform() < 0.4);
    const data = noise.data.map(
      (value, i) => 7 + 3 * (value + (i % 200 < 20 && label[Math.floor(i / 200)] ? 1 : 0)),
    );
    return { x: { ...noise, data }, label };
  }

  it("find a planted signal and none in noise", () => {
    const [train, test] = [planted(90, "train"), planted(200, "test")];
    const probe = new LinearProbe(train.x, test.x, groups);
    const found = probe.fit([train.label.map(Number)]);
    expect(auroc(found.scores[0], test.label)).toBeGreaterThan(0.9);
    const random = randomStream(5, "labels");
    const { scores } = probe.fit([train.label.map(() => random.integer(2))]);
    expect(Math.abs((auroc(scores[0], test.label) as number) - 0.5)).toBeLessThan(0.15);
  });

  it("are the ridge regression that leaving out each group chooses", () => {
    // Few features, so that the normal equations can be written out.
    const train = features(90, 3, "three");
    const y = Array.from({ length: 90 }, (_, i) => 2 * train.data[3 * i] - train.data[3 * i + 1] + 5);
    const { scores, regularisation } = new LinearProbe(train, train, groups).fit([y]);
    expect(regularisation).toBe(0.01);
    const mean = y.reduce((a, b) => a + b) / 90;
    const error = scores[0].reduce((sum, value, i) => sum + (value - y[i]) ** 2, 0);
    const total = y.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    expect(error / total).toBeLessThan(1e-4);
    expect(error).toBeGreaterThan(0);
  });

  it("take the regularisation that fits groups left out best, as found by fitting without each", () => {
    const { x, label } = planted(90, "train");
    const random = randomStream(6, "targets");
    const targets = [
      label.map(Number),
      groups.map((_, i) => x.data[200 * i]),
      groups.map(() => random.normal()),
      // Each patient's own value: it can be told from the patient's other images alone.
      groups.map((_, i) => Math.floor(i / 9) % 3),
    ];
    const probe = new LinearProbe(x, x, groups);
    const chosen = targets.map((y) => probe.fit([y]).regularisation);
    expect(chosen).toEqual(targets.map((y) => bruteForce(x, y)));
    expect(new Set(chosen).size).toBeGreaterThan(1);
  });

  /** The best regularisation by one fit for each of them and each group. */
  function bruteForce(x: Features, y: readonly number[]): number {
    const z = centred(x, columnStatistics(x), true);
    const kernel = innerProducts(z, z);
    const n = x.rows;
    const trace = Array.from({ length: n }, (_, i) => kernel.data[i * n + i]).reduce((a, b) => a + b);
    const mean = y.reduce((a, b) => a + b) / n;
    const errors = probeRegularisations.map((regularisation) => {
      let error = 0;
      for (const group of new Set(groups)) {
        const kept = groups.flatMap((other, i) => (other === group ? [] : [i]));
        const part = Float64Array.from(kept.flatMap((i) => kept.map((j) => kernel.data[i * n + j])));
        for (let i = 0; i < kept.length; i++) part[i * kept.length + i] += (regularisation * trace) / n;
        const factor = cholesky({ rows: kept.length, columns: kept.length, data: part });
        const alpha = solveCholesky(
          factor,
          kept.map((i) => y[i] - mean),
        );
        groups.forEach((other, i) => {
          if (other !== group) return;
          const predicted = kept.reduce((sum, j, k) => sum + kernel.data[i * n + j] * alpha[k], mean);
          error += (predicted - y[i]) ** 2;
        });
      }
      return error;
    });
    return probeRegularisations[errors.indexOf(Math.min(...errors))];
  }

  it("predict the mean from features that say nothing", () => {
    const constant = { rows: 90, columns: 2, data: new Float64Array(180).fill(3) };
    const { scores } = new LinearProbe(constant, constant, groups).fit([groups.map((_, i) => i % 3)]);
    expect(scores[0].every((score) => Math.abs(score - 1) < 1e-12)).toBe(true);
    expect(() => new LinearProbe(constant, constant, ["a"])).toThrow(/got 1 for 90/);
  });
});
