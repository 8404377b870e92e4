import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { minimiseNonNegative } from "../../src/balancing/aggregation/non-negative-quadratic.js";
import { symmetricEigen } from "../../src/balancing/aggregation/symmetric-eigen.js";
import {
  type AggregationName,
  type AggregationOptions,
  aggregate,
  aggregationMethods,
  aggregationNames,
  gramOf,
} from "../../src/balancing/index.js";

type Matrix = readonly (readonly number[])[];

/** What a paper claims of its method; every line is tested for exactly the methods that it names. */
interface Claims {
  /** The update conflicts with no task, up to this number of tasks. */
  readonly nonConflicting?: number;
  /** A(diag(c) J) is linear in c > 0. */
  readonly linearUnderScaling?: boolean;
  /** The update's direction does not depend on the tasks' scales. */
  readonly scaleFreeDirection?: boolean;
  /** The update at a point where a combination with positive weights of the gradients is zero. */
  readonly stationary?: "zero" | "zero for two tasks";
  /** Where no positive combination is zero, the update is not zero. */
  readonly movesElsewhere?: boolean;
  readonly options?: AggregationOptions;
}

const claims: Readonly<Record<AggregationName | "cagrad, c = 1", Claims>> = {
  pcgrad: { nonConflicting: 2, linearUnderScaling: true, stationary: "zero for two tasks" },
  cagrad: {}, // c = 0.5: stationary where the mean loss is, and conflicts as far as its ball makes it
  "cagrad, c = 1": { nonConflicting: Infinity, stationary: "zero", options: { c: 1 } },
  mgda: { nonConflicting: Infinity, stationary: "zero" },
  "imtl-g": { nonConflicting: 2, scaleFreeDirection: true, stationary: "zero for two tasks" },
  "aligned-mtl": {},
  "nash-mtl": { nonConflicting: Infinity, scaleFreeDirection: true, stationary: "zero" },
  upgrad: { nonConflicting: Infinity, linearUnderScaling: true, stationary: "zero", movesElsewhere: true },
};

/** Hard inputs: zero, parallel and opposite gradients, ratios of a million, dependent and crowded ones. */
const hardInputs: Readonly<Record<string, Matrix>> = {
  "all zero": [[0, 0, 0], [0, 0, 0]], // biome-ignore format: one matrix a line
  "one zero": [[0, 0, 0], [1, -2, 3]], // biome-ignore format: one matrix a line
  "one zero of three": [[1, 0.5, 0], [0, 0, 0], [-1, 0.5, 0]], // biome-ignore format: one matrix a line
  "all zero but one": [[0, 0], [0, 0], [3, 4]], // biome-ignore format: one matrix a line
  equal: [[1, -2, 3], [1, -2, 3]], // biome-ignore format: one matrix a line
  parallel: [[1, -2, 3], [0.3, -0.6, 0.9]], // biome-ignore format: one matrix a line
  "parallel three": [[1, 2], [2, 4], [0.1, 0.2]], // biome-ignore format: one matrix a line
  "parallel two of three": [[1, 2, 0], [3, 6, 0], [-1, 1, 1]], // biome-ignore format: one matrix a line
  opposite: [[1, -2, 3], [-1, 2, -3]], // biome-ignore format: one matrix a line
  "opposite, unequal": [[1, -2, 3], [-0.3, 0.6, -0.9]], // biome-ignore format: one matrix a line
  "opposite two of three": [[1, 0, 0], [-2, 0, 0], [0, 1, 1]], // biome-ignore format: one matrix a line
  "nearly opposite": [[1, 1e-7], [-1, 1e-7]], // biome-ignore format: one matrix a line
  "nearly parallel": [[1, 1e-7], [1, -1e-7]], // biome-ignore format: one matrix a line
  "a star that cancels": [[1, 0], [-0.5, Math.sqrt(0.75)], [-0.5, -Math.sqrt(0.75)]], // biome-ignore format: one matrix a line
  "more tasks than parameters": [[1, 0.2], [0.9, -0.3], [0.1, 1], [0.5, 0.5], [-0.2, 0.9]], // biome-ignore format: one matrix a line
  orthogonal: [[1, 0, 0], [0, 2, 0], [0, 0, 3]], // biome-ignore format: one matrix a line
  "ratio 1e6": [[1, -2, 3], [1e6, 2e6, 0.5e6]], // biome-ignore format: one matrix a line
  "ratio 1e6, conflicting": [[1, -2, 3], [-1e6, 2e6, 0.5e6]], // biome-ignore format: one matrix a line
  "ratio 1e6, opposite": [[1, -2, 3], [-1e6, 2e6, -3e6]], // biome-ignore format: one matrix a line
  "ratios 1e6, three": [[1, -2, 3, 1], [-1e3, 2e3, 0.5e3, 1], [0.2e6, -1e6, -1e6, 3e6]], // biome-ignore format: one matrix a line
};

