import { afterEach, describe, expect, it } from "vitest";
import { gradientsOf } from "../../src/autodiff/index.js";
import { resolveTrainConfig, type TrainConfigInput } from "../../src/config/index.js";
import { filled, Graph, interpretValues, type Value } from "../../src/graph/index.js";
import { conflictOf, type LayerGram, nothingShared } from "../../src/interference/index.js";
import { createModel, type Model } from "../../src/models/index.js";
import { normalisePixels, Scope } from "../../src/nn/index.js";
import { Program } from "../../src/runtime/index.js";
import { type HostTensor, toNumbers } from "../../src/tensor/index.js";
import { formatEvent } from "../../src/training/events.js";
import { InterferenceProbe, probeFrames, SharedGradients } from "../../src/training/interference-probe.js";
import { declareForTraining, TrainingSession } from "../../src/training/session.js";
import { initialTensors } from "../../src/training/state-layout.js";
import { createTasks } from "../../src/training/task-set.js";
import { smallBatch, smallFrame } from "../support/small-batch.js";
import { tinyModel } from "../support/tiny-model.js";

const size = 64;
const batch = smallBatch({ size, views: [0, 1, 2] });
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

function configOf(options: Partial<TrainConfigInput> = {}) {
  const values = {
    data: "data.yaml",
    model: "joint-yolov5n",
    size,
    batch: 4,
    threads: 1,
    seed: 5,
    ...options,
  };
  return resolveTrainConfig(values, "test");
}

function modelOf(name: string, options: { detachClassifier?: boolean } = {}): Model {
  return createModel(name, { classes: 4, views: 3, ...options });
}

function tensorsOf(model: Model): Map<string, HostTensor<"float32">> {
  const { parameters, buffers } = declareForTraining(model);
  return initialTensors(parameters, buffers, 5);
}

/** The losses of a model in a graph of their own, dropout off, and how to feed it. */
function lossesOf(model: Model, tensors: ReadonlyMap<string, HostTensor>) {
  const graph = new Graph();
  const images = graph.input("images", "uint8", [batch.frames.length, 3, size, size]);
  const parameters = new Map<string, Value>();
  const scope = new Scope({
    graph,
    mode: "train",
    parameter: ({ name, shape }) => {
      parameters.set(name, graph.input(name, "float32", shape));
      return parameters.get(name) as Value;
    },
    buffer: ({ shape }) => filled(graph, shape, 0),
    updateBuffer: () => {},
    dropout: ({ shape }) => filled(graph, shape, 1),
  });
  const outputs = model.forward(scope, normalisePixels(graph, images));
  const tasks = createTasks(model, configOf());
  const capacity = 64;
  const losses = tasks.map(
    (task) => task.declare(graph, { batch: batch.frames.length, capacity }).loss(outputs).loss,
  );
  const feeds = new Map<string, HostTensor>([["images", batch.images]]);
  for (const name of parameters.keys()) feeds.set(name, tensors.get(name) as HostTensor);
  for (const task of tasks) {
    for (const [name, tensor] of task.prepare(batch).feeds(capacity)) feeds.set(name, tensor);
  }
  return { graph, parameters, losses, feeds };
}

/** Largest difference of two Gram matrices, as a share of the product of the norms. */
function distance(actual: LayerGram, rows: readonly Float64Array[]): number {
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const wanted = rows.map((a) => rows.map((b) => dot(a, b)));
  return Math.max(
    ...wanted.flatMap((row, i) =>
      row.map((value, j) => Math.abs(actual.gram[i][j] - value) / Math.sqrt(wanted[i][i] * wanted[j][j])),
    ),
  );
}

const flat = (pieces: readonly Float64Array[]) => Float64Array.from(pieces.flatMap((piece) => [...piece]));

describe("the gradients of shared parameters", () => {
  const model = tinyModel();
  const tensors = tensorsOf(model);

  it("are of the trunk up to the tap, and of no head", () => {
    const model = modelOf("joint-yolov5n");
    const { layers, tasks } = new SharedGradients(model, configOf());
    expect(tasks).toEqual(["detection", "classification"]);
    expect(layers[0]).toEqual({
      name: "model.0",
      parameters: ["model.0.conv.weight", "model.0.bn.weight", "model.0.bn.bias"],
    });
    expect(layers.at(-1)?.name).toBe("model.17.cv3");
    expect(layers.map(({ name }) => name).join(" ")).not.toMatch(/model\.(18|2\d)|classifier/);
  });

  it("are those of two separate programs", async () => {
    const gradients = new SharedGradients(model, configOf());
    open.push(gradients);
    const grams = await gradients.grams(batch, tensors);
    const names = gradients.layers.flatMap(({ parameters }) => parameters);
    const perTask = await Promise.all(
      [0, 1].map(async (task) => {
        const { graph, parameters, losses, feeds } = lossesOf(model, tensors);
        const wrt = names.map((name) => parameters.get(name) as Value);
        gradientsOf(losses[task], wrt).forEach((gradient, i) => {
          graph.output(`gradient.${names[i]}`, gradient);
        });
        const program = await Program.compile(graph, { threads: 1 });
        open.push(program);
        return program.run(feeds);
      }),
    );
    gradients.layers.forEach(({ name, parameters }, i) => {
      const rows = perTask.map((results) =>
        flat(parameters.map((parameter) => toNumbers(results.get(`gradient.${parameter}`) as HostTensor))),
      );
      expect(distance(grams[i], rows), name).toBeLessThan(1e-5);
    });
  });

  it("are those that the interpreter finds in float64", async () => {
    const gradients = new SharedGradients(model, configOf());
    open.push(gradients);
    const grams = await gradients.grams(batch, tensors);
    const { parameters, losses, feeds } = lossesOf(model, tensors);
    const wrt = gradients.layers.flatMap((layer) =>
      layer.parameters.map((name) => parameters.get(name) as Value),
    );
    const values = losses.flatMap((loss) => gradientsOf(loss, wrt));
    const known = Object.fromEntries([...feeds].map(([name, { data }]) => [name, data]));
    const results = interpretValues(values, known).map(({ data }) => Float64Array.from(data));
    let at = 0;
    for (const { name, parameters: members } of gradients.layers) {
      const rows = [0, 1].map((task) =>
        flat(results.slice(task * wrt.length + at, task * wrt.length + at + members.length)),
      );
      const gram = grams.find((layer) => layer.name === name) as LayerGram;
      expect(distance(gram, rows), name).toBeLessThan(1e-4);
      const cosine = conflictOf(gram.gram, gradients.tasks).cosine as number;
      expect(Math.abs(cosine)).toBeGreaterThan(1e-4);
      at += members.length;
    }
  });
});

