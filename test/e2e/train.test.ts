import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { ExportResult, ImagePrediction, ValidationReport } from "../../src/serving/index.js";
import { randomStream } from "../../src/tensor/index.js";
import { readCheckpoint, readEvents, readRunInfo, type TrainResult } from "../../src/training/index.js";
import {
  type CliResult,
  eventsOf,
  jsonOf,
  metricsRows,
  runCli,
  succeed,
  temporaryFolder,
  tensorHash,
  tinyData,
  words,
} from "../support/cli.js";
import { hasReference, referencePath } from "../support/read-safetensors.js";

const { folder, remove } = temporaryFolder("train");
afterAll(remove);
const at = (...parts: string[]) => join(folder, ...parts);
const numberOrNull = (value: unknown) => value === null || typeof value === "number";

let data: string;
let first: CliResult;
let result: TrainResult;
const run = at("runs", "joint");

/** The file's epochs and size are overridden by the options; its other values hold. */
const config = `model: joint-yolov5n
epochs: 9
size: 64
batch: 6
threads: 1
seed: 5
taskWeights: 1,0.01
ema:
  decay: 0.9
`;

const trainJoint = () =>
  runCli(
    words`train --config train.yaml --data ${data} --epochs 2 --size 96x64 --ema-tau 50 --out runs/joint --json`,
    folder,
  );

beforeAll(async () => {
  data = await tinyData(at("data"));
  writeFileSync(at("train.yaml"), config);
  first = await trainJoint();
  expect(first.code, first.stderr).toBe(0);
  result = JSON.parse(first.stdout);
});

describe("a training", () => {
  it("with --json prints the result alone on standard output, one line an epoch on standard error", () => {
    expect(result).toMatchObject({ run: "runs/joint", reason: "completed", epochs: 2 });
    expect(Object.keys(result.metrics)).toEqual(
      words`map50 map50_95 precision recall f1 confidence accuracy balancedAccuracy macroF1 auroc ece`,
    );
    const lines = first.stderr.trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^epoch 1\/2 \| detection .*classification .*img\/s.*loader.*MB \| best, ETA/);
    expect(lines[1]).toMatch(/^epoch 2\/2 \|/);
  });

  it("leaves the documented files, and no temporary one", () => {
    expect(readdirSync(run).sort()).toEqual(
      words`best.safetensors config.yaml events.jsonl events.out.tfevents.0000000001.echoduet last.safetensors metrics.csv run.json`,
    );
  });

  it("keeps its whole configuration: file, options over it, defaults under it", () => {
    expect(parse(readFileSync(join(run, "config.yaml"), "utf8"))).toMatchObject({
      data,
      model: "joint-yolov5n",
      epochs: 2,
      size: { width: 96, height: 64 },
      batch: 6,
      threads: 1,
      seed: 5,
      taskWeights: { detection: 1, classification: 0.01 },
      ema: { decay: 0.9, tau: 50 },
      out: "runs/joint",
      optimizer: "sgd",
      patience: 0,
    });
    expect(readRunInfo(run)).toMatchObject({ seed: 5, node: process.version, data: { path: data } });
  });

  it("has a row of metrics an epoch", () => {
    const rows = metricsRows(run);
    expect(rows.map(({ epoch, step }) => [epoch, step])).toEqual([
      ["1", "3"],
      ["2", "6"],
    ]);
    for (const row of rows) {
      for (const name of ["loss/detection", "loss/classification", "val/map50", "val/balancedAccuracy"]) {
        expect(row[name], name).toMatch(/^\d/);
      }
    }
  });

  it("logs its steps, all of one batch size, and everything else that happens", () => {
    const epochEvents = (best: boolean) =>
      words`step step step epoch validation checkpoint`.concat(best ? ["checkpoint"] : []);
    expect(readEvents(join(run, "events.jsonl")).map(({ type }) => type)).toEqual([
      "start",
      ...epochEvents(true),
      ...epochEvents(result.bestEpoch === 2),
      "end",
    ]);
    const steps = eventsOf(run, "step");
    expect(steps.map(({ epoch, step, images }) => [epoch, step, images])).toEqual([
      [1, 1, 6],
      [1, 2, 6],
      [1, 3, 6],
      [2, 4, 6],
      [2, 5, 6],
      [2, 6, 6],
    ]);
    expect(steps.every(({ taskWeights }) => taskWeights.classification === Math.fround(0.01))).toBe(true);
    // An epoch's loss is the mean over its images; those that fill the last batch count twice.
    const [epoch] = eventsOf(run, "epoch");
    const sum = steps.slice(0, 3).reduce((s, { losses, images }) => s + losses.detection * images, 0);
    expect(epoch.losses.detection).toBeCloseTo(sum / 18, 10);
    const order = eventsOf(run, "checkpoint").map(({ reason, epoch }) => `${epoch} ${reason}`);
    expect(order.slice(0, 2)).toEqual(["1 best", "1 epoch"]);
  });

  it("keeps classes, views and progress in its checkpoints", () => {
    const { metadata, tensors } = readCheckpoint(join(run, "last.safetensors"));
    expect(metadata).toMatchObject({
      model: "joint-yolov5n",
      names: ["AR", "MR", "PR", "TR"],
      views: ["A4C", "PSAX", "PLAX"],
      epoch: 2,
      step: 6,
      metrics: result.metrics,
    });
    const best = readCheckpoint(join(run, "best.safetensors"));
    expect([...best.tensors.keys()].some((name) => name.startsWith("training/"))).toBe(false);
    expect(best.tensors.size).toBeLessThan(tensors.size);
    expect(best.metadata.epoch).toBe(result.bestEpoch);
  });

  it("repeated, is the same bit for bit, in the next free directory", async () => {
    const again = await trainJoint();
    expect(JSON.parse(again.stdout)).toEqual({ ...result, run: "runs/joint2" });
    for (const file of ["last.safetensors", "best.safetensors"]) {
      expect(tensorHash(at("runs", "joint2", file)), file).toBe(tensorHash(join(run, file)));
    }
    expect(metricsRows(at("runs", "joint2"))).toEqual(metricsRows(run));
  });

  it("on a fraction of the clips stops early where nothing improves", async () => {
    const out = at("runs", "early");
    const { reason, epochs, bestEpoch } = await jsonOf<TrainResult>(
      words`train --data ${data} --model classify-yolov5n --size 64 --batch 4 --threads 1 --out ${out}
        --fraction 0.25 --epochs 40 --patience 2 --lr0 1e-9 --warmup-epochs 0`,
    );
    expect(reason).toBe("early-stopping");
    expect(epochs).toBeLessThan(40);
    expect(epochs).toBe((bestEpoch ?? 0) + 2);
    expect(metricsRows(out)).toHaveLength(epochs);
    // Two of the eight clips, with two frames each.
    expect(eventsOf(out, "step").map(({ images }) => images)).toEqual(Array(epochs).fill(4));
    expect(eventsOf(out, "end")).toMatchObject([{ reason: "early-stopping" }]);
  });
});

