import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createAlarmState,
  createBalancer,
  createGradNormState,
  type BalancerName,
  type BalancerSettings,
  gradNormTargets,
  gradNormUpdate,
  type WatchedTask,
  type WeightingBalancer,
  watchWeights,
} from "../../src/balancing/index.js";
import { interpret } from "../../src/graph/index.js";
import {
  type BalancerNumbers,
  balancerFeeds,
  balancerGraph,
  balancerSettings,
  initialBalancerState,
  type Observation,
} from "../support/balancing-graph.js";

/** A balancer's own graph in float64, one optimiser step at a time. */
function simulate(name: BalancerName, changes: Partial<BalancerSettings> = {}) {
  const settings = balancerSettings(changes);
  const balancer = createBalancer(name, settings) as WeightingBalancer;
  const graph = balancerGraph(balancer, settings.tasks.length);
  let state: BalancerNumbers = initialBalancerState(balancer);
  return {
    get state() {
      return state;
    },
    step: (observation: Observation, place = { step: 0, epoch: 1 }) => {
      const results = interpret(graph, balancerFeeds(balancer, state, observation, place));
      const numbers = (prefix: string): Record<string, number[]> =>
        Object.fromEntries(
          [...results].flatMap(([key, { data }]): [string, number[]][] =>
            key.startsWith(prefix) ? [[key.slice(prefix.length), Array.from(data)]] : [],
          ),
        );
      state = numbers("next/");
      return { weights: numbers("weights")[""], observed: numbers("observed/") };
    },
  };
}

const tasksOf = (weights: readonly number[]) =>
  weights.map((weight, i) => ({ name: `task${i}`, weight, initialLoss: i === 0 ? 1.5 : null }));
const positive = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
const observation = (tasks: number) =>
  fc.record({
    losses: fc.array(positive, { minLength: tasks, maxLength: tasks }),
    norms: fc.array(fc.oneof(positive, fc.constant(0)), { minLength: tasks, maxLength: tasks }),
    valid: fc.array(fc.constantFrom(1, 1, 1, 0), { minLength: tasks, maxLength: tasks }),
  });

