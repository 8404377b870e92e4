import { afterEach, describe, expect, it } from "vitest";
import { balancerNames } from "../../src/balancing/index.js";
import { balancers, resolveTrainConfig, type TrainConfigInput } from "../../src/config/index.js";
import { createModel } from "../../src/models/index.js";
import type { HostTensor } from "../../src/tensor/index.js";
import {
  balancerOf,
  checkTraining,
  declareForTraining,
  type StepReport,
  TrainingSession,
} from "../../src/training/session.js";
import { initialTensors, unpack } from "../../src/training/state-layout.js";
import { createTasks } from "../../src/training/task-set.js";
import { smallBatch } from "../support/small-batch.js";

const size = 32;
const open: TrainingSession[] = [];
afterEach(async () => {
  for (const session of open.splice(0)) await session.close();
});

type Options = Partial<TrainConfigInput>;

function configOf(options: Options) {
  return resolveTrainConfig(
    {
      data: "data.yaml",
      model: "joint-yolov5n",
      size,
      batch: 2,
      epochs: 100,
      warmupEpochs: 0,
      nominalBatch: 0,
      threads: 1,
      dropout: 0,
      weightDecay: 0,
      ...options,
    },
    "test",
  );
}

function modelOf({ model, tap, detachClassifier, dropout }: ReturnType<typeof configOf>) {
  return createModel(model, { classes: 4, views: 3, tap, detachClassifier, dropout });
}

function start(options: Options): TrainingSession {
  const config = configOf(options);
  const model = modelOf(config);
  const { parameters, buffers } = declareForTraining(model);
  const session = new TrainingSession(model, config, initialTensors(parameters, buffers, 7), 3);
  open.push(session);
  return session;
}

const batch = (seed: number, views = [0, 2]) => smallBatch({ size, views, seed });

it("the configuration names the balancers that there are", () => {
  expect([...balancers].sort()).toEqual([...balancerNames].sort());
});

describe.each(balancerNames)("%s", (balancer) => {
  it("trains, over accumulated batches and batches without a view, and continues bit for bit", async () => {
    const options: Options = { balancer, nominalBatch: 4, optimizer: "adamw", lr0: 0.001 };
    const session = start(options);
    // The third batch has no view: with the fourth it makes an update that has one, as does the first with the second.
    const batches = [
      batch(0),
      batch(1),
      batch(2, [-1, -1]),
      batch(3),
      batch(4, [-1, -1]),
      batch(5, [-1, -1]),
    ];
    const reports: StepReport[] = [];
    for (const each of batches.slice(0, 3)) reports.push(await session.step(each));
    const saved = { state: session.state, counters: session.counters };
    expect(saved.counters).toMatchObject({ step: 3, updates: 1 });
    for (const each of batches.slice(3)) reports.push(await session.step(each));
    for (const { losses, taskWeights, gradientNorm } of reports) {
      for (const value of [...Object.values(losses), ...Object.values(taskWeights), gradientNorm]) {
        expect(Number.isFinite(value)).toBe(true);
      }
    }

    const ended = session.state;
    // A step changes no tensor of the state before it, so that the same session can go back.
    session.restore(saved.state, saved.counters);
    const repeated: StepReport[] = [];
    for (const each of batches.slice(3)) repeated.push(await session.step(each));
    expect(repeated).toEqual(reports.slice(3));
    expectSameState(session.state, ended);
  });
});

