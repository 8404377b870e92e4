import { appendFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { resolveTrainConfig } from "../../src/config/index.js";
import { fromNumbers } from "../../src/tensor/index.js";
import { readEvents, type TrainingEvent } from "../../src/training/events.js";
import { RunDirectory } from "../../src/training/run-directory.js";
import { runFiles } from "../../src/training/run-files.js";
import { crc32c, tensorBoardFiles } from "../../src/training/tensorboard.js";
import { temporaryFolder } from "../support/cli.js";
import { readTensorBoard } from "../support/read-tensorboard.js";

const { folder, remove } = temporaryFolder("tensorboard");
afterAll(remove);

const config = resolveTrainConfig({ data: "data.yaml", model: "joint-yolov5n" }, "test");
const data = { path: "data.yaml", fingerprint: "abc", leakage: [] };
const create = (name: string) =>
  RunDirectory.create(join(folder, name), config, { echoduet: "0", onnxruntime: "0", seed: 0, data });

const bytesOf = (run: string): Uint8Array => {
  const files = tensorBoardFiles(run);
  expect(files).toHaveLength(1);
  return readFileSync(join(run, files[0]));
};

const step = (at: number): TrainingEvent => ({
  type: "step",
  epoch: 1,
  step: at,
  images: 4,
  losses: { detection: 0.5 / at, "detection.box": 0.25, classification: 0 },
  taskWeights: { detection: 1.98, classification: 0.02 },
  learningRate: 1e-3,
  gradientNorm: at === 1 ? null : 11.5,
  balance: { norms: { detection: 3, classification: Number.NaN }, targets: { detection: 2 } },
});
const conflict = (norm: number, cosine: number | null) => ({
  norms: { detection: norm, classification: 2 * norm },
  cosine,
});
const interference: TrainingEvent = {
  type: "interference",
  epoch: 1,
  step: 2,
  images: 8,
  seconds: 1.5,
  weights: { detection: 1, classification: 0.01 },
  overall: conflict(1, -0.25),
  layers: [
    { name: "model.0.conv", ...conflict(3, null) },
    { name: "model.17.cv3.conv", ...conflict(4, 0.125) },
  ],
};
const others: TrainingEvent[] = [
  { type: "alarm", epoch: 1, step: 2, alarm: "stuck", task: "detection", message: "détection is stuck" },
  {
    type: "epoch",
    epoch: 1,
    step: 2,
    losses: { detection: 0.4 },
    seconds: 9,
    imagesPerSecond: 10,
    loaderWaitSeconds: 0.5,
    memoryBytes: 2 ** 30,
  },
  {
    type: "validation",
    epoch: 1,
    step: 2,
    split: "val",
    metrics: { map50: 0.5, auroc: null },
    fitness: 0.75,
  },
  { type: "note", epoch: 1, step: 2, message: "nothing to draw" },
];

function save(run: RunDirectory, at: number): void {
  run.saveCheckpoint("last", new Map([["w", fromNumbers("float32", [1], [at])]]), {
    echoduet: "0",
    model: config.model,
    names: [],
    views: [],
    epoch: 0,
    step: at,
    config: run.config,
    trainedOn: null,
    metrics: {},
    state: {},
  });
}

describe("crc32c", () => {
  // RFC 3720 (iSCSI), appendix B.4, as numbers; the last one is the usual check value of CRC-32C.
  it.each([
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    [Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    [new TextEncoder().encode("123456789"), 0xe3069283],
  ])("case %#", (bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });
});

describe("the TensorBoard file of a run", () => {
  it("has the numbers of every event, at its time and step, in a form that an own reader reads", () => {
    const run = create("all");
    for (const event of [step(1), step(2), interference, ...others]) run.event(event);
    run.close();
    const logged = readEvents(join(run.path, runFiles.events));
    const [version, first, second, probe, alarm, epoch, validation, ...rest] = readTensorBoard(
      bytesOf(run.path),
    );
    expect(rest).toEqual([]);
    expect(version).toMatchObject({ fileVersion: "brain.Event:2", values: {} });
    expect(version.wallTime).toBe(Date.parse(run.info.created) / 1000);
    expect([first, second].map(({ wallTime }) => wallTime)).toEqual(
      logged.slice(0, 2).map(({ time }) => Date.parse(time) / 1000),
    );
    expect(first.step).toBe(1);
    expect(first.values).toEqual({
      "loss/detection": 0.5,
      "loss/detection.box": 0.25,
      "loss/classification": 0,
      "weight/detection": Math.fround(1.98),
      "weight/classification": Math.fround(0.02),
      "optimiser/learningRate": Math.fround(1e-3),
      "balance/norms/detection": 3,
      "balance/norms/classification": Number.NaN,
      "balance/targets/detection": 2,
    });
    expect(second.values["optimiser/gradientNorm"]).toBe(11.5);
    expect(probe.values).toEqual({
      "conflict/cosine": -0.25,
      "conflict/norm/detection": 1,
      "conflict/norm/classification": 2,
      "conflict/weight/detection": 1,
      "conflict/weight/classification": Math.fround(0.01),
      "conflict.norm/model.0.conv/detection": 3,
      "conflict.norm/model.0.conv/classification": 6,
      "conflict.cosine/model.17.cv3.conv": 0.125,
      "conflict.norm/model.17.cv3.conv/detection": 4,
      "conflict.norm/model.17.cv3.conv/classification": 8,
    });
    expect(alarm.values).toEqual({ "alarm/stuck": { plugin: "text", text: "détection is stuck" } });
    expect(epoch.values).toMatchObject({ "epoch/number": 1, "epoch/loss/detection": Math.fround(0.4) });
    expect(validation.values).toEqual({ "val/map50": 0.5, "val/fitness": 0.75 });
  });

  it("is cut back with the events when the run is opened again, byte for byte", () => {
    const run = create("resumed");
    run.event(step(1));
    save(run, 1);
    const kept = bytesOf(run.path);
    run.event(step(2));
    run.event(interference);
    run.close();
    expect(bytesOf(run.path).length).toBeGreaterThan(kept.length);

    const opened = RunDirectory.open(run.path).run;
    expect(Buffer.compare(bytesOf(run.path), kept)).toBe(0);
    opened.event(step(2));
    opened.event(others[0]);
    opened.close();
    const steps = readTensorBoard(bytesOf(run.path)).map((record) => record.step);
    expect(steps).toEqual([0, 1, 2, 2]);
  });

  it("tells of a resumed run what its events tell, as if they had been written to it one by one", () => {
    const run = create("same");
    for (const event of [step(1), interference, ...others, step(3)]) run.event(event);
    save(run, 3);
    const before = bytesOf(run.path);
    run.close();
    RunDirectory.open(run.path).run.close();
    expect(Buffer.compare(bytesOf(run.path), before)).toBe(0);
  });

  it("gets a new name, by which a TensorBoard that is running sees that the run was cut back", () => {
    const run = create("names");
    run.close();
    const [first] = tensorBoardFiles(run.path);
    // What a kill between writing the new file and removing the old one leaves.
    writeFileSync(join(run.path, first.replace("1.echo", "2.echo")), "half");
    writeFileSync(join(run.path, `.${first.replace("1.echo", "3.echo")}.77.tmp`), "torn");
    writeFileSync(join(run.path, "events.out.tfevents.1.elsewhere"), "not ours");
    RunDirectory.open(run.path).run.close();
    expect(tensorBoardFiles(run.path)).toEqual([first.replace("1.echo", "3.echo")]);
    expect(first < tensorBoardFiles(run.path)[0]).toBe(true);
    expect(readFileSync(join(run.path, "events.out.tfevents.1.elsewhere"), "utf8")).toBe("not ours");
    expect(() => readFileSync(join(run.path, `.${first.replace("1.echo", "3.echo")}.77.tmp`))).toThrow();
  });

  it("can be read up to a record that a kill tore, wherever it was torn", () => {
    const run = create("torn");
    run.event(step(1));
    const whole = bytesOf(run.path).length;
    run.event(step(2));
    run.close();
    const [name] = tensorBoardFiles(run.path);
    const file = join(run.path, name);
    const bytes = bytesOf(run.path);
    for (const length of [whole, whole + 3, whole + 11, whole + 40, bytes.length - 1]) {
      writeFileSync(file, bytes);
      truncateSync(file, length);
      expect(readTensorBoard(bytesOf(run.path)).map((record) => record.step)).toEqual([0, 1]);
    }
    writeFileSync(file, bytes);
    appendFileSync(file, new Uint8Array(12).fill(7));
    expect(() => readTensorBoard(bytesOf(run.path))).toThrow("length");
  });
});
