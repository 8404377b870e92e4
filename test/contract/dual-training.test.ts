import { afterEach, describe, expect, it } from "vitest";
import { resolveTrainConfig, type TrainConfigInput } from "../../src/config/index.js";
import { createModel } from "../../src/models/index.js";
import type { HostTensor } from "../../src/tensor/index.js";
import { shareThreads, threadsApart } from "../../src/training/branches-apart.js";
import { checkTraining, declareForTraining, TrainingSession } from "../../src/training/session.js";
import { initialTensors } from "../../src/training/state-layout.js";
import { smallBatch } from "../support/small-batch.js";

const size = 32;
const open: TrainingSession[] = [];
afterEach(async () => {
  for (const session of open.splice(0)) await session.close();
});

type Options = Omit<Partial<TrainConfigInput>, "data">;

function configOf(options: Options) {
  return resolveTrainConfig(
    {
      data: "data.yaml",
      model: "dual-yolov5n",
      size,
      batch: 2,
      epochs: 100,
      warmupEpochs: 0,
      nominalBatch: 4,
      threads: 1,
      optimizer: "adamw",
      lr0: 0.001,
      momentum: 0.9,
      seed: 5,
      ...options,
    },
    "test",
  );
}

const modelOf = (config: ReturnType<typeof configOf>) =>
  createModel(config.model, { ...config, classes: 4, views: 3 });

/** @param from tensors to start from; new ones by default */
function start(options: Options, from?: ReadonlyMap<string, HostTensor>): TrainingSession {
  const config = configOf(options);
  const model = modelOf(config);
  const { parameters, buffers } = declareForTraining(model);
  const tensors = from ?? initialTensors(parameters, buffers, config.seed);
  const session = new TrainingSession(model, config, tensors, 3);
  open.push(session);
  return session;
}

/** Trains over batches of every kind and gives the reports and the state at the end. */
async function trained(options: Options, steps = 5, from?: ReadonlyMap<string, HostTensor>) {
  const session = start(options, from);
  const reports = [];
  for (let step = 0; step < steps; step++) {
    const views = [[0, 2], [1, -1], [-1, -1], [2, 1], [0]][step % 5];
    reports.push(await session.step(smallBatch({ size, views, seed: step })));
  }
  return { session, reports, state: new Map(session.state), averaged: session.averaged() };
}

const bytes = (tensor: HostTensor | undefined) =>
  tensor && Buffer.from(tensor.data.slice().buffer).toString("hex");

describe("a dual model", () => {
  // Each branch by its own optimiser, schedule, decay and clipping.
  const optim = {
    detection: { optimizer: "sgd", lr0: 0.01, momentum: 0.8, clipNorm: 3, schedule: "linear" },
    classification: { weightDecay: 0.02, clipNorm: 1, warmupBiasLr: 0 },
  } as const;

  it("is its two single-task models side by side, bit for bit", async () => {
    const both = await trained({ optim });
    const parts = [
      await trained({ optim, branch: "detection" }),
      await trained({ optim, branch: "classification" }),
    ];
    // The constant weights of the losses, one a task, are the one state that is not a branch's.
    const own = (state: ReadonlyMap<string, HostTensor>) =>
      [...state].filter(([name]) => !name.startsWith("balancer/"));
    expect(own(both.state).length).toBe(parts.flatMap(({ state }) => own(state)).length);
    for (const part of parts) {
      expect(own(part.state).length).toBeGreaterThan(10);
      for (const [name, tensor] of own(part.state))
        expect(bytes(both.state.get(name)), name).toBe(bytes(tensor));
      for (const [name, tensor] of part.averaged)
        expect(bytes(both.averaged.get(name)), name).toBe(bytes(tensor));
      part.reports.forEach((report, step) => {
        expect(both.reports[step].losses).toMatchObject(report.losses);
        expect(both.reports[step].branches).toMatchObject(report.branches ?? { none: true });
      });
    }
  });

  it("is the same where its branches run side by side in threads of their own", async () => {
    const shared = await trained({ optim, threads: 1 });
    const apart = await trained({ optim, threads: 2, branchThreads: "apart" });
    expect(apart.state.size).toBe(shared.state.size);
    for (const [name, tensor] of shared.state) expect(bytes(apart.state.get(name)), name).toBe(bytes(tensor));
    expect(apart.reports).toEqual(shared.reports);
  });

  it("has YOLOv5's detector: detect-yolov5n with the branch's settings, bit for bit", async () => {
    const { averaged } = await trained({ optim });
    const detector = await trained({ model: "detect-yolov5n", ...optim.detection });
    for (const [name, tensor] of detector.averaged)
      expect(bytes(averaged.get(name)), name).toBe(bytes(tensor));
  });

  it("trains its detector alike with and without the bridge, and its classifier not", async () => {
    const without = await trained({ dropout: 0 });
    const bridged = await trained({ dropout: 0, bridge: "stop-gradient" });
    const isDetection = (name: string) => name.startsWith("model.");
    let compared = 0;
    for (const [name, tensor] of without.averaged) {
      if (!isDetection(name)) continue;
      expect(bytes(bridged.averaged.get(name)), name).toBe(bytes(tensor));
      compared++;
    }
    expect(compared).toBeGreaterThan(200);
    const weight = (run: typeof without) => run.averaged.get("classifier.linear.weight");
    expect(weight(without)?.shape).toEqual([3, 128]);
    expect(weight(bridged)?.shape).toEqual([3, 128 + 64 + 128 + 256]);
    without.reports.forEach(({ losses }, step) => {
      expect(bridged.reports[step].losses.detection).toBe(losses.detection);
      if (step > 0 && losses.classification > 0) {
        expect(bridged.reports[step].losses.classification).not.toBe(losses.classification);
      }
    });
  });

  it("keeps what is frozen as it was, statistics included, and trains the rest", async () => {
    const options = {
      optim: { detection: { freeze: "all" }, classification: { freeze: "backbone" } },
    } as const;
    // Statistics that are no round numbers: the average of equal ones must not round.
    const { averaged: before } = await trained({}, 2);
    const { averaged, reports, session } = await trained(options, 5, before);
    const moved = [...averaged].flatMap(([name, tensor]) =>
      bytes(before.get(name)) === bytes(tensor) ? [] : [name],
    );
    expect(moved.every((name) => /^classifier\.(conv|linear)\./.test(name))).toBe(true);
    expect(moved).toHaveLength(7);
    expect(reports[0].losses.detection).toBeGreaterThan(0);
    expect(Object.keys(reports[0].branches ?? {})).toEqual(["classification"]);
    expect([...session.state.keys()].filter((name) => name.includes("frozen"))).toEqual([
      "parameters/detection.frozen",
      "parameters/classification.frozen",
    ]);
  });

  it("continues bit for bit from a saved state", async () => {
    const whole = await trained({ optim, bridge: "stop-gradient", attention: "cbam" }, 4);
    const first = await trained({ optim, bridge: "stop-gradient", attention: "cbam" }, 3);
    const session = start({ optim, bridge: "stop-gradient", attention: "cbam" });
    session.restore(first.state, first.session.counters);
    await session.step(smallBatch({ size, views: [2, 1], seed: 3 }));
    for (const [name, tensor] of whole.state)
      expect(bytes(session.state.get(name)), name).toBe(bytes(tensor));
  });
});