describe("the probe", () => {
  it("measures what an interference event holds, alike each time", async () => {
    const model = tinyModel();
    const probe = new InterferenceProbe({ model, config: configOf(), batch });
    open.push(probe);
    const tensors = tensorsOf(model);
    const first = await probe.measure(tensors);
    const { seconds, ...again } = await probe.measure(tensors);
    expect(first).toMatchObject(again);
    expect(seconds).toBeGreaterThan(0);
    expect(first.images).toBe(3);
    expect(first.weights).toEqual({ detection: 1, classification: 1 });
    expect(first.overall.norms.detection).toBeGreaterThan(0);
    expect(first.layers.map(({ name }) => name)).toEqual(probe.layers.map(({ name }) => name));
    for (const task of ["detection", "classification"]) {
      const squares = first.layers.reduce((sum, { norms }) => sum + norms[task] ** 2, 0);
      expect(Math.sqrt(squares)).toBeCloseTo(first.overall.norms[task], 6);
    }
    expect(formatEvent({ type: "interference", epoch: 1, step: 1, ...first })).not.toMatch(/NaN|null/);
  });

  it("tells the group's weights in units of the mean losses", async () => {
    const model = tinyModel({ detached: true });
    const config = configOf({ lossScale: "yolov5", taskWeights: [1, 0.01], batch: 16 });
    const probe = new InterferenceProbe({ model, config, batch });
    expect((await probe.measure(new Map())).weights).toEqual({ detection: 1, classification: 0.000625 });
    const current = await probe.measure(new Map(), { detection: 2, classification: 0.32 });
    expect(current.weights).toEqual({ detection: 2, classification: 0.02 });
  });

  it.each([
    ["a detached classifier", modelOf("joint-yolov5n", { detachClassifier: true })],
    ["a single task", modelOf("detect-yolov5n")],
  ])("finds nothing shared with %s", async (_, model) => {
    const probe = new InterferenceProbe({ model, config: configOf(), batch });
    expect(probe.layers).toEqual([]);
    const { overall, layers } = await probe.measure(tensorsOf(model));
    expect(layers).toEqual([]);
    expect(overall).toEqual({
      norms: Object.fromEntries(model.tasks.map((task) => [task, 0])),
      cosine: null,
    });
    expect(nothingShared).toMatch(/exactly zero/);
  });

  it("leaves a training as it is, bit for bit", async () => {
    const model = tinyModel();
    const config = configOf({ batch: 3, nominalBatch: 3, dropout: 0.5 });
    const run = async (watch: boolean) => {
      const session = new TrainingSession(model, config, tensorsOf(model), 3);
      const probe = new InterferenceProbe({ model, config, batch });
      open.push(session, probe);
      for (let step = 0; step < 3; step++) {
        await session.step(smallBatch({ size, views: [2, 0, 1], seed: step }));
        if (watch) await probe.measure(session.averaged());
      }
      return session.state;
    };
    const [without, watched] = [await run(false), await run(true)];
    for (const [name, { data }] of without) expect([...(watched.get(name)?.data ?? [])]).toEqual([...data]);
  });
});

describe("the probe's frames", () => {
  const frames = Array.from({ length: 100 }, (_, i) =>
    smallFrame(`images/${i}.png`, {
      view: i < 90 ? 0 : i % 3,
      classes: i < 80 ? [1] : i < 97 ? [1, i % 4] : [],
    }),
  );

  it("come from every view and class, and with a seed", () => {
    const chosen = [...probeFrames(frames, { count: 16, seed: 1 })];
    expect(new Set(chosen).size).toBe(16);
    const shown = (of: readonly number[]) => ({
      views: new Set(of.map((i) => frames[i].view)),
      classes: new Set(of.flatMap((i) => [...frames[i].boxes.filter((_, at) => at % 5 === 0)])),
    });
    expect(shown(chosen)).toEqual(shown([...frames.keys()]));
    expect(chosen.filter((i) => i < 80).length).toBeLessThan(8);
    expect([...probeFrames(frames, { count: 16, seed: 1 })]).toEqual(chosen);
    expect([...probeFrames(frames, { count: 16, seed: 2 })]).not.toEqual(chosen);
  });

  it("are all of them where there are too few", () => {
    expect([...probeFrames(frames.slice(0, 5), { count: 16, seed: 1 })].toSorted()).toEqual([0, 1, 2, 3, 4]);
  });
});