describe("two branches", () => {
  it("each start from a checkpoint of their own", async () => {
    const common = words`--data ${data} --model dual-yolov5n --size 64 --batch 16 --threads 1 --epochs 1`;
    for (const [branch, seed] of [
      ["detection", 1],
      ["classification", 2],
    ] as const) {
      const alone = words`--branch ${branch} --seed ${seed} --out ${at("runs", branch)}`;
      await succeed(["train", ...common, ...alone]);
    }
    const out = at("runs", "both");
    const from = (branch: string) => at("runs", branch, "last.safetensors");
    const { stderr } = await succeed([
      ...words`train --seed 3 --freeze backbone --out ${out}`,
      ...words`--detection-weights ${from("detection")} --classification-weights ${from("classification")}`,
      ...common,
    ]);
    const { tensors } = readCheckpoint(join(out, "last.safetensors"));
    for (const branch of ["detection", "classification"]) {
      const given = readCheckpoint(from(branch)).tensors;
      const names = [...given.keys()].filter((name) => !name.startsWith("training/"));
      expect(stderr).toContain(`${from(branch)}: all ${names.length} tensors loaded\n`);
      // Backbones are frozen, so they end as they began; heads have moved on.
      const isHead = (name: string) => /^(model\.24\.|classifier\.(conv|linear)\.)/.test(name);
      for (const name of names.filter((each) => !isHead(each))) {
        expect(tensors.get(name)?.data, name).toEqual(given.get(name)?.data);
      }
    }
  });
});

