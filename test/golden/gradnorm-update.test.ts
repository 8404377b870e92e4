import { describe, expect, it } from "vitest";
import {
  createGradNormState,
  type GradNormState,
  gradNormTargets,
  gradNormUpdate,
} from "../../src/balancing/index.js";
import { hasReference, readReference } from "../support/read-safetensors.js";

describe.skipIf(!hasReference("gradnorm_toy.safetensors"))("gradNormUpdate, against the recorded run", () => {
  const options = { update: "adam", alpha: 1.5, rate: 0.025 } as const;

  it("reproduces the weights and rates of each of the 60 steps", () => {
    const reference = readReference("gradnorm_toy.safetensors");
    const at = (name: string, step: number) =>
      Array.from(reference(`step.${name}`).data.subarray(2 * step, 2 * step + 2));
    let state = createGradNormState([1, 1]);
    let worstWeight = 0;
    let worstRate = 0;
    for (let step = 0; step < 60; step++) {
      worstWeight = Math.max(worstWeight, distance(state.weights, at("weights", step)));
      const observation = { losses: at("losses", step), norms: at("norms", step) };
      const { rates } = gradNormTargets(state, observation, options);
      worstRate = Math.max(worstRate, distance(rates, at("rates", step)));
      state = gradNormUpdate(state, observation, options);
    }
    expect(worstWeight).toBeLessThan(1e-6);
    expect(worstRate).toBeLessThan(1e-6);
    expect(distance(state.weights, [1, 1])).toBeGreaterThan(0.5); // the run does move
  });

  it("is not reproduced with another exponent", () => {
    const reference = readReference("gradnorm_toy.safetensors");
    let state: GradNormState = createGradNormState([1, 1]);
    const pair = (name: string, step: number) =>
      reference(`step.${name}`).data.subarray(2 * step, 2 * step + 2);
    for (let step = 0; step < 59; step++) {
      const observation = { losses: pair("losses", step), norms: pair("norms", step) };
      state = gradNormUpdate(state, observation, { ...options, alpha: 0.5 });
    }
    expect(distance(state.weights, Array.from(pair("weights", 59)))).toBeGreaterThan(1e-3);
  });
});

