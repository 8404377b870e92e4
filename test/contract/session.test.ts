import { afterEach, describe, expect, it } from "vitest";
import { resolveTrainConfig, type TrainConfigInput } from "../../src/config/index.js";
import type { FrameBatch, FrameRecord } from "../../src/data/index.js";
import { EchoDuetError } from "../../src/errors.js";
import { createModel, type ModelOptions } from "../../src/models/index.js";
import { Program } from "../../src/runtime/index.js";
import { type HostTensor, hostTensor, randomStream } from "../../src/tensor/index.js";
import { declareForTraining, type StepReport, TrainingSession } from "../../src/training/session.js";
import { type FlatGroup, initialTensors, unpack } from "../../src/training/state-layout.js";

const size = 64;
const open: TrainingSession[] = [];

afterEach(async () => {
  for (const session of open.splice(0)) await session.close();
});

describe("two images are learnt by heart", () => {
  it.each([
    ["classify-yolov5n", ["classification"]],
    ["detect-yolov5n", ["detection"]],
    ["joint-yolov5n", ["detection", "classification"]],
  ])("by %s", async (model, tasks) => {
    const session = start(model, { optimizer: "adamw", lr0: 0.002, dropout: 0, clsGain: 10 });
    const batch = frameBatch();
    const reports: StepReport[] = [];
    for (let step = 0; step < 16; step++) reports.push(await session.step(batch));
    for (const task of tasks) {
      const first = reports[0].losses[task];
      const last = Math.max(...reports.slice(-3).map(({ losses }) => losses[task]));
      expect(last, `${task}: ${first} at first`).toBeLessThan(0.6 * first);
    }
    expect(Object.keys(reports[0].taskWeights)).toEqual(tasks);
    expect(session.counters).toMatchObject({ step: 16, updates: 16, updatedAt: 16 });
  });
});

describe("a restored session", () => {
  it("continues bit for bit, in the middle of an accumulation and with dropout", async () => {
    const options: Options = { optimizer: "adamw", nominalBatch: 4, dropout: 0.5 };
    const whole = start("joint-yolov5n", options);
    const batches = Array.from({ length: 6 }, (_, i) => frameBatch({ seed: i }));
    for (const batch of batches.slice(0, 3)) await whole.step(batch);
    const saved = { state: whole.state, counters: whole.counters };
    expect(saved.counters).toMatchObject({ step: 3, updates: 1, updatedAt: 2 });
    const reports: StepReport[] = [];
    for (const batch of batches.slice(3)) reports.push(await whole.step(batch));

    // Another seed of the initial weights: all that counts must come from the saved state.
    const again = start("joint-yolov5n", options, { initialSeed: 99 });
    again.restore(saved.state, saved.counters);
    const repeated: StepReport[] = [];
    for (const batch of batches.slice(3)) repeated.push(await again.step(batch));
    expect(repeated).toEqual(reports);
    expect(again.counters).toEqual(whole.counters);
    expectSameState(again.state, whole.state);
  });

  it("says which tensor a saved state lacks, or has in another size", () => {
    const session = start("classify-yolov5n", { tap: "backbone" });
    const without = new Map(session.state);
    without.delete("buffers");
    expect(() => session.restore(without, session.counters)).toThrow(
      /checkpoint: buffers expects \d+ elements, got none/,
    );
    const shorter = new Map(session.state).set(
      "parameters/bias",
      hostTensor("float32", [2], new Float32Array(2)),
    );
    expect(() => session.restore(shorter, session.counters)).toThrow(
      /checkpoint: parameters\/bias expects \d+ elements, got 2/,
    );
  });
});

