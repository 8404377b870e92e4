import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resolveTrainConfig } from "../../src/config/index.js";
import { expandArms } from "../../src/experiments/sweep/arms.js";
import { type Budget, sideBySide } from "../../src/experiments/sweep/estimate.js";
import { flattenPaths, nestPaths } from "../../src/experiments/sweep/option-paths.js";
import { planSweep } from "../../src/experiments/sweep/plan.js";
import {
  type LoadedSweepFile,
  type SweepFile,
  sweepFileSchema,
} from "../../src/experiments/sweep/sweep-file.js";

const base = { data: "d/data.yaml", model: "dual-yolov5n" };

function fileOf(parts: Partial<SweepFile>): LoadedSweepFile {
  const asked = sweepFileSchema.parse({ name: "s", base, ...parts });
  return { path: "s.yaml", asked, base: resolveTrainConfig(base, "base") };
}

const noFolds = [{ fold: null, data: "/d/data.yaml", reference: "d/data.yaml" }];
const folds = [1, 2, 3].map((fold) => ({ fold, data: `/d/${fold}.yaml`, reference: `d fold ${fold}` }));

/** Distinct values, none of them the default, of options of every kind. */
const values = {
  alpha: fc.uniqueArray(
    fc.integer({ min: 1, max: 40 }).map((n) => n / 8),
    { minLength: 1, maxLength: 4 },
  ),
  "optim.classification.lr0": fc.uniqueArray(
    fc.integer({ min: 2, max: 90 }).map((n) => n / 1000),
    { minLength: 1, maxLength: 3 },
  ),
  tap: fc.uniqueArray(fc.constantFrom("p4", "p5", "backbone"), { minLength: 1 }),
  taskWeights: fc.uniqueArray(fc.tuple(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 2, max: 9 })), {
    minLength: 1,
    maxLength: 3,
    selector: (pair) => pair.join(),
  }),
};
const grids = fc.record(values, { requiredKeys: [] });
const seeds = fc.uniqueArray(fc.nat(1000), { minLength: 1, maxLength: 3 });

function shuffledKeys<T>(object: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(object).reverse());
}

describe("expansion", () => {
  it("has a run for every combination, each with an id and a name of its own", () => {
    fc.assert(
      fc.property(grids, seeds, fc.constantFrom(noFolds, folds), (grid, seeds, data) => {
        const { runs } = planSweep(fileOf({ grid, seeds }), data);
        const points = Object.values(grid).reduce((count, list) => count * list.length, 1);
        expect(runs).toHaveLength(points * seeds.length * data.length);
        expect(new Set(runs.map(({ id }) => id)).size).toBe(runs.length);
        expect(new Set(runs.map(({ name }) => name.toLowerCase())).size).toBe(runs.length);
        for (const { name } of runs) expect(name).toMatch(/^[\w.+=,-]+$/);
      }),
      { numRuns: 60 },
    );
  });

  it("gives the same runs whatever the order of keys and values", () => {
    const seen = (file: LoadedSweepFile) =>
      planSweep(file, noFolds)
        .runs.map(({ id, name }) => `${id} ${name}`)
        .sort();
    fc.assert(
      fc.property(grids, seeds, (grid, seeds) => {
        const reversed = Object.fromEntries(
          Object.entries(shuffledKeys(grid)).map(([key, list]) => [key, [...list].reverse()]),
        );
        expect(seen(fileOf({ grid: reversed, seeds: [...seeds].reverse() }))).toEqual(
          seen(fileOf({ grid, seeds })),
        );
      }),
      { numRuns: 40 },
    );
  });

  it("leaves out what is excluded, and nothing else", () => {
    fc.assert(
      fc.property(grids, fc.nat(), (grid, pick) => {
        const all = expandArms(fileOf({ grid }));
        const { settings } = all[pick % all.length];
        fc.pre(all.length > 1);
        const left = expandArms(fileOf({ grid, exclude: [settings] }));
        expect(left.map(({ name }) => name)).toEqual(
          all.filter((arm) => arm.settings !== settings).map(({ name }) => name),
        );
      }),
      { numRuns: 40 },
    );
  });
});

