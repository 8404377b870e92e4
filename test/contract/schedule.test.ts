import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  learningRateFactor,
  nominalAccumulation,
  type ScheduleQuery,
  scaledWeightDecay,
  scheduleAt,
  warmupIterations,
} from "../../src/optim/schedule.js";

const query: ScheduleQuery = {
  iteration: 0,
  stepsPerEpoch: 50,
  epochs: 100,
  batch: 16,
  nominalBatch: 64,
  schedule: "cosine",
  lr0: 0.01,
  lrf: 0.01,
  momentum: 0.937,
  warmupEpochs: 3,
  warmupMomentum: 0.8,
  warmupBiasLr: 0.1,
};
const at = (iteration: number, change: Partial<ScheduleQuery> = {}) =>
  scheduleAt({ ...query, ...change, iteration });

describe("learning rate by epoch", () => {
  it.each(["cosine", "linear"] as const)("%s goes from 1 to lrf", (schedule) => {
    const options = { epochs: 40, schedule, lrf: 0.05 };
    expect(learningRateFactor(0, options)).toBe(1);
    expect(learningRateFactor(20, options)).toBeCloseTo(0.525, 12);
    expect(learningRateFactor(40, options)).toBeCloseTo(0.05, 12);
  });

  it("cosine and linear differ at a quarter of the run", () => {
    expect(learningRateFactor(10, { epochs: 40, schedule: "cosine", lrf: 0 })).toBeCloseTo(
      (1 + Math.SQRT1_2) / 2,
      12,
    );
    expect(learningRateFactor(10, { epochs: 40, schedule: "linear", lrf: 0 })).toBeCloseTo(0.75, 12);
  });

  it("is constant within an epoch after the warm-up", () => {
    expect(at(5 * 50).lr.decay).toBe(at(6 * 50 - 1).lr.decay);
    expect(at(6 * 50).lr.decay).toBeLessThan(at(5 * 50).lr.decay);
    expect(at(99 * 50).lr.decay).toBeCloseTo(0.01 * learningRateFactor(99, query), 15);
  });
});

describe("warm-up", () => {
  it("starts from 0, the bias rate and the warm-up momentum, without accumulation", () => {
    expect(at(0)).toEqual({ lr: { decay: 0, norm: 0, bias: 0.1 }, momentum: 0.8, accumulate: 1 });
  });

  it("is linear towards the rate of its epoch", () => {
    // 150 batches; batch 60 lies in epoch 1, 40 % of the way.
    const target = 0.01 * learningRateFactor(1, query);
    const point = at(60);
    expect(point.lr.decay).toBeCloseTo(0.4 * target, 15);
    expect(point.lr.norm).toBe(point.lr.decay);
    expect(point.lr.bias).toBeCloseTo(0.1 + 0.4 * (target - 0.1), 15);
    expect(point.momentum).toBeCloseTo(0.8 + 0.4 * 0.137, 15);
    expect(point.accumulate).toBe(2); // round(1 + 0.4 * 3)
  });

  it("ends in the schedule's own values", () => {
    const target = 0.01 * learningRateFactor(3, query);
    expect(at(150)).toEqual({
      lr: { decay: target, norm: target, bias: target },
      momentum: 0.937,
      accumulate: 4,
    });
  });

  it("takes at least 100 batches, at most half of the run, and none when switched off", () => {
    expect(warmupIterations({ epochs: 100, warmupEpochs: 3, stepsPerEpoch: 10 })).toBe(100);
    expect(warmupIterations({ epochs: 100, warmupEpochs: 3, stepsPerEpoch: 200 })).toBe(600);
    expect(warmupIterations({ epochs: 3, warmupEpochs: 3, stepsPerEpoch: 21 })).toBe(31);
    expect(warmupIterations({ epochs: 100, warmupEpochs: 0, stepsPerEpoch: 10 })).toBe(0);
    expect(at(0, { warmupEpochs: 0 })).toEqual({
      lr: { decay: 0.01, norm: 0.01, bias: 0.01 },
      momentum: 0.937,
      accumulate: 4,
    });
  });
});

describe("accumulation and weight decay", () => {
  it("rounds half to even and is at least 1", () => {
    const accumulation = (batch: number, nominalBatch = 64) => nominalAccumulation({ batch, nominalBatch });
    expect([16, 8, 64, 128, 24, 1].map((batch) => accumulation(batch))).toEqual([4, 8, 1, 1, 3, 64]);
    expect(accumulation(2, 5)).toBe(2);
    expect(accumulation(2, 7)).toBe(4);
    expect(accumulation(16, 0)).toBe(1);
  });

  it("never accumulates without a nominal batch, in the warm-up either", () => {
    for (const i of [0, 75, 149, 150, 4000]) expect(at(i, { nominalBatch: 0 }).accumulate).toBe(1);
  });

  it("scales the decay by the images of an optimiser step", () => {
    expect(scaledWeightDecay({ weightDecay: 5e-4, batch: 16, nominalBatch: 64 })).toBeCloseTo(5e-4, 15);
    expect(scaledWeightDecay({ weightDecay: 5e-4, batch: 24, nominalBatch: 64 })).toBeCloseTo(5.625e-4, 15);
    expect(scaledWeightDecay({ weightDecay: 5e-4, batch: 128, nominalBatch: 64 })).toBeCloseTo(1e-3, 15);
    expect(scaledWeightDecay({ weightDecay: 5e-4, batch: 8, nominalBatch: 0 })).toBe(5e-4);
  });
});

it("stays within its bounds for every run", () => {
  fc.assert(
    fc.property(
      fc.record({
        epochs: fc.integer({ min: 1, max: 300 }),
        stepsPerEpoch: fc.integer({ min: 1, max: 500 }),
        batch: fc.integer({ min: 1, max: 128 }),
        warmupEpochs: fc.constantFrom(0, 0.5, 3),
        schedule: fc.constantFrom("cosine" as const, "linear" as const),
        where: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      }),
      ({ where, ...change }) => {
        const iteration = Math.floor(where * change.epochs * change.stepsPerEpoch);
        const { lr, momentum, accumulate } = at(iteration, change);
        expect(lr.decay).toBeGreaterThanOrEqual(0);
        expect(lr.decay).toBeLessThanOrEqual(0.01 + 1e-12);
        expect(lr.bias).toBeLessThanOrEqual(0.1 + 1e-12);
        expect(momentum).toBeGreaterThanOrEqual(0.8);
        expect(momentum).toBeLessThanOrEqual(0.937 + 1e-12);
        expect(Number.isInteger(accumulate) && accumulate >= 1).toBe(true);
        expect(accumulate).toBeLessThanOrEqual(nominalAccumulation({ ...query, ...change }));
      },
    ),
  );
});