describe("GradNorm's weights", () => {
  it("start from --task-weights, keep their sum, and move towards the targets", async () => {
    const session = start({ balancer: "gradnorm", taskWeights: [1, 0.01] });
    const reports: StepReport[] = [];
    for (let step = 0; step < 4; step++) reports.push(await session.step(batch(step)));
    expect(reports[0].taskWeights.detection).toBeCloseTo(2 / 1.01, 6);
    for (const { taskWeights } of reports) {
      expect(taskWeights.detection + taskWeights.classification).toBeCloseTo(2, 5);
    }
    const { norms, rates, targets } = reports[0].balance as NonNullable<StepReport["balance"]>;
    // The first losses are L(0): both rates are 1, and both targets the mean norm.
    expect(rates).toEqual({ detection: 1, classification: 1 });
    const mean = (norms.detection + norms.classification) / 2;
    expect(targets.detection / mean).toBeCloseTo(1, 5);
    const slower = norms.detection > norms.classification ? "classification" : "detection";
    expect(reports[1].taskWeights[slower]).toBeGreaterThan(reports[0].taskWeights[slower]);
  });

  it("take their norms from the gradient of each weighted loss at the shared layer", async () => {
    const { norms, name, weights } = await (async () => {
      const session = start({ balancer: "gradnorm", taskWeights: [1, 0.5] });
      const report = await session.step(batch(0));
      return {
        norms: report.balance?.norms as Record<string, number>,
        weights: report.taskWeights,
        name: modelOf(configOf({})).sharedLayer as string,
      };
    })();
    // A step of plain gradient descent with one task alone moves W by rate times its gradient.
    for (const [task, taskWeights] of [
      ["detection", [1, 0]],
      ["classification", [0, 1]],
    ] as const) {
      const rate = 1e-2;
      const session = start({ taskWeights: [...taskWeights], momentum: 0, lr0: rate, clipNorm: 0 });
      const before = parameter(session, name).data.slice();
      await session.step(batch(0));
      const after = parameter(session, name).data;
      const moved = Math.hypot(...before.map((value, i) => (value - after[i]) / rate));
      expect(norms[task] / (weights[task] * moved)).toBeCloseTo(1, 2);
    }
  });

  it("do not move in a step without a view, bit for bit", async () => {
    const session = start({ balancer: "gradnorm" });
    await session.step(batch(0));
    const before = session.state.get("balancer/weights");
    const report = await session.step(batch(1, [-1, -1]));
    expect(session.state.get("balancer/weights")).toEqual(before);
    expect(report.balance?.rates).toEqual({ detection: 1 });
  });

  it("end the training where they fall below zero without a floor, and not with one", async () => {
    const options: Options = { balancer: "gradnorm", balancerLr: 5 };
    const without = start({ ...options, gradnorm: { floor: 0 } });
    await without.step(batch(0));
    await expect(without.step(batch(1))).rejects.toThrow(
      /step 2: the weight of \w+ .* got -.*--gradnorm-floor/,
    );
    expect(without.counters.step).toBe(1);
    const floored = start(options);
    for (let step = 0; step < 2; step++) await floored.step(batch(step));
    expect(floored.counters.step).toBe(2);
  });

  it("know log C where the initial losses are to be theoretical", async () => {
    const session = start({ balancer: "gradnorm", gradnorm: { initialLosses: "theoretical" } });
    const { losses } = await session.step(batch(0));
    const initial = session.state.get("balancer/initialLosses")?.data;
    expect(initial?.[1]).toBeCloseTo(Math.log(3), 6);
    expect(initial?.[0]).toBeCloseTo(losses.detection, 6);
  });
});

describe("PCGrad", () => {
  it("is the sum of the gradients where they do not conflict, and takes the other's part away where they do", async () => {
    const gradient = async (options: Options) => {
      const session = start({ momentum: 0, lr0: 1e-2, clipNorm: 0, ...options });
      const before = flat(session);
      const report = await session.step(batch(0));
      const after = flat(session);
      return { values: before.map((value, i) => (value - after[i]) / 1e-2), report };
    };
    const detection = await gradient({ taskWeights: [1, 0] });
    const classification = await gradient({ taskWeights: [0, 1] });
    const combined = await gradient({ balancer: "pcgrad" });
    const shared = sharedEntries();
    const pick = (values: number[]) => shared.flatMap(([from, to]) => values.slice(from, to));
    const [d, c] = [pick(detection.values), pick(classification.values)];
    const dot = inner(d, c);
    const [ofD, ofC] = [d, c].map((own) => 1 + Math.max(0, -dot) / inner(own, own));
    const expected = d.map((_, i) => d[i] * ofD + c[i] * ofC);
    const got = pick(combined.values);
    const error = Math.sqrt(inner(minus(got, expected), minus(got, expected)) / inner(expected, expected));
    expect(error).toBeLessThan(2e-3);
    expect(combined.report.balance?.norms.detection).toBeCloseTo(Math.sqrt(inner(d, d)), 1);
    // A head follows its own task's gradient, unchanged.
    const head = entry("classifier.linear.weight");
    for (let i = head[0]; i < head[1]; i++) {
      expect(combined.values[i]).toBeCloseTo(classification.values[i], 3);
    }
  });
});

