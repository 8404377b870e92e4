import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatFeatures, formatInterference } from "../../src/cli/interference-text.js";
import { resolveTrainConfig } from "../../src/config/index.js";
import { createModel, type ModelOptions } from "../../src/models/index.js";
import { compareFeatures, measureInterference, pooledRows } from "../../src/serving/index.js";
import { hostTensor } from "../../src/tensor/index.js";
import { writeCheckpoint } from "../../src/training/checkpoint.js";
import { declareForTraining } from "../../src/training/session.js";
import { initialTensors } from "../../src/training/state-layout.js";
import { temporaryFolder, tinyData } from "../support/cli.js";

const { folder, remove } = temporaryFolder("interference");
afterAll(remove);
const names = ["AR", "MR", "PR", "TR"];
const views = ["A4C", "PSAX", "PLAX"];
let data: string;

beforeAll(async () => {
  data = await tinyData(join(folder, "data"));
});

/** A checkpoint of an untrained model whose numbers come from `seed`. */
function checkpoint(
  model: string,
  seed: number,
  options: Pick<ModelOptions, "detachClassifier" | "bridge" | "attention"> = {},
): string {
  const config = resolveTrainConfig(
    { data, model, size: 64, batch: 2, threads: 1, taskWeights: [1, 0.01], lossScale: "yolov5", ...options },
    "test",
  );
  const built = createModel(model, { classes: names.length, views: views.length, ...options });
  const { parameters, buffers } = declareForTraining(built);
  const path = join(folder, `${[model, seed, ...Object.values(options)].join("-")}.safetensors`);
  writeCheckpoint(path, initialTensors(parameters, buffers, seed), {
    echoduet: "0.0.0",
    model,
    names: built.classes > 0 ? names : [],
    views: built.views > 0 ? views : [],
    epoch: 1,
    step: 8,
    config,
    trainedOn: { fingerprint: "none", leakage: [], patients: [] },
    metrics: {},
    logs: { events: 0, metrics: 0 },
    state: {},
  });
  return path;
}

const common = { split: "val", seed: 3, device: "cpu", threads: 1 } as const;

describe("interference of a trained model", () => {
  it("is told for all images, each view and each class, in the same numbers each time", async () => {
    const weights = checkpoint("joint-yolov5n", 1);
    const progress: string[] = [];
    const options = { ...common, weights, batches: 2 };
    const report = await measureInterference({
      ...options,
      onProgress: (done, total) => progress.push(`${done}/${total}`),
    });
    expect(report.provenance).toMatchObject({ split: "val", images: 4, leakage: [], seenPatients: null });
    expect(report.weights).toEqual({ detection: 1, classification: 0.005 });
    expect(report.weightsFrom).toBe("config");
    expect(report.groups.map(({ by, name }) => `${by} ${name}`)).toEqual([
      "all all",
      ...views.map((view) => `view ${view}`),
      ...names.map((name) => `class ${name}`),
    ]);
    const [all, ...others] = report.groups;
    expect(all).toMatchObject({ images: 4, batch: 2, drawn: 2 });
    expect(all.overall?.batches).toBe(2);
    expect(all.layers).toHaveLength(45);
    for (const { images, drawn, overall } of others) {
      expect(drawn).toBe(images === 0 ? 0 : Math.min(2, Math.max(1, Math.floor(images / 2))));
      expect(overall === null).toBe(images === 0);
    }
    expect(others.slice(0, 3).reduce((sum, { images }) => sum + images, 0)).toBe(4);
    const drawn = report.groups.reduce((sum, group) => sum + group.drawn, 0);
    expect(progress.at(-1)).toBe(`${drawn}/${drawn}`);
    const text = formatInterference(report);
    expect(text).toMatch(/weights of the mean losses: detection 1, classification 0\.005/);
    expect(text).toMatch(/^model\.17\.cv3 +-?0\.\d{3} ± 0\.\d{3} +\S+ +\d+ % +\d+\.\d\d %$/m);
    expect(text).not.toMatch(/NaN|undefined|null/);
    expect((await measureInterference(options)).groups).toEqual(report.groups);
  });

  it("is nothing where nothing is shared, and says so", async () => {
    const weights = checkpoint("joint-yolov5n", 1, { detachClassifier: true });
    const report = await measureInterference({ ...common, weights, batches: 2 });
    expect(report.groups).toEqual([]);
    expect(report.statement).toBe("no shared parameters: the cross-task gradient is exactly zero");
    const { reached, shared, gradients } = report.independence as NonNullable<typeof report.independence>;
    expect(shared).toBe(0);
    expect(reached.classification).toBe(5);
    expect(reached.detection).toBeGreaterThan(150);
    const largest = (loss: string, of: string) =>
      gradients.find((each) => each.loss === loss && each.parametersOf === of)?.largest;
    expect([largest("detection", "classification"), largest("classification", "detection")]).toEqual([0, 0]);
    expect(largest("detection", "detection")).toBeGreaterThan(0);
    expect(largest("classification", "classification")).toBeGreaterThan(0);
    const text = formatInterference(report);
    expect(text).toMatch(/exactly zero$/m);
    expect(text).toMatch(/^classification +detection +0$/m);
  });

  it.each(["none", "stop-gradient"] as const)("of a dual model with bridge %s is nothing", async (bridge) => {
    const weights = checkpoint("dual-yolov5n", 1, { bridge, attention: "cbam" });
    const { independence } = await measureInterference({ ...common, weights, batches: 2 });
    expect(independence?.shared).toBe(0);
    expect(Object.values(independence?.reached ?? {}).every((count) => count > 60)).toBe(true);
    for (const { loss, parametersOf, largest } of independence?.gradients ?? []) {
      if (loss === parametersOf) expect(largest).toBeGreaterThan(0);
      else expect(largest).toBe(0);
    }
    expect(independence?.gradients).toHaveLength(4);
  });

  it("has no evidence to give for a model of one task", async () => {
    const weights = checkpoint("detect-yolov5n", 1);
    expect((await measureInterference({ ...common, weights, batches: 2 })).independence).toBeNull();
  });
});