describe("batches of every kind", () => {
  it("a shorter last one, a crowded one, one without labels, masked ones", async () => {
    const session = start("joint-yolov5n", { weightDecay: 0, momentum: 0, dropout: 0 });
    const first = await session.step(frameBatch());
    expectFinite(first);

    const shorter = await session.step(frameBatch({ images: 1 }));
    expectFinite(shorter);
    expect(session.counters.step).toBe(2);

    // Far beyond the 16 rows that two images begin with, on every level.
    const crowd = randomStream(4, "crowd");
    const boxes = Array.from({ length: 80 }, (_, i) => [
      i % 2,
      crowd.integer(4),
      crowd.uniform(0.2, 0.8),
      crowd.uniform(0.2, 0.8),
      crowd.uniform(0.2, 0.9),
      crowd.uniform(0.2, 0.9),
    ]);
    const crowded = await session.step(frameBatch({ targets: boxes.flat() }));
    expectFinite(crowded);
    expect(crowded.losses["detection.box"]).toBeGreaterThan(0);

    const head = () => parameter(session, "classifier.linear.weight").data.slice();
    const before = head();
    const unlabelled = await session.step(frameBatch({ targets: [], views: [-1, -1] }));
    expectFinite(unlabelled);
    expect(unlabelled.losses["detection.box"]).toBe(0);
    expect(unlabelled.losses["detection.classes"]).toBe(0);
    expect(unlabelled.losses["detection.objectness"]).toBeGreaterThan(0);
    expect(unlabelled.losses.classification).toBe(0);

    const masked = await session.step(frameBatch({ targets: [], views: [-1, -1], detectionMask: [0, 0] }));
    expect(masked.losses.detection).toBe(0);
    expect(masked.losses.classification).toBe(0);
    expect(masked.gradientNorm).toBe(0);
    // Without a target, momentum or decay, nothing moves the head.
    expect([...head()]).toEqual([...before]);
  });

  it("an image without a view counts for nothing in the classification loss", async () => {
    const session = start("classify-yolov5n", { tap: "backbone", dropout: 0, weightDecay: 0, momentum: 0 });
    const fresh = { state: session.state, counters: session.counters };
    const once = async (batch: FrameBatch) => {
      session.restore(fresh.state, fresh.counters);
      const before = parameter(session, "classifier.linear.weight").data.slice();
      const report = await session.step(batch);
      const after = parameter(session, "classifier.linear.weight").data;
      return { loss: report.losses.classification, moved: after.some((value, i) => value !== before[i]) };
    };
    const both = await once(frameBatch({ views: [0, 2] }));
    const first = await once(frameBatch({ views: [0, -1] }));
    const second = await once(frameBatch({ views: [-1, 2] }));
    const none = await once(frameBatch({ views: [-1, -1] }));
    // The images pass the network together each time, so their losses average.
    expect(both.loss).toBeCloseTo((first.loss + second.loss) / 2, 5);
    expect(none).toEqual({ loss: 0, moved: false });
    expect([both.moved, first.moved, second.moved]).toEqual([true, true, true]);
  });
});

describe("the memory of states", () => {
  it("that nobody else reads is freed with each step", async () => {
    const session = start("classify-yolov5n");
    const lent = session.state.get("parameters/weight") as HostTensor;
    const before = lent.data.slice();
    const fed: HostTensor[] = [];
    const run = Program.prototype.run;
    Program.prototype.run = function (feeds) {
      fed.push(feeds.get("parameters/weight") as HostTensor);
      return run.call(this, feeds);
    };
    try {
      for (let step = 0; step < 3; step++) await session.step(frameBatch());
    } finally {
      Program.prototype.run = run;
    }
    expect(fed[0]).toBe(lent);
    expect(lent.data).toEqual(before);
    expect(fed.slice(1).map(({ data }) => data.length)).toEqual([0, 0]);
    expect(parameter(session, "model.0.conv.weight").data.length).toBeGreaterThan(0);
  });
});