describe("a balancer that does not fit the model", () => {
  const check = (options: Options) => () => checkTraining(modelOf(configOf(options)), configOf(options));
  it.each<[string, Options, RegExp]>([
    ["one task", { model: "detect-yolov5n", balancer: "gradnorm" }, /gradnorm: expects two tasks.*static/],
    ["nothing shared", { balancer: "gradnorm", detachClassifier: true }, /no shared parameters.*static/],
    ["nothing to combine", { balancer: "pcgrad", detachClassifier: true }, /no shared parameters.*static/],
    ["no such layer", { balancer: "gradnorm", gradnorm: { layer: "model.99" } }, /got model\.99.*model\.17/],
    [
      "a layer of one task",
      { balancer: "gradnorm", gradnorm: { layer: "model.24.m.0.weight" } },
      /which classification does not/,
    ],
    ["a weight of zero", { balancer: "uncertainty", taskWeights: [1, 0] }, /uncertainty.*> 0.*got 1, 0/],
  ])("%s is refused with its reason", (_, options, message) => {
    expect(check(options)).toThrow(message);
  });

  it("another shared layer may be named", () => {
    expect(check({ balancer: "gradnorm", gradnorm: { layer: "model.9.cv2.conv.weight" } })).not.toThrow();
  });
});

it("a balancer gets the tasks with their weights", () => {
  const config = configOf({ balancer: "pcgrad", taskWeights: [1, 0.25] });
  const model = modelOf(config);
  expect(balancerOf(model, createTasks(model, config), config)).toMatchObject({ lossWeights: [1, 0.25] });
});

/** First and behind-last element of a parameter within the parameters laid end to end. */
function entry(name: string): [number, number] {
  const session = open[0];
  let start = 0;
  for (const group of session.layout.parameters) {
    const found = group.entries.find((candidate) => candidate.name === name);
    if (found) {
      const length = found.shape.reduce((a, b) => a * b, 1);
      return [start + found.offset, start + found.offset + length];
    }
    start += group.size;
  }
  throw new Error(`${name}: expected a parameter`);
}

/** Of the parameters up to P3, which both tasks read. */
function sharedEntries(): [number, number][] {
  const names = open[0].layout.parameters.flatMap(({ entries }) => entries.map(({ name }) => name));
  return names.filter((name) => /^model\.(\d|1[0-7])\./.test(name)).map(entry);
}

function flat(session: TrainingSession): number[] {
  return session.layout.parameters.flatMap((group) => [
    ...(session.state.get(`parameters/${group.name}`) as HostTensor<"float32">).data,
  ]);
}

function parameter(session: TrainingSession, name: string): HostTensor<"float32"> {
  for (const group of session.layout.parameters) {
    const found = unpack(group, session.state.get(`parameters/${group.name}`) as HostTensor).get(name);
    if (found) return found;
  }
  throw new Error(`${name}: expected a parameter`);
}

function inner(a: readonly number[], b: readonly number[]): number {
  return a.reduce((total, value, i) => total + value * b[i], 0);
}

function minus(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, i) => value - b[i]);
}

function expectSameState(a: ReadonlyMap<string, HostTensor>, b: ReadonlyMap<string, HostTensor>): void {
  expect([...a.keys()]).toEqual([...b.keys()]);
  for (const [name, { data }] of a) {
    const other = b.get(name)?.data as ArrayLike<number | bigint>;
    expect(
      Array.from(data as ArrayLike<number | bigint>).every((value, i) => Object.is(value, other[i])),
      name,
    ).toBe(true);
  }
}