const entry = fc.integer({ min: -30, max: 30 }).map((value) => value / 10);
const matrixOf = (tasks: fc.Arbitrary<number>) =>
  fc
    .tuple(tasks, fc.integer({ min: 1, max: 7 }))
    .chain(([rows, columns]) =>
      fc.tuple(
        fc.array(fc.array(entry, { minLength: columns, maxLength: columns }), {
          minLength: rows,
          maxLength: rows,
        }),
        // Scales of the tasks, up to a ratio of a million.
        fc.array(fc.integer({ min: -3, max: 3 }), { minLength: rows, maxLength: rows }),
      ),
    )
    .map(([matrix, powers]): Matrix => matrix.map((row, i) => row.map((value) => value * 10 ** powers[i])));
const anyMatrix = matrixOf(fc.integer({ min: 1, max: 5 }));
const twoTasks = matrixOf(fc.constant(2));

describe.each(Object.entries(claims))("%s", (label, claim) => {
  const name = label.split(",")[0] as AggregationName;
  const combine = (jacobian: Matrix, options?: AggregationOptions) =>
    aggregate(name, jacobian, { ...claim.options, ...options });

  it("is finite, and scales with the gradients, on the hard inputs and any others", () => {
    const holds = (jacobian: Matrix) => {
      const combined = combine(jacobian);
      expect(combined).toHaveLength(jacobian[0].length);
      expect(combined.every(Number.isFinite)).toBe(true);
      for (const power of [-40, 40]) {
        // 2^±40 is 1e±12: a power of two is exact, so that the results agree to the bit.
        const scaled = combine(jacobian.map((row) => row.map((value) => value * 2 ** power)));
        const degree = aggregationMethods[name].degree;
        expect(Array.from(scaled)).toEqual(Array.from(combined, (value) => value * 2 ** (power * degree)));
      }
    };
    for (const jacobian of Object.values(hardInputs)) {
      holds(jacobian);
      for (const scale of [1e-12, 1e12, 1e-200, 1e200]) {
        const scaled = combine(jacobian.map((row) => row.map((value) => value * scale)));
        expect(scaled.every(Number.isFinite)).toBe(true);
      }
    }
    fc.assert(fc.property(anyMatrix, holds), { numRuns: 60 });
  });

  it("follows the tasks when they change places", () => {
    fc.assert(
      fc.property(anyMatrix, fc.nat(), (jacobian, seed) => {
        const tasks = jacobian.map((_, i) => i);
        const place = rotated(tasks, seed % jacobian.length).reverse();
        const others = (from: readonly number[]) => tasks.map((i) => from.filter((j) => j !== i));
        const order = others(rotated(tasks, 1));
        // PCGrad depends on an order of the tasks; it must follow as well.
        const movedOrder = place.map((i) => order[i].map((j) => place.indexOf(j)));
        const moved = combine(
          place.map((i) => jacobian[i]),
          { order: movedOrder },
        );
        expectClose(moved, combine(jacobian, { order }), 1e-7 * reach(name, jacobian));
      }),
      { numRuns: 60 },
    );
  });

  if (claim.nonConflicting !== undefined) {
    const most = claim.nonConflicting;
    it(`conflicts with no task${most === 2 ? " of two" : ""}`, () => {
      const holds = (jacobian: Matrix) => {
        const combined = combine(jacobian);
        for (const row of jacobian) {
          const along = dot(row, combined);
          expect(along).toBeGreaterThanOrEqual(-1e-8 * norm(row) * reach(name, jacobian));
        }
      };
      Object.values(hardInputs)
        .filter((jacobian) => jacobian.length <= most)
        .forEach(holds);
      fc.assert(fc.property(most === 2 ? twoTasks : anyMatrix, holds), { numRuns: 150 });
    });
  }

  if (claim.linearUnderScaling) {
    it("is linear under scaling of the tasks", () => {
      const factor = fc.integer({ min: 1, max: 40 }).map((value) => value / 10);
      const factors = fc.array(factor, { minLength: 5, maxLength: 5 });
      fc.assert(
        fc.property(anyMatrix, factors, factors, (jacobian, a, b) => {
          const scaled = (by: readonly number[]) => jacobian.map((row, i) => row.map((v) => v * by[i]));
          const sum = combine(scaled(a.map((value, i) => 2 * value + 3 * b[i])));
          const parts = [combine(scaled(a)), combine(scaled(b))];
          expectClose(
            sum,
            Float64Array.from(sum, (_, k) => 2 * parts[0][k] + 3 * parts[1][k]),
            1e-7 * reach(name, jacobian),
          );
        }),
        { numRuns: 60 },
      );
    });
  }

  if (claim.scaleFreeDirection) {
    it("keeps its direction when a task's loss is scaled", () => {
      fc.assert(
        fc.property(
          wellPosed,
          fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 4, maxLength: 4 }),
          (jacobian, powers) => {
            const scaled = jacobian.map((row, i) => row.map((value) => value * 10 ** powers[i]));
            const [a, b] = [combine(jacobian), combine(scaled)];
            // IMTL-G's sum of weights may change its sign with the scales: the line, not the arrow, is kept.
            expect(Math.abs(dot(a, b))).toBeGreaterThanOrEqual((1 - 1e-9) * norm(a) * norm(b));
          },
        ),
        { numRuns: 60 },
      );
    });
  }

  if (claim.stationary) {
    it(`is ${claim.stationary} where the gradients cancel`, () => {
      const tasks = claim.stationary === "zero" ? fc.integer({ min: 1, max: 4 }) : fc.constant(1);
      fc.assert(
        fc.property(matrixOf(tasks), (rest) => {
          // The last gradient is minus the sum of the others, scaled.
          const last = rest[0].map((_, k) => -0.7 * rest.reduce((sum, row) => sum + row[k], 0));
          const jacobian = [...rest, last];
          fc.pre(jacobian.every((row) => norm(row) > 0));
          expect(norm(combine(jacobian))).toBeLessThanOrEqual(1e-6 * Math.max(...jacobian.map(norm)));
        }),
        { numRuns: 60 },
      );
    });
  }

  if (claim.movesElsewhere) {
    it("moves where the gradients do not cancel", () => {
      // The second and third task oppose each other; the first is free to gain.
      expect(norm(combine([[0, 2, 0], [1, 0, 0], [-1, 0, 0]]))).toBeGreaterThan(0.1); // biome-ignore format: one matrix a line
      expect(norm(combine([[1, 0], [0.5, 1]]))).toBeGreaterThan(0.1); // biome-ignore format: one matrix a line
    });
  }
});