describe("data whose splits share a patient", () => {
  const leaking = at("leaking");
  const mark = { from: "train", to: "val", shared: { patient: 1, clip: 0, duplicate: 0 } };

  beforeAll(() => {
    cpSync(dirname(data), leaking, { recursive: true });
    const patient = /^p\d+/.exec(readdirSync(join(leaking, "train", "images")).sort()[0])![0];
    for (const [kind, extension] of [
      ["images", "jpg"],
      ["labels", "txt"],
    ]) {
      const [name] = readdirSync(join(leaking, "valid", kind)).sort();
      const moved = join(leaking, "valid", kind, `${patient}v99f0000.${extension}`);
      renameSync(join(leaking, "valid", kind, name), moved);
    }
  });

  it("is refused, and nothing is made", async () => {
    const args = words`train --config ${at("train.yaml")} --data ${join(leaking, "data.yaml")} --epochs 1 --out ${at("runs", "refused")}`;
    const { code, stderr } = await runCli(args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/val shares 1 patient with train: at least 1 of its 4 images/);
    expect(existsSync(at("runs", "refused"))).toBe(false);
  });

  it("marks every result of a training that allows it", async () => {
    const out = at("runs", "leaking");
    const yaml = join(leaking, "data.yaml");
    const trained = await jsonOf<TrainResult>(
      words`train --config ${at("train.yaml")} --data ${yaml} --epochs 1 --allow-leakage --out ${out}`,
    );
    expect(trained.leakage).toMatchObject([mark]);
    expect(readRunInfo(out).data.leakage).toMatchObject([mark]);
    const weights = join(out, "last.safetensors");
    expect(readCheckpoint(weights).metadata.trainedOn!.leakage).toMatchObject([mark]);
    expect(eventsOf(out, "note")).toMatchObject([
      { message: expect.stringMatching(/^leakage: val shares 1 patient/) },
    ]);
    const scored = words`val --weights ${weights} --data ${yaml} --split val --threads 1`;
    const { provenance } = await jsonOf<ValidationReport>(scored);
    expect(provenance).toMatchObject({ seenPatients: 1, leakage: [mark] });
    const { stdout } = await succeed(scored);
    expect(stdout).toMatch(/^leakage: val shares 1 patient with train/m);
    expect(stdout).toMatch(/^seen: 1 of 4 images are of patients that the model was trained on$/m);
    const exported = await jsonOf<ExportResult>(
      words`export --weights ${weights} --out ${at("leaking.onnx")}`,
    );
    expect(exported.metadata.leakage).toMatchObject([mark]);
  });
});