describe("the scale of the losses", () => {
  it("yolov5 with the weights (1, w · B) is sum with (1, w)", async () => {
    const weight = 0.3;
    const run = async (options: Options) => {
      const session = start("joint-yolov5n", { ...options, dropout: 0 });
      for (let step = 0; step < 2; step++) await session.step(frameBatch({ seed: step }));
      return session.state;
    };
    const sum = await run({ lossScale: "sum", taskWeights: [1, weight] });
    const scaled = await run({ lossScale: "yolov5", taskWeights: [1, weight * 2] });
    const withoutWeights = (state: ReadonlyMap<string, HostTensor>) =>
      new Map([...state].filter(([name]) => !name.startsWith("balancer/")));
    expectSameState(withoutWeights(scaled), withoutWeights(sum));
  });
});

describe("a step that meets a number that is not finite", () => {
  const options: Options = { tap: "backbone", dropout: 0 };

  it("names the step and the state that was fed, and leaves the state as it was", async () => {
    const session = start("classify-yolov5n", options);
    await session.step(frameBatch());
    const sound = session.state;
    const poisoned = new Map(sound);
    const vector = sound.get("parameters/weight") as HostTensor<"float32">;
    const data = vector.data.slice();
    data[7] = Number.NaN;
    poisoned.set("parameters/weight", hostTensor("float32", vector.shape, data));
    session.restore(poisoned, session.counters);
    const error = await failure(session.step(frameBatch()));
    expect(error.code).toBe("diverged");
    expect(error.message).toMatch(/^step 2: the step was fed model\.0\.conv\.weight with NaN; lower --lr0/);
    expect(session.counters).toMatchObject({ step: 1, updates: 1, updatedAt: 1, capacity: 16 });
    expectSameState(session.state, poisoned);

    // Nothing of the broken run stays in the program.
    session.restore(sound, session.counters);
    expectFinite(await session.step(frameBatch()));
  });

  it("names the parameter whose gradient it is, where the losses are still finite", async () => {
    const session = start("classify-yolov5n", options);
    const scaled = new Map(session.state);
    const weights = session.layout.parameters.find(({ name }) => name === "weight") as FlatGroup;
    const data = (scaled.get("parameters/weight") as HostTensor<"float32">).data.slice();
    // A last layer so large that the logits fit into float32 and what flows back from them does not.
    const linear = unpack(weights, hostTensor("float32", [weights.size], data)).get(
      "classifier.linear.weight",
    ) as HostTensor<"float32">;
    linear.data.forEach((value, i) => {
      linear.data[i] = Math.sign(value) * 1e37;
    });
    session.restore(scaled.set("parameters/weight", hostTensor("float32", [weights.size], data)), {
      step: 8,
      updates: 8,
      updatedAt: 8,
      capacity: 16,
    });
    const error = await failure(session.step(frameBatch()));
    expect(error.code).toBe("diverged");
    expect(error.message).toMatch(/^step 9: the gradient of [\w.]+ has (NaN|-?Infinity); lower --lr0/);
    expect(session.counters.step).toBe(8);
  });

  it("names the step and the loss where a learning rate is far too high", async () => {
    const session = start("classify-yolov5n", { ...options, lr0: 1e30, clipNorm: 0 });
    let state = session.state;
    let counters = session.counters;
    const error = await failure(
      (async () => {
        for (let step = 0; step < 10; step++) {
          state = session.state;
          counters = session.counters;
          await session.step(frameBatch({ seed: step }));
        }
      })(),
    );
    expect(error.code).toBe("diverged");
    expect(error.message).toMatch(
      new RegExp(`^step ${counters.step + 1}: the (step was fed|loss|gradient of|norm) .*; lower --lr0`),
    );
    expect(counters.step).toBeGreaterThan(0);
    expect(session.counters).toEqual(counters);
    expectSameState(session.state, state);
  });
});

type Options = Partial<TrainConfigInput>;