/** Gradients of 2 to 4 tasks that are far from dependent. */
const wellPosed = fc
  .tuple(fc.integer({ min: 2, max: 4 }), fc.array(entry, { minLength: 24, maxLength: 24 }))
  .map(
    ([tasks, values]): Matrix =>
      Array.from({ length: tasks }, (_, i) =>
        Array.from({ length: 6 }, (_, k) => (i === k ? 4 : 0) + values[6 * i + k] / 3),
      ),
  );

describe("each method solves its paper's own problem", () => {
  it("mgda: no point of the hull is shorter", () => {
    onMatrices((jacobian, weights) => {
      const shortest = norm(aggregate("mgda", jacobian));
      expect(norm(weighted(jacobian, weights))).toBeGreaterThanOrEqual(
        shortest * (1 - 1e-9) - tiny(jacobian),
      );
    });
  });

  it("mgda: solves three tasks as two where one is there twice", () => {
    fc.assert(
      fc.property(twoTasks, ([a, b]) => {
        expectClose(aggregate("mgda", [b, a, b]), aggregate("mgda", [a, b]), tiny([a, b]));
      }),
    );
  });

  it("mgda: descends for every task by its own squared length", () => {
    onMatrices((jacobian) => {
      const d = aggregate("mgda", jacobian);
      for (const row of jacobian) {
        expect(dot(row, d)).toBeGreaterThanOrEqual(
          dot(d, d) - 1e-9 * norm(row) * Math.max(norm(d), norm(row)),
        );
      }
    });
  });

  it("cagrad: stays in its ball, and no other point of it serves the worst task better", () => {
    for (const c of [0.2, 0.5, 1, 2]) {
      onMatrices((jacobian, weights) => {
        const d = aggregate("cagrad", jacobian, { c });
        const mean = weighted(jacobian, jacobian.map(() => 1 / jacobian.length)); // biome-ignore format: a call in a call
        const radius = c * norm(mean);
        expect(norm(d.map((value, k) => value - mean[k]))).toBeLessThanOrEqual(
          radius * (1 + 1e-6) + tiny(jacobian),
        );
        // Duality: F(w) = g_w · g₀ + r ‖g_w‖ bounds min gᵢ · d from above for every w of the simplex, so a w
        // that attains it proves d the best. At a stationary point that is the shortest combination's.
        const bound = (w: readonly number[]) =>
          dot(weighted(jacobian, w), mean) + radius * norm(weighted(jacobian, w));
        const gram = gramOf(jacobian);
        const added = aggregationMethods.cagrad
          .weightsFromGram(gram, { c })
          .map((value) => value - 1 / jacobian.length);
        const total = added.reduce((a, b) => a + b);
        const candidates = [weights, aggregationMethods.mgda.weightsFromGram(gram, {})];
        if (total > 0) candidates.push(added.map((value) => value / total));
        const worst = Math.min(...jacobian.map((row) => dot(row, d)));
        const slack = 1e-7 * Math.max(...jacobian.map(norm)) ** 2;
        expect(worst).toBeGreaterThanOrEqual(Math.min(...candidates.map(bound)) - slack);
      });
    }
  });

  it("cagrad: c = 0 is the mean gradient", () => {
    onMatrices((jacobian) => {
      const mean = weighted(jacobian, jacobian.map(() => 1 / jacobian.length)); // biome-ignore format: a call in a call
      expectClose(aggregate("cagrad", jacobian, { c: 0 }), mean, tiny(jacobian));
    });
  });

  it("imtl-g: the projections onto all gradients are equal, and the weights sum to 1", () => {
    fc.assert(
      fc.property(wellPosed, (jacobian) => {
        const d = aggregate("imtl-g", jacobian);
        const projections = jacobian.map((row) => dot(row, d) / norm(row));
        for (const projection of projections) expect(projection).toBeCloseTo(projections[0], 9);
        const weights = aggregationMethods["imtl-g"].weightsFromGram(gramOf(jacobian), {});
        expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 9);
      }),
    );
  });

  it("aligned-mtl: the update is the mean of orthogonal gradients of the smallest singular length", () => {
    fc.assert(
      fc.property(wellPosed, (jacobian) => {
        const smallest = symmetricEigen(gramOf(jacobian)).values.at(-1)!;
        const d = aggregate("aligned-mtl", jacobian);
        expect(dot(d, d)).toBeCloseTo(smallest / jacobian.length, 8);
      }),
    );
  });

  it("nash-mtl: every task's weight is one over its gain", () => {
    fc.assert(
      fc.property(wellPosed, (jacobian) => {
        const d = aggregate("nash-mtl", jacobian);
        const weights = aggregationMethods["nash-mtl"].weightsFromGram(gramOf(jacobian), {});
        jacobian.forEach((row, i) => {
          expect(weights[i]).toBeGreaterThan(0);
          expect(weights[i] * dot(row, d)).toBeCloseTo(1, 8);
        });
        expect(norm(d)).toBeCloseTo(Math.sqrt(jacobian.length), 8);
      }),
    );
  });

  it("upgrad: half of PCGrad for two tasks, the mean where nothing conflicts", () => {
    fc.assert(
      fc.property(twoTasks, (jacobian) => {
        const half = aggregate("pcgrad", jacobian).map((value) => value / 2);
        expectClose(aggregate("upgrad", jacobian), half, 1e-9 * reach("upgrad", jacobian));
      }),
    );
    const friendly = [[1, 2, 0], [2, 1, 0.5], [0.1, 0, 3]]; // biome-ignore format: one matrix a line
    expectClose(aggregate("upgrad", friendly), Float64Array.of(3.1 / 3, 1, 3.5 / 3), 1e-12);
  });

  it("pcgrad: follows the projections of the algorithm, gradient by gradient", () => {
    fc.assert(
      fc.property(anyMatrix, (jacobian) => {
        const order = jacobian.map((_, i) => jacobian.flatMap((_, j) => (j === i ? [] : [j])).reverse());
        const sum = new Float64Array(jacobian[0].length);
        jacobian.forEach((row, i) => {
          const projected = [...row];
          for (const j of order[i]) {
            const along = Math.min(0, dot(projected, jacobian[j]));
            const squared = dot(jacobian[j], jacobian[j]);
            for (let k = 0; squared > 0 && k < row.length; k++)
              projected[k] -= (along * jacobian[j][k]) / squared;
          }
          projected.forEach((value, k) => {
            sum[k] += value;
          });
        });
        expectClose(aggregate("pcgrad", jacobian, { order }), sum, 1e-8 * reach("pcgrad", jacobian));
      }),
    );
  });

  it("pcgrad: draws its orders from the seed and the step", () => {
    const jacobian = [[1, 0, 0.2], [-0.6, 1, 0], [-0.6, -0.9, 0.1], [0.2, -0.5, -1]]; // biome-ignore format: one matrix a line
    const draw = (seed: number, step: number) => aggregate("pcgrad", jacobian, { seed, step }).join();
    expect(draw(1, 2)).toBe(draw(1, 2));
    const steps = Array.from({ length: 12 }, (_, step) => draw(1, step));
    expect(new Set(steps).size).toBeGreaterThan(1);
    expect(Array.from({ length: 12 }, (_, step) => draw(2, step))).not.toEqual(steps);
  });
});