describe("features of a joint model", () => {
  it("are compared with those of the single-task models, layer by layer", async () => {
    // The same seed gives layers of the same name the same numbers: these features are alike.
    const joint = checkpoint("joint-yolov5n", 1);
    const classify = checkpoint("classify-yolov5n", 1);
    const detect = checkpoint("detect-yolov5n", 2);
    const options = { ...common, joint, detect, classify, split: "train", limit: 12, batch: 5 };
    const report = await compareFeatures(options);
    expect(report.provenance).toMatchObject({ images: 12, trainImages: 12, leftOut: 0 });
    expect(report.layers.map(({ name }) => name)).toEqual(
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 17].map((index) => `model.${index}`),
    );
    for (const { name, cka, probes } of report.layers) {
      expect(cka.jointClassify, name).toBeCloseTo(1, 6);
      expect(cka.jointDetect, name).toBeLessThan(0.9999);
      expect(cka.detectClassify, name).toBeCloseTo(cka.jointDetect as number, 6);
      expect(probes.classify).toEqual(probes.joint);
      expect(probes.joint.viewBalancedAccuracy).not.toBeNull();
    }
    expect(report.layers[0].channels).toBe(16);
    expect(formatFeatures(report)).toMatch(/^model\.17 +\S+ +1\.000 /m);
  });

  it("are refused in another order of runs", async () => {
    const joint = checkpoint("joint-yolov5n", 1);
    const detect = checkpoint("detect-yolov5n", 2);
    const classify = checkpoint("classify-yolov5n", 1);
    const wrong = { ...common, joint, detect: classify, classify: detect, limit: 12, batch: 5 };
    await expect(compareFeatures(wrong)).rejects.toThrow(
      /expected a model for detection, got classify-yolov5n; give RUN_JOINT RUN_DETECT RUN_CLASSIFY/,
    );
  });

  it("are pooled to means of a grid, whose cells overlap where it does not divide a side", () => {
    // Two channels of 3 x 6 pixels; the second one is the first times ten.
    const channel = Array.from({ length: 18 }, (_, i) => i);
    const data = Float32Array.from([...channel, ...channel.map((x) => 10 * x)]);
    const [row] = pooledRows(hostTensor("float32", [1, 2, 3, 6], data), 2);
    // Rows 0-1 and 1-2, columns 0-2 and 3-5.
    expect([...row]).toEqual([4, 7, 10, 13, 40, 70, 100, 130]);
  });
});
