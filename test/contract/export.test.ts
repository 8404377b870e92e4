import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resolveTrainConfig } from "../../src/config/index.js";
import { EchoDuetError } from "../../src/errors.js";
import { sha256File } from "../../src/io/index.js";
import { createModel, type ModelOptions } from "../../src/models/index.js";
import { encodeSafetensors, readModelMetadata } from "../../src/onnx/index.js";
import {
  type ExportResult,
  exportMetadataSchema,
  exportModel,
  openExportedModel,
  openPredictor,
} from "../../src/serving/index.js";
import { hostTensor } from "../../src/tensor/index.js";
import { declareForTraining, initialTensors, writeCheckpoint } from "../../src/training/index.js";
import { temporaryFolder } from "../support/cli.js";

const { folder, remove } = temporaryFolder("export");
afterAll(remove);
const at = (name: string) => join(folder, name);
const names = ["AR", "MR", "PR", "TR"];
const views = ["A4C", "PSAX", "PLAX"];

type Options = Omit<ModelOptions, "classes" | "views">;

function tensorsOf(name: string, options: Options = {}) {
  const { parameters, buffers } = declareForTraining(createModel(name, { classes: 4, views: 3, ...options }));
  return initialTensors(parameters, buffers, 4);
}

function checkpointOf(model: string, options: Options = {}): string {
  const path = at(`${[model, ...Object.values(options)].join("-")}.safetensors`);
  const config = resolveTrainConfig({ data: "data.yaml", model, size: "96x64", ...options }, "test");
  const metrics = { map50: 0.5, confidence: 0.375 };
  const progress = { epoch: 1, step: 1, logs: { events: 0, metrics: 0 }, state: {} };
  writeCheckpoint(path, tensorsOf(model, options), {
    echoduet: "0.1.0",
    model,
    names,
    views,
    config,
    trainedOn: null,
    metrics,
    ...progress,
  });
  return path;
}

async function refusal(action: Promise<unknown>): Promise<EchoDuetError> {
  const error = await action.then(
    () => new Error("expected an error, got none"),
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(EchoDuetError);
  return error as EchoDuetError;
}

describe("an exported joint model", () => {
  const weights = checkpointOf("joint-yolov5n");
  const out = at("joint.onnx");
  let result: ExportResult;

  beforeAll(async () => {
    result = await exportModel({ weights, out, threads: 1 });
  });

  it("says what it is, what it takes and what it gives", () => {
    expect(result).toMatchObject({ file: out, bytes: readFileSync(out).length });
    expect(result.largestDifference).toBeLessThan(1e-4);
    const metadata = exportMetadataSchema.parse(
      JSON.parse(readModelMetadata(readFileSync(out), out).echoduet),
    );
    expect(metadata).toEqual(result.metadata);
    expect(metadata).toMatchObject({
      version: 1,
      model: "joint-yolov5n",
      names,
      views,
      size: { width: 96, height: 64 },
      confidence: 0.375,
      checkpoint: { path: weights, sha256: sha256File(weights) },
    });
    expect(metadata.preprocessing).toMatch(/RGB, uint8, \[batch, 3, height, width\]; letterboxed: .* 114/);
    expect(Object.keys(metadata.outputs)).toEqual(["detections", "views"]);
  });

  it("takes any batch", async () => {
    const { predictor } = await openExportedModel(out, { device: "cpu", threads: 1 });
    // One image at 96x64: (12 x 8 + 6 x 4 + 3 x 2) cells of three anchors.
    for (const batch of [1, 2, 5]) {
      const images = hostTensor("uint8", [batch, 3, 64, 96], new Uint8Array(batch * 3 * 64 * 96).fill(90));
      const { detections, views: probabilities } = await predictor.predict(images);
      expect(detections?.rows).toBe(378);
      expect(detections?.perImage.map((rows) => rows.length)).toEqual(Array(batch).fill(378 * 9));
      expect(probabilities?.map((row) => row.length)).toEqual(Array(batch).fill(3));
      for (const row of probabilities!) expect(row.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
    }
    await predictor.close();
  });

  it("has its own input size", async () => {
    const options = { device: "cpu", threads: 1 } as const;
    const same = await openPredictor(out, { ...options, size: { width: 96, height: 64 } });
    expect(same).toMatchObject({ names, views, predictor: { size: { width: 96, height: 64 } } });
    await same.predictor.close();
    const { code, message } = await refusal(
      openPredictor(out, { ...options, size: { width: 64, height: 64 } }),
    );
    expect([code, message]).toEqual([
      "config",
      `--size: ${out} takes 96x64, got 64x64; leave it out, or export again with this size`,
    ]);
  });
});

describe("an exported dual model", () => {
  it.each<Options>([
    { attention: "se", pooling: "avg-max" },
    { attention: "cbam", detectionAttention: "cbam", bridge: "stop-gradient" },
    { attention: "simam", detectionAttention: "simam", pooling: "max" },
    { classifierBackbone: "resnet18", attention: "se", bridge: "stop-gradient" },
  ])("with %j gives both outputs in one file", async (options) => {
    const weights = checkpointOf("dual-yolov5n", options);
    const out = weights.replace(".safetensors", ".onnx");
    const { metadata, largestDifference } = await exportModel({ weights, out, threads: 1 });
    expect(largestDifference).toBeLessThan(1e-4);
    expect(metadata).toMatchObject({ model: "dual-yolov5n", names, views });
    const { predictor } = await openExportedModel(out, { device: "cpu", threads: 1 });
    const images = hostTensor("uint8", [2, 3, 64, 96], new Uint8Array(2 * 3 * 64 * 96).fill(90));
    const { detections, views: probabilities } = await predictor.predict(images);
    expect(detections?.perImage).toHaveLength(2);
    expect(probabilities?.[1].reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
    await predictor.close();
  });
});

describe("exportModel", () => {
  it("leaves out what a model does not do, and takes another size where one is asked for", async () => {
    const weights = checkpointOf("classify-yolov5n");
    const size = { width: 64, height: 64 };
    const { metadata } = await exportModel({ weights, out: at("views.onnx"), size, threads: 1 });
    expect(metadata).toMatchObject({ names: [], views, size });
    expect(Object.keys(metadata.outputs)).toEqual(["views"]);
  });

  it("refuses a file whose outputs are not the run's, and writes nothing", async () => {
    const tensors = tensorsOf("detect-yolov5n");
    tensors.get("model.24.m.0.bias")!.data[0] = Number.NaN;
    const weights = at("nan.safetensors");
    writeFileSync(weights, encodeSafetensors(tensors, {}));
    const out = at("refused.onnx");
    const { code, message } = await refusal(
      exportModel({ weights, out, size: { width: 64, height: 64 }, threads: 1 }),
    );
    expect([code, message]).toEqual([
      "runtime",
      `export ${out}: expected the run's outputs within 0.0001, got a difference of NaN; nothing was written`,
    ]);
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});