describe("the solvers beneath, against brute force", () => {
  it("minimiseNonNegative: as good as the best of all supports", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(entry, { minLength: 4, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
        fc.array(entry, { minLength: 4, maxLength: 4 }),
        (rows, shifts) => {
          const a = gramOf(rows).map((row, i) => row.map((value, j) => value + (i === j ? 0.1 : 0)));
          const b = shifts.slice(0, rows.length);
          const cost = (u: readonly number[]) => quadratic(a, u) / 2 - dot(u, b);
          const u = minimiseNonNegative(a, b);
          expect(u.every((value) => value >= 0)).toBe(true);
          expect(cost(u)).toBeLessThanOrEqual(bruteForce(a, b, cost) + 1e-9);
        },
      ),
    );
  });

  it("symmetricEigen: rebuilds the matrix from orthonormal vectors, values falling", () => {
    fc.assert(
      fc.property(anyMatrix, (rows) => {
        const gram = gramOf(rows);
        const { values, vectors } = symmetricEigen(gram);
        const scale = Math.max(...rows.map(norm)) ** 2;
        const rebuilt = gram.map((_, i) =>
          gram.map((_, j) =>
            values.reduce((sum, lambda, k) => sum + lambda * vectors[k][i] * vectors[k][j], 0),
          ),
        );
        const identity = gram.map((_, i) => gram.map((_, j) => (i === j ? 1 : 0)));
        expectClose(rebuilt.flat(), gram.flat(), 1e-12 * scale);
        expectClose(gramOf(vectors).flat(), identity.flat(), 1e-12);
        for (let k = 1; k < values.length; k++) expect(values[k]).toBeLessThanOrEqual(values[k - 1]);
      }),
    );
  });

  it("symmetricEigen: keeps the digits of an eigenvalue 1e12 times smaller than another", () => {
    // det = 1e12 · 0.75 exactly, so that the small one is det / large.
    const { values } = symmetricEigen([[1e12, 0.5e6], [0.5e6, 1]]); // biome-ignore format: one matrix a line
    expect((values[0] * values[1]) / 0.75e12).toBeCloseTo(1, 13);
  });
});