describe("gradNormUpdate", () => {
  const two = { losses: [2, 1], norms: [3, 1] };

  it("starts with weights of sum K", () => {
    const { weights } = createGradNormState([1, 0.01]);
    expect(weights[0]).toBeCloseTo(2 / 1.01, 12);
    expect(weights[1]).toBeCloseTo(0.02 / 1.01, 12);
  });

  it("takes a theoretical L(0), else the first valid loss", () => {
    const state = createGradNormState([1, 1], [Math.log(3), null]);
    const next = gradNormUpdate(state, two);
    expect(next.initialLosses).toEqual([Math.log(3), 1]);
    expect(gradNormUpdate(next, { ...two, losses: [5, 5] }).initialLosses).toEqual([Math.log(3), 1]);
    const { rates, targets } = gradNormTargets(state, two, { alpha: 2 });
    const mean = (2 / Math.log(3) + 1) / 2;
    expect(rates[0]).toBeCloseTo(2 / Math.log(3) / mean, 12);
    expect(targets[1]).toBeCloseTo(2 * (1 / mean) ** 2, 12);
  });

  it("makes Adam's first step by the sign of G - T", () => {
    const { weights } = gradNormUpdate(createGradNormState([1, 1]), two, { rate: 0.1 });
    expect(weights[0]).toBeCloseTo(0.9, 6); // G = 3 above Ḡ = 2
    expect(weights[1]).toBeCloseTo(1.1, 6);
  });

  it("meets the targets at once by the direct rule", () => {
    // At the first step r = 1, so that every weighted norm becomes the same.
    const state = createGradNormState([1, 0.5]);
    const norms = state.weights.map((weight, i) => weight * [3, 7][i]);
    const { weights } = gradNormUpdate(state, { losses: [2, 1], norms }, { update: "direct" });
    expect(weights[0] * 3).toBeCloseTo(weights[1] * 7, 12);
    expect(weights[0] + weights[1]).toBeCloseTo(2, 12);
    // Later the ratio of the norms is that of the rates to the power α.
    const later = createGradNormState([1, 1], [4, 1]);
    const next = gradNormUpdate(later, { losses: [2, 1], norms: [3, 7] }, { update: "direct", alpha: 1.5 });
    expect((next.weights[0] * 3) / (next.weights[1] * 7)).toBeCloseTo(0.5 ** 1.5, 12);
  });

  it("averages the direct rule with the old weights", () => {
    const state = createGradNormState([1, 1]);
    const full = gradNormUpdate(state, two, { update: "direct" }).weights;
    const half = gradNormUpdate(state, two, { update: "direct", average: 0.5 }).weights;
    half.forEach((weight, i) => {
      expect(weight).toBeCloseTo((1 + full[i]) / 2, 12);
    });
  });

  it("moves the weights on every interval-th step alone", () => {
    const options = { update: "direct", interval: 3 } as const;
    let state = createGradNormState([1, 1]);
    const moved: boolean[] = [];
    for (let step = 0; step < 7; step++) {
      const losses = [2, 1 + step];
      const next = gradNormUpdate(state, { losses, norms: [3, 1 + step] }, options);
      moved.push(next.weights.some((weight, i) => weight !== state.weights[i]));
      state = next;
    }
    expect(moved).toEqual([true, false, false, true, false, false, true]);
  });

  it("holds a weight at the floor", () => {
    const state = createGradNormState([1, 0.004], [1, 1]);
    const push = { losses: [1, 1], norms: [0.1, 9] };
    const { weights } = gradNormUpdate(state, push, { rate: 0.5, floor: 1e-3 });
    expect(weights[1]).toBeGreaterThan(0.0015);
    expect(weights[1]).toBeLessThan(0.0025);
    expect(() => gradNormUpdate(state, push, { rate: 0.5, floor: 0 })).toThrow(
      /task 1 expects a weight > 0.*set a floor/,
    );
  });

  it("leaves a task without a valid target as it is, and counts the others alone", () => {
    const observe = (third: number) => ({
      losses: [2, 1, third],
      norms: [3, 1, third],
      valid: [true, true, false],
    });
    for (const update of ["adam", "direct"] as const) {
      const state = createGradNormState([1, 2, 3]);
      const next = gradNormUpdate(state, observe(5), { update });
      expect(next.weights[2]).toBe(state.weights[2]);
      expect(next.adam[2]).toEqual(state.adam[2]);
      expect(next.initialLosses[2]).toBeNull();
      expect(next.weights[0]).not.toBe(state.weights[0]);
      expect(next.weights.reduce((a, b) => a + b)).toBeCloseTo(3, 12);
      expect(gradNormUpdate(state, observe(Number.NaN), { update })).toEqual(next);
    }
    expect(gradNormTargets(createGradNormState([1, 2, 3]), observe(5)).rates[2]).toBeNull();
  });

  it("moves nothing with fewer than two valid tasks", () => {
    const state = createGradNormState([1, 2]);
    const next = gradNormUpdate(state, { ...two, valid: [true, false] });
    expect(next).toEqual({ ...state, step: 1, initialLosses: [2, null] });
  });

  it("stays finite where losses or norms are zero", () => {
    for (const update of ["adam", "direct"] as const) {
      for (const losses of [
        [0, 0],
        [0, 1],
      ]) {
        for (const norms of [
          [0, 0],
          [0, 1],
          [1, 1],
        ]) {
          const state = createGradNormState([1, 1], [1, 1]);
          const { weights } = gradNormUpdate(state, { losses, norms }, { update });
          expect(weights.every((weight) => Number.isFinite(weight) && weight > 0)).toBe(true);
        }
      }
    }
  });

  it("waits for a loss above zero to set L(0)", () => {
    const state = gradNormUpdate(createGradNormState([1, 1]), { losses: [0, 3], norms: [1, 1] });
    expect(state.initialLosses).toEqual([null, 3]);
    expect(state.weights).toEqual([1, 1]);
  });

  it("changes neither the state nor the observation", () => {
    const state = createGradNormState([1, 3]);
    const before = structuredClone(state);
    const first = gradNormUpdate(state, two);
    expect(state).toEqual(before);
    expect(gradNormUpdate(state, two)).toEqual(first);
  });

  it("continues from a state that went through JSON to the bit", () => {
    const run = (state: GradNormState, from: number, to: number) => {
      let current = state;
      for (let step = from; step < to; step++) {
        current = gradNormUpdate(current, { losses: [2 / (step + 1), 1], norms: [3, 1 + step / 7] });
      }
      return current;
    };
    const start = createGradNormState([1, 0.01]);
    const resumed = run(JSON.parse(JSON.stringify(run(start, 0, 8))), 8, 20);
    expect(resumed).toEqual(run(start, 0, 20));
  });

  it("refuses what it cannot use", () => {
    const state = createGradNormState([1, 1]);
    expect(() => createGradNormState([1, 0])).toThrow(/initial weights expect numbers > 0/);
    expect(() => createGradNormState([1, 1], [1])).toThrow(/initial losses expect 2/);
    expect(() => gradNormUpdate(state, { losses: [1], norms: [1, 1] })).toThrow(/losses expects 2 tasks/);
    expect(() => gradNormUpdate(state, { losses: [1, Number.NaN], norms: [1, 1] })).toThrow(/finite loss/);
    expect(() => gradNormUpdate(state, { losses: [1, 1], norms: [-1, 1] })).toThrow(/finite gradient norm/);
    for (const options of [{ alpha: -1 }, { rate: 0 }, { floor: 0.5 }, { interval: 0 }, { average: 1 }]) {
      expect(() => gradNormUpdate(state, two, options)).toThrow(`gradnorm: ${Object.keys(options)[0]}`);
    }
  });
});

function distance(a: readonly (number | null)[], b: readonly number[]): number {
  return Math.max(...a.map((value, i) => Math.abs((value ?? Number.NaN) - b[i])));
}