describe("GradNorm in the graph", () => {
  it("is the plain-number form, for any losses, norms, masks and options", () => {
    const run = fc.integer({ min: 2, max: 4 }).chain((tasks) =>
      fc.record({
        weights: fc.array(fc.double({ min: 0.01, max: 5, noNaN: true }), {
          minLength: tasks,
          maxLength: tasks,
        }),
        observations: fc.array(observation(tasks), { minLength: 1, maxLength: 6 }),
        alpha: fc.constantFrom(0, 0.12, 0.5, 1.5, 3),
        update: fc.constantFrom("adam" as const, "direct" as const),
        interval: fc.integer({ min: 1, max: 3 }),
        average: fc.constantFrom(0, 0.5, 0.9),
        floor: fc.constantFrom(1e-3, 0.05),
        theoretical: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(run, ({ weights, observations, alpha, update, interval, average, floor, theoretical }) => {
        const tasks = tasksOf(weights);
        const options = { update, alpha, rate: 0.1, interval, average, floor };
        const graph = simulate("gradnorm", {
          tasks,
          alpha,
          balancerLr: 0.1,
          gradnorm: {
            ...balancerSettings().gradnorm,
            update,
            interval,
            average,
            floor,
            initialLosses: theoretical ? "theoretical" : "measured",
          },
        });
        let plain = createGradNormState(
          weights,
          tasks.map(({ initialLoss }) => (theoretical ? initialLoss : null)),
        );
        for (const { losses, norms, valid } of observations) {
          // The norms are those of the weighted losses.
          const weighted = norms.map((norm, i) => norm * plain.weights[i]);
          const seen = { losses, norms: weighted, valid: valid.map(Boolean) };
          const { rates, targets } = gradNormTargets(plain, seen, options);
          const { weights: now, observed } = graph.step({ losses, norms: weighted, valid });
          close(now, plain.weights);
          rates.forEach((rate, i) => {
            if (rate === null) return;
            close([observed.rates[i]], [rate]);
            close([observed.targets[i]], [targets[i] as number]);
          });
          plain = gradNormUpdate(plain, seen, options);
          close(graph.state.weights, plain.weights);
          close(
            graph.state.initialLosses,
            plain.initialLosses.map((loss) => loss ?? 0),
          );
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe("uncertainty", () => {
  it("settles where weight times loss is one half", () => {
    const losses = [4, 0.05];
    const run = simulate("uncertainty", { balancerLr: 0.05 });
    expect(run.step({ losses }).weights).toEqual([1, 1]);
    for (let step = 0; step < 600; step++) run.step({ losses });
    const { weights } = run.step({ losses });
    expect(weights[0] * losses[0]).toBeCloseTo(0.5, 3);
    expect(weights[1] * losses[1]).toBeCloseTo(0.5, 3);
  });

  it("starts from the initial weights, and leaves a masked task to the bit", () => {
    const run = simulate("uncertainty", { tasks: tasksOf([1, 0.01]) });
    close(run.step({ losses: [1, 1], valid: [1, 0] }).weights, [1, 0.01]);
    expect(run.state.logVariance[1]).toBe(-Math.log(0.01));
    expect(run.state.logVariance[0]).not.toBe(0);
  });
});

describe("dynamic weight average", () => {
  it("follows the ratio of the last two epochs' mean losses", () => {
    const run = simulate("dwa");
    const means = [
      [4, 2],
      [2, 1.8],
      [1.5, 1.7],
    ];
    const weights = means.map((mean, epoch) => {
      // Two steps whose mean is the epoch's.
      const place = { step: 2 * epoch, epoch: epoch + 1 };
      const first = run.step({ losses: mean.map((loss) => loss * 1.5) }, place).weights;
      expect(run.step({ losses: mean.map((loss) => loss * 0.5) }, place).weights).toEqual(first);
      return first;
    });
    close(weights[0], [1, 1]);
    close(weights[1], [1, 1]);
    const exps = [2 / 4, 1.8 / 2].map((ratio) => Math.exp(ratio / 2));
    close(
      weights[2],
      exps.map((value) => (2 * value) / (exps[0] + exps[1])),
    );
  });

  it("scales by the fixed factors", () => {
    close(simulate("dwa", { tasks: tasksOf([1, 0.25]) }).step({ losses: [1, 1] }).weights, [1, 0.25]);
  });
});

describe("random loss weighting", () => {
  it("draws weights of sum K anew for each step, the same for the same step", () => {
    const run = simulate("rlw");
    const at = (step: number) => run.step({ losses: [1, 1] }, { step, epoch: 1 }).weights;
    expect(at(3)).toEqual(at(3));
    expect(at(3)).not.toEqual(at(4));
    const drawn = Array.from({ length: 200 }, (_, step) => at(step));
    for (const [a, b] of drawn) expect(a + b).toBeCloseTo(2, 12);
    const mean = drawn.reduce((total, [a]) => total + a, 0) / drawn.length;
    expect(Math.abs(mean - 1)).toBeLessThan(0.15);
  });
});

describe("FAMO", () => {
  it("weights by the inverse loss at first, with sum K", () => {
    const { weights } = simulate("famo").step({ losses: [4, 1] });
    close(weights, [2 * (1 / 5), 2 * (4 / 5)]);
  });

  it("moves weight from the task that fell faster to the other", () => {
    const run = simulate("famo");
    for (let step = 0; step < 20; step++) run.step({ losses: [1, 1], after: [0.5, 0.99] });
    const { weights } = run.step({ losses: [1, 1], after: [1, 1] });
    expect(weights[0]).toBeLessThan(weights[1] - 0.2);
  });

  it("has the gradient of Σ log falls through the softmax, by central differences", () => {
    // With fresh Adam the first step is the sign of the gradient: the decay alone would raise nothing at zero logits.
    const tasks = tasksOf([0.5, 0.3, 0.2]);
    const fall = [0.3, -0.1, 0.05];
    const logits = tasks.map(({ weight }) => Math.log(weight));
    const value = (xi: readonly number[]) => {
      const total = xi.reduce((sum, x) => sum + Math.exp(x), 0);
      return xi.reduce((sum, x, i) => sum + (Math.exp(x) / total) * fall[i], 0);
    };
    const run = simulate("famo", { tasks, famo: { decay: 0 } });
    run.step({ losses: [1, 1, 1], after: fall.map((delta) => Math.exp(-delta)) });
    logits.forEach((_, i) => {
      const moved = (h: number) => value(logits.map((x, j) => (j === i ? x + h : x)));
      const slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
      // Adam's mean after one step is a tenth of the gradient.
      expect(run.state.mean[i]).toBeCloseTo(0.1 * slope, 8);
    });
  });
});

describe("the watch over learnt weights", () => {
  const options = { stuckUpdates: 10, unstableUpdates: 10, floor: 1e-3 };
  const watch = (course: (step: number) => readonly WatchedTask[], steps: number) => {
    let state = createAlarmState();
    return Array.from({ length: steps }, (_, step) => {
      const { state: next, alarms } = watchWeights(state, course(step), options);
      // As a checkpoint keeps it.
      state = JSON.parse(JSON.stringify(next)) as typeof next;
      return alarms.map(({ alarm, task }) => `${step} ${alarm} ${task}`);
    }).flat();
  };
  const pair = (share: number, losses: readonly [number, number]): WatchedTask[] => [
    { name: "a", share, loss: losses[0] },
    { name: "b", share: 1 - share, loss: losses[1] },
  ];

  it("tells a stuck task once, and not one whose loss falls", () => {
    const rising = (step: number) => 0.2 + 0.01 * step;
    expect(watch((step) => pair(rising(step), [1, 1 / (step + 1)]), 40)).toEqual(["19 stuck-task a"]);
    expect(watch((step) => pair(rising(step), [1 / (step + 1), 1]), 40)).toEqual([]);
  });

  it("tells weights that jump, or lie at the floor", () => {
    const falling = (step: number): [number, number] => [1 / (step + 1), 1 / (step + 1)];
    expect(watch((step) => pair(step % 2 ? 0.6 : 0.2, falling(step)), 30)).toEqual([
      "9 unstable-weights null",
    ]);
    expect(watch((step) => pair(1e-3, falling(step)), 30)).toEqual(["9 unstable-weights a"]);
    expect(watch((step) => pair(0.4, falling(step)), 30)).toEqual([]);
  });

  it("can be switched off", () => {
    const off = { stuckUpdates: 0, unstableUpdates: 0, floor: 0 };
    let state = createAlarmState();
    for (let step = 0; step < 50; step++) {
      const result = watchWeights(state, pair(step % 2 ? 0.9 : 0.1, [1, 1]), off);
      expect(result.alarms).toEqual([]);
      state = result.state;
    }
  });
});

function close(got: readonly number[], expected: readonly number[]): void {
  expect(got.length).toBe(expected.length);
  got.forEach((value, i) => {
    const error = Math.abs(value - expected[i]) / Math.max(1, Math.abs(expected[i]));
    expect(error, `${got} against ${expected}`).toBeLessThan(1e-6); // the graph holds its constants in float32
  });
}