describe("aggregate refuses", () => {
  it("what it cannot combine", () => {
    expect(() => aggregate("sum" as AggregationName, [[1]])).toThrow(
      `method expects one of ${aggregationNames.join(", ")}, got sum`,
    );
    expect(() => aggregate("mgda", [])).toThrow(/one row a task, got none/);
    expect(() => aggregate("mgda", [[1, 2], [1]])).toThrow(/rows of 2 numbers, got 1 \(row 1\)/);
    expect(() => aggregate("mgda", [[1, Number.NaN]])).toThrow(/finite numbers, got NaN \(row 0, column 1\)/);
    expect(() => aggregate("cagrad", [[1]], { c: -1 })).toThrow(/c expects a number >= 0, got -1/);
    expect(() => aggregate("pcgrad", [[1], [2]], { order: [[1], [1]] })).toThrow(/order expects/);
  });

  it("nothing of the array kinds that hold numbers", () => {
    const rows = [[1, 2], [-1, 3]]; // biome-ignore format: one matrix a line
    for (const name of aggregationNames) {
      const typed = aggregate(name, rows.map((row) => Float64Array.from(row))); // biome-ignore format: a call in a call
      expect(typed).toEqual(aggregate(name, rows));
    }
  });
});

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((sum, value, k) => sum + value * b[k], 0);
}