/** A session from random weights: batches of two images of 64 pixels, four classes, three views. */
function start(name: string, options: Options = {}, { initialSeed = 7 } = {}): TrainingSession {
  const config = resolveTrainConfig(
    {
      data: "data.yaml",
      model: name,
      size,
      batch: 2,
      epochs: 100,
      warmupEpochs: 0,
      nominalBatch: 0,
      threads: 1,
      ...options,
    },
    "test",
  );
  const modelOptions: ModelOptions = {
    classes: 4,
    views: 3,
    tap: config.tap,
    detachClassifier: config.detachClassifier,
    dropout: config.dropout,
  };
  const model = createModel(name, modelOptions);
  const { parameters, buffers } = declareForTraining(model);
  const session = new TrainingSession(model, config, initialTensors(parameters, buffers, initialSeed), 10);
  open.push(session);
  return session;
}

interface BatchOptions {
  readonly images?: number;
  readonly seed?: number;
  readonly targets?: readonly number[];
  readonly views?: readonly number[];
  readonly detectionMask?: readonly number[];
}

/** Noise with a bright box on each image; views 0 and 2. */
function frameBatch(options: BatchOptions = {}): FrameBatch {
  const { images = 2, seed = 0, views = [0, 2].slice(0, images) } = options;
  const { targets = [0, 1, 0.4, 0.4, 0.5, 0.4, 1, 3, 0.6, 0.5, 0.3, 0.6].slice(0, images * 6) } = options;
  const random = randomStream(seed, "images");
  const pixels = Uint8Array.from({ length: images * 3 * size * size }, () => random.integer(80));
  for (let row = 0; row < targets.length; row += 6) {
    const [image, , cx, cy, w, h] = targets.slice(row, row + 6);
    for (let y = Math.floor((cy - h / 2) * size); y < (cy + h / 2) * size; y++) {
      for (let x = Math.floor((cx - w / 2) * size); x < (cx + w / 2) * size; x++) {
        if (x >= 0 && y >= 0 && x < size && y < size) pixels[(image * 3 * size + y) * size + x] = 220;
      }
    }
  }
  const frames = views.map(
    (view, i): FrameRecord => ({
      name: `frame${i}.png`,
      imagePath: `frame${i}.png`,
      labelPath: null,
      boxes: new Float32Array(0),
      view,
      patient: null,
      video: null,
      detectionMasked: options.detectionMask?.[i] === 0,
    }),
  );
  const letterbox = {
    sourceWidth: size,
    sourceHeight: size,
    width: size,
    height: size,
    scale: 1,
    padX: 0,
    padY: 0,
    newWidth: size,
    newHeight: size,
  };
  return {
    images: hostTensor("uint8", [images, 3, size, size], pixels),
    letterboxes: frames.map(() => letterbox),
    targets: Float32Array.from(targets),
    views: Int32Array.from(views),
    detectionMask: Uint8Array.from(options.detectionMask ?? frames.map(() => 1)),
    frames,
  };
}

/** A parameter as the session's state holds it. */
function parameter(session: TrainingSession, name: string): HostTensor<"float32"> {
  for (const group of session.layout.parameters) {
    const found = unpack(group, session.state.get(`parameters/${group.name}`) as HostTensor).get(name);
    if (found) return found;
  }
  return expect.unreachable(`${name} is no parameter`);
}

function expectFinite({ losses, gradientNorm }: StepReport): void {
  for (const [name, loss] of Object.entries(losses)) expect(Number.isFinite(loss), name).toBe(true);
  expect(gradientNorm).toBeGreaterThan(0);
}

/** Bit for bit, so that a NaN equals itself. */
function expectSameState(
  got: ReadonlyMap<string, HostTensor>,
  expected: ReadonlyMap<string, HostTensor>,
): void {
  expect([...got.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, { data }] of expected) {
    const other = (got.get(name) as HostTensor).data;
    const bytes = (array: ArrayBufferView) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
    expect(bytes(other).equals(bytes(data)), name).toBe(true);
  }
}

async function failure(promise: Promise<unknown>): Promise<EchoDuetError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof EchoDuetError) return error;
    throw error;
  }
  throw new Error("expected an EchoDuetError, nothing was thrown");
}