describe("threads of the branches", () => {
  const decide = (options: Options) => {
    const config = configOf({ size: 64, ...options });
    return (
      threadsApart(modelOf(config), config)?.map(({ model, threads }) => [model.tasks[0], threads]) ?? null
    );
  };

  it("are their own where the branches cost alike, by FLOPs", () => {
    expect(decide({ threads: 2 })).toEqual([
      ["detection", 1],
      ["classification", 1],
    ]);
    expect(decide({ threads: 5, branchThreads: "apart" })).toEqual([
      ["detection", 3],
      ["classification", 2],
    ]);
  });

  it.each<[string, Options]>([
    ["costs are too unequal", { model: "dual-yolov5s", threads: 2 }],
    ["there are fewer threads than branches", { threads: 1, branchThreads: "apart" }],
    ["the user says so", { threads: 2, branchThreads: "shared" }],
    ["one branch reads the other", { threads: 2, branchThreads: "apart", bridge: "stop-gradient" }],
    ["there is one branch", { threads: 2, branchThreads: "apart", branch: "detection" }],
    ["nothing is apart", { threads: 2, branchThreads: "apart", model: "joint-yolov5n" }],
  ])("are those of the whole where %s", (_, options) => {
    expect(decide(options)).toBeNull();
  });

  it("go to whoever has most work a thread", () => {
    expect(shareThreads(2, [5, 1])).toEqual([1, 1]);
    expect(shareThreads(4, [6, 2])).toEqual([3, 1]);
    expect(shareThreads(5, [3, 3])).toEqual([3, 2]);
  });
});

describe("settings that do not fit", () => {
  const check = (options: Options) => () => {
    const config = configOf(options);
    checkTraining(modelOf(config), config);
  };

  it.each<[string, Options, RegExp]>([
    ["gradnorm", { balancer: "gradnorm" }, /gradnorm: expects a layer that all tasks share.*exactly zero/],
    ["pcgrad", { balancer: "pcgrad" }, /pcgrad: expects tasks that share parameters.*exactly zero/],
    [
      "a branch's settings without branches",
      { model: "joint-yolov5n", optim: { detection: { lr0: 0.1 } } },
      /optim\.detection\.lr0: expects a model with a detection branch, such as dual-yolov5n, got 0\.1 for joint-yolov5n; use lr0/,
    ],
    ["all frozen", { freeze: "all" }, /freeze: expects parameters left to train, got none of \d+/],
    ["a bridge to nothing", { branch: "classification", bridge: "stop-gradient" }, /bridge: .*both branches/],
    [
      "attention of no branch",
      { model: "joint-yolov5n", attention: "se" },
      /attention: .*dual-yolov5n, got se/,
    ],
  ])("%s", (_, options, message) => {
    expect(check(options)).toThrow(message);
  });

  it("uncertainty weighs losses, and needs nothing shared", () => {
    expect(check({ balancer: "uncertainty" })).not.toThrow();
  });
});