function norm(a: ArrayLike<number>): number {
  return Math.hypot(...Array.from(a));
}

function quadratic(a: Matrix, u: readonly number[]): number {
  return dot(
    a.map((row) => dot(row, u)),
    u,
  );
}

function weighted(jacobian: Matrix, weights: readonly number[]): Float64Array {
  return Float64Array.from(jacobian[0], (_, k) =>
    jacobian.reduce((sum, row, i) => sum + weights[i] * row[k], 0),
  );
}

/** The length beside which an update's rounding counts: the longest gradient, or 1 where the length is fixed. */
function reach(name: AggregationName, jacobian: Matrix): number {
  return aggregationMethods[name].degree === 0 ? 1 : Math.max(...jacobian.map(norm), Number.MIN_VALUE);
}

function tiny(jacobian: Matrix): number {
  return 1e-8 * Math.max(...jacobian.map(norm));
}

function expectClose(a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number): void {
  const distance = Math.max(...Array.from(a, (value, k) => Math.abs(value - b[k])));
  expect(distance).toBeLessThanOrEqual(tolerance);
}

function rotated<T>(items: readonly T[], by: number): T[] {
  return [...items.slice(by), ...items.slice(0, by)];
}

/** Random matrices, each with a random point of the simplex. */
function onMatrices(holds: (jacobian: Matrix, weights: readonly number[]) => void, numRuns = 50): void {
  const shares = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(anyMatrix, shares, (jacobian, drawn) => {
      const kept = drawn.slice(0, jacobian.length).map((value) => value + 1e-3);
      const total = kept.reduce((a, b) => a + b);
      holds(
        jacobian,
        kept.map((value) => value / total),
      );
    }),
    { numRuns },
  );
}

/** The least cost over all u >= 0, by solving for every support. */
function bruteForce(a: Matrix, b: readonly number[], cost: (u: readonly number[]) => number): number {
  let least = 0;
  for (let support = 1; support < 2 ** b.length; support++) {
    const kept = b.flatMap((_, i) => ((support >> i) & 1 ? [i] : []));
    const solved = eliminate(kept.map((i) => [...kept.map((j) => a[i][j]), b[i]]));
    if (solved.some((value) => value < 0)) continue;
    const u = b.map(() => 0);
    kept.forEach((variable, k) => {
      u[variable] = solved[k];
    });
    least = Math.min(least, cost(u));
  }
  return least;
}

/** Gauss-Jordan elimination of [A | b] for a positive definite A. */
function eliminate(rows: number[][]): number[] {
  rows.forEach((pivot, p) => {
    rows.forEach((row, i) => {
      if (i === p) return;
      const factor = row[p] / pivot[p];
      pivot.forEach((value, k) => {
        row[k] -= factor * value;
      });
    });
  });
  return rows.map((row, i) => row[rows.length] / row[i]);
}