describe("val --json", () => {
  it("prints scores with their provenance, in the documented shape", async () => {
    const report = await jsonOf<ValidationReport>(
      words`val --weights ${run} --data ${data} --split test --batch 3 --threads 1`,
    );
    expect(Object.keys(report)).toEqual(["provenance", "detection", "classification", "speed"]);
    expect(report.provenance).toEqual({
      checkpoint: join(run, "best.safetensors"),
      checkpointSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      data,
      dataFingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      split: "test",
      images: 4,
      seenPatients: 0,
      leakage: [],
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
    const { perClass, atValidationConfidence, ...whole } = report.detection!;
    const points = ["precision", "recall", "f1", "confidence"];
    expect(Object.keys(whole).sort()).toEqual(["map50", "map50_95", ...points].sort());
    expect(Object.keys(atValidationConfidence!).sort()).toEqual([...points].sort());
    expect(Object.values(whole).every(numberOrNull)).toBe(true);
    expect(perClass.map(({ name }) => name)).toEqual(["AR", "MR", "PR", "TR"]);
    for (const scores of perClass) {
      expect(Object.keys(scores)).toEqual(words`name ap50 ap50_95 precision recall f1 instances`);
    }
    expect(perClass.reduce((sum, { instances }) => sum + instances, 0)).toBe(4);
    const { confusion, ...views } = report.classification!;
    expect(Object.keys(views)).toEqual(["accuracy", "balancedAccuracy", "macroF1", "auroc", "ece"]);
    expect(Object.values(views).every(numberOrNull)).toBe(true);
    expect(confusion.map((row) => row.length)).toEqual([3, 3, 3]);
    expect(confusion.flat().reduce((sum, count) => sum + count, 0)).toBe(4);
    expect(Object.keys(report.speed)).toEqual(["preprocessMs", "inferenceMs", "postprocessMs"]);
  });

  it("repeats the scores of the training's own validation", async () => {
    const { metrics } = readCheckpoint(join(run, "best.safetensors")).metadata;
    const { detection, classification } = await jsonOf<ValidationReport>(
      words`val --weights ${run} --data ${data} --split val --threads 1`,
    );
    expect(detection!.map50).toBeCloseTo(metrics.map50 ?? Number.NaN, 9);
    expect(classification!.accuracy).toBe(metrics.accuracy);
    expect(classification!.auroc).toBeCloseTo(metrics.auroc ?? Number.NaN, 9);
  });
});

describe("predict", () => {
  const source = () => join(dirname(data), "test", "images");

  it("of the exported file is that of the run", async () => {
    const file = at("model.onnx");
    const exported = await jsonOf<ExportResult>(words`export --weights ${run} --out ${file} --threads 1`);
    expect(exported).toMatchObject({ file, metadata: { size: { width: 96, height: 64 } } });
    expect(exported.bytes).toBe(readFileSync(file).length);
    const predict = (weights: string) =>
      jsonOf<ImagePrediction[]>(
        words`predict --weights ${weights} --source ${source()} --conf 0.002 --threads 1`,
      );
    const [ofRun, ofFile] = [await predict(run), await predict(file)];
    expect(ofRun).toHaveLength(4);
    expect(ofRun.every(({ width, height }) => width === 96 && height === 72)).toBe(true);
    expect(ofRun.flatMap(({ detections }) => detections).length).toBeGreaterThan(0);
    ofFile.forEach((prediction, i) => {
      const expected = ofRun[i];
      expect(prediction.source).toBe(expected.source);
      expect(prediction.view?.name).toBe(expected.view?.name);
      for (const [name, probability] of Object.entries(expected.view!.probabilities)) {
        expect(prediction.view?.probabilities[name]).toBeCloseTo(probability, 5);
      }
      expect(prediction.detections.map(({ class: c, name }) => [c, name])).toEqual(
        expected.detections.map(({ class: c, name }) => [c, name]),
      );
      prediction.detections.forEach(({ box, confidence }, j) => {
        expect(confidence).toBeCloseTo(expected.detections[j].confidence, 5);
        for (const [k, side] of box.entries()) expect(side).toBeCloseTo(expected.detections[j].box[k], 2);
      });
    });
  });

  it("without --json draws a picture of every image, and says where", async () => {
    const out = at("pictures");
    const { stdout } = await succeed(
      words`predict --weights ${run} --source ${source()}/*.jpg --out ${out} --threads 1`,
    );
    const images = readdirSync(source());
    expect(readdirSync(out).sort()).toEqual(images.map((name) => name.replace(/jpg$/, "png")).sort());
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(images.length);
    expect(lines[0]).toMatch(/: .*; view (A4C|PSAX|PLAX) 0\.\d\d -> .*\.png$/);
    const { format } = await sharp(join(out, readdirSync(out)[0])).metadata();
    expect(format).toBe("png");
  });
});

describe.skipIf(!hasReference("yolov5n.pt"))("the COCO checkpoint", () => {
  it("gives another number of classes all but the head, and says so", async () => {
    const out = at("runs", "coco");
    const { stderr } = await succeed(
      words`train --data ${data} --model joint-yolov5n --weights ${referencePath("yolov5n.pt")} --out ${out}
        --epochs 1 --size 64 --batch 16 --threads 1`,
    );
    const [message] = stderr.split("\n");
    expect(message).toMatch(/yolov5n\.pt: \d{3} tensors loaded, \d+ left as initialised: /);
    for (const level of [0, 1, 2]) {
      expect(message).toContain(`model.24.m.${level}.weight ([255, `);
      expect(message).toContain(`model.24.m.${level}.bias ([255] in the file, [27] here)`);
    }
    expect(message).toMatch(/classifier\.\S+ \(not in the file\)/);
    expect(readCheckpoint(join(out, "last.safetensors")).metadata.step).toBe(1);
  });

  it("is scored on an ordinary YOLO data set with 80 names and no views", async () => {
    const names = Array.from({ length: 80 }, (_, i) => `  ${i}: thing ${i}`).join("\n");
    const root = at("coco");
    for (const kind of ["images", "labels"]) mkdirSync(join(root, kind, "val"), { recursive: true });
    writeFileSync(at("coco", "coco.yaml"), `path: .\ntrain: images/val\nval: images/val\nnames:\n${names}\n`);
    const random = randomStream(1, "pictures");
    for (const [i, label] of ["0 0.5 0.5 0.4 0.6\n", "79 0.3 0.3 0.2 0.2\n0 0.5 0.5 1 1\n", ""].entries()) {
      const pixels = Uint8Array.from({ length: 90 * 60 * 3 }, () => random.integer(256));
      const picture = sharp(pixels, { raw: { width: 90, height: 60, channels: 3 } });
      await picture.png().toFile(join(root, "images", "val", `${i}.png`));
      writeFileSync(join(root, "labels", "val", `${i}.txt`), label);
    }
    const weights = referencePath("yolov5n.pt");
    const report = await jsonOf<ValidationReport>(
      words`val --weights ${weights} --data ${at("coco", "coco.yaml")} --size 96 --threads 1`,
    );
    expect(report.provenance).toMatchObject({ checkpoint: weights, images: 3, split: "val" });
    expect(report.classification).toBeNull();
    expect(report.detection).toMatchObject({ atValidationConfidence: null });
    const { perClass } = report.detection!;
    expect(perClass).toHaveLength(80);
    expect(perClass.filter(({ instances }) => instances > 0)).toMatchObject([
      { name: "thing 0", instances: 2 },
      { name: "thing 79", instances: 1 },
    ]);
    expect(existsSync(join(root, "labels.cache"))).toBe(false);
  });
});