describe("random search", () => {
  const distributions = {
    lr0: { logUniform: [0.001, 0.1] as [number, number] },
    alpha: { uniform: [0, 3] as [number, number] },
    tap: { choice: ["p3", "p4", "p5"] },
  };
  const draws = (options: Record<string, unknown>, samples: number, seed: number) =>
    expandArms(fileOf({ random: { samples, seed, options } as SweepFile["random"] })).map(
      ({ settings }) => settings,
    );

  it("draws within the range, and each option and sample by a stream of its own", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(1000), (samples, seed) => {
        const settings = draws(distributions, samples, seed);
        expect(settings).toHaveLength(samples); // of continuous values, no two are alike
        for (const { lr0, alpha } of settings as { lr0: number; alpha: number }[]) {
          expect(lr0).toBeGreaterThanOrEqual(0.001);
          expect(lr0).toBeLessThanOrEqual(0.1);
          expect(alpha).toBeGreaterThanOrEqual(0);
          expect(alpha).toBeLessThanOrEqual(3);
        }
        expect(draws(shuffledKeys(distributions), samples, seed)).toEqual(settings);
        expect(draws(distributions, samples + 1, seed).slice(0, samples)).toEqual(settings);
        const fewer = draws({ lr0: distributions.lr0 }, samples, seed);
        expect(fewer).toEqual(settings.map(({ lr0 }) => ({ lr0 })));
      }),
      { numRuns: 30 },
    );
  });

  it("spreads a log-uniform value evenly over its decades", () => {
    const drawn = draws({ lr0: { logUniform: [0.0001, 0.1] } }, 300, 0) as { lr0: number }[];
    const below = (limit: number) => drawn.filter(({ lr0 }) => lr0 < limit).length;
    // Of about 300, 100 a decade; 5 standard deviations of a binomial are 41. A value drawn again counts once.
    expect(drawn.length).toBeGreaterThan(290);
    expect(Math.abs(below(0.001) - 100)).toBeLessThan(41);
    expect(Math.abs(below(0.01) - 200)).toBeLessThan(41);
  });
});

describe("dotted paths", () => {
  it("come back from nested values", () => {
    fc.assert(
      fc.property(fc.record(values, { requiredKeys: [] }), (grid) => {
        const settings = Object.fromEntries(Object.entries(grid).map(([path, list]) => [path, list[0]]));
        expect(flattenPaths(nestPaths(settings))).toEqual(settings);
      }),
    );
  });
});

describe("sideBySide", () => {
  const job = fc.record({
    seconds: fc.integer({ min: 1, max: 100 }),
    cores: fc.integer({ min: 1, max: 3 }),
    memory: fc.integer({ min: 1, max: 5 }),
  });
  const budgets: fc.Arbitrary<Budget> = fc.record({
    cores: fc.integer({ min: 3, max: 8 }),
    memory: fc.option(fc.integer({ min: 5, max: 20 })),
  });

  it("takes no longer than in a row, no less than the longest job or the work shared by all cores", () => {
    fc.assert(
      fc.property(fc.array(job, { minLength: 1, maxLength: 12 }), budgets, (jobs, budget) => {
        const wall = sideBySide(jobs, budget);
        const total = (of: (each: (typeof jobs)[number]) => number) =>
          jobs.reduce((sum, each) => sum + of(each), 0);
        expect(wall).toBeLessThanOrEqual(total(({ seconds }) => seconds));
        expect(wall).toBeGreaterThanOrEqual(Math.max(...jobs.map(({ seconds }) => seconds)));
        expect(wall).toBeGreaterThanOrEqual(
          total(({ seconds, cores }) => seconds * cores) / budget.cores - 1e-9,
        );
      }),
    );
  });
});
