import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { letterbox, letterboxGeometry, toSourceBox } from "../../src/data/index.js";
import { boxIouXyxy, nonMaximumSuppression } from "../../src/detection/index.js";
import { buildDeployGraph, type Model } from "../../src/models/index.js";
import { Program } from "../../src/runtime/index.js";
import { type ImagePrediction, openExportedModel, openTrainedModel } from "../../src/serving/index.js";
import { type HostTensor, hostTensor } from "../../src/tensor/index.js";
import { Predictor } from "../../src/training/index.js";
import { jsonOf, succeed, temporaryFolder, words } from "../support/cli.js";
import {
  hasReference,
  type ReferenceFile,
  readReference,
  referencePath,
} from "../support/read-safetensors.js";

const size = { width: 320, height: 320 };
const names = ["forward_a", "forward_b"] as const;
const present = ["yolov5n.pt", ...names.map((name) => `${name}.safetensors`)].every(hasReference);

const { folder, remove } = temporaryFolder("forward");
afterAll(remove);
const exported = join(folder, "yolov5n.onnx");

/** The photo as the file holds it: uint8 [height, width, 3]. */
function photoOf(reference: ReferenceFile) {
  const { shape, data } = reference("image_rgb");
  return { height: shape[0], width: shape[1], data: Uint8Array.from(data) };
}

/** The letterboxed photos as one batch, made from their own pixels. */
function batchOf(references: readonly ReferenceFile[]): HostTensor {
  const plane = 3 * size.width * size.height;
  const pixels = new Uint8Array(references.length * plane);
  for (const [i, reference] of references.entries()) {
    pixels.set(letterbox(photoOf(reference), size).data, i * plane);
  }
  return hostTensor("uint8", [references.length, 3, size.height, size.width], pixels);
}

/** Every value within 1e-3 of the largest magnitude in its column of the reference. */
function expectColumnsClose(got: ArrayLike<number>, expected: ArrayLike<number>, columns: number): void {
  expect(got.length).toBe(expected.length);
  const largest = new Float64Array(columns);
  const difference = new Float64Array(columns);
  for (let i = 0; i < got.length; i++) {
    largest[i % columns] = Math.max(largest[i % columns], Math.abs(expected[i]));
    difference[i % columns] = Math.max(difference[i % columns], Math.abs(got[i] - expected[i]));
  }
  for (let c = 0; c < columns; c++) expect(difference[c], `column ${c}`).toBeLessThan(1e-3 * largest[c]);
}

type Found = { readonly box: readonly number[]; readonly confidence: number; readonly classIndex: number };

/** The same boxes in the same order: IoU above 0.99, confidence within 1e-3, class equal. */
function expectSameBoxes(got: readonly Found[], expected: readonly Found[]): void {
  expect(expected.length).toBeGreaterThan(0);
  expect(got.map(({ classIndex }) => classIndex)).toEqual(expected.map(({ classIndex }) => classIndex));
  got.forEach(({ box, confidence }, i) => {
    expect(boxIouXyxy(box, expected[i].box), `box ${i}`).toBeGreaterThan(0.99);
    expect(Math.abs(confidence - expected[i].confidence), `confidence ${i}`).toBeLessThan(1e-3);
  });
}

/** The reference's boxes after suppression, in network pixels. */
function referenceBoxes(reference: ReferenceFile): Found[] {
  const { shape, data } = reference("nms_xyxy_conf_cls");
  return Array.from({ length: shape[0] }, (_, i) => {
    const [x1, y1, x2, y2, confidence, classIndex] = data.subarray(6 * i, 6 * i + 6);
    return { box: [x1, y1, x2, y2], confidence, classIndex };
  });
}

describe.skipIf(!present)("YOLOv5n with the COCO weights", () => {
  const references = present ? names.map((name) => readReference(`${name}.safetensors`)) : [];
  const suppress = (rows: Float32Array) =>
    nonMaximumSuppression(rows, { rows: 6300, classes: 80, confidenceThreshold: 0.25, iouThreshold: 0.45 });
  let predictor: Predictor;

  beforeAll(async () => {
    const { model, weights } = openTrainedModel(referencePath("yolov5n.pt"));
    predictor = await Predictor.create(model, weights.tensors, size, { threads: 1 });
    await succeed(
      words`export --weights ${referencePath("yolov5n.pt")} --size 320 --out ${exported} --threads 1`,
    );
  });
  afterAll(() => predictor.close());

  it.each(names)("letterboxes the photo of %s within one grey level", (name) => {
    const reference = references[names.indexOf(name)];
    const { shape, data } = reference("letterboxed_rgb");
    const got = letterbox(photoOf(reference), size).data;
    const plane = size.width * size.height;
    expect(shape).toEqual([size.height, size.width, 3]);
    let largest = 0;
    for (let i = 0; i < data.length; i++) {
      largest = Math.max(largest, Math.abs(got[(i % 3) * plane + Math.floor(i / 3)] - data[i]));
    }
    expect(largest).toBeLessThanOrEqual(1);
  });

  it("has PyTorch's decoded outputs, and its boxes after suppression, in one batch", async () => {
    const { detections } = await predictor.predict(batchOf(references));
    for (const [i, reference] of references.entries()) {
      const { shape, data } = reference("decoded");
      expect([1, detections?.rows, 85]).toEqual(shape);
      expectColumnsClose(detections!.perImage[i], data, 85);
      expectSameBoxes(suppress(detections!.perImage[i]), referenceBoxes(reference));
    }
  });

  it("has PyTorch's logits at P5", async () => {
    const { model, weights } = openTrainedModel(referencePath("yolov5n.pt"));
    const withLogits: Model = {
      ...model,
      forward: (scope, images) => {
        const outputs = model.forward(scope, images);
        scope.graph.output("p5", outputs.detection![2]);
        return outputs;
      },
    };
    const graph = buildDeployGraph(withLogits, weights.tensors, { batch: 1, ...size });
    const program = await Program.compile(graph, { threads: 1 });
    for (const reference of references) {
      const p5 = (await program.run(new Map([["images", batchOf([reference])]]))).get("p5")!;
      expect(p5.shape).toEqual(reference("raw_p5").shape);
      expectColumnsClose(p5.data as Float32Array, reference("raw_p5").data, 85);
    }
    await program.close();
  });

  it("exported, has the same outputs at any batch", async () => {
    const { predictor: file, metadata } = await openExportedModel(exported, { device: "cpu", threads: 1 });
    expect(metadata).toMatchObject({ model: "detect-yolov5n", views: [], size });
    expect(metadata.names.slice(0, 2)).toEqual(["person", "bicycle"]);
    for (const images of [references.slice(0, 1), [...references, ...references, references[0]]]) {
      const got = await file.predict(batchOf(images));
      expect(got.detections?.perImage).toHaveLength(images.length);
      for (const [i, reference] of images.entries()) {
        expectColumnsClose(got.detections!.perImage[i], reference("decoded").data, 85);
      }
    }
    await file.close();
  });

  it.each([
    ["the checkpoint", referencePath("yolov5n.pt"), "--size 320"],
    ["the exported file", exported, ""],
  ])(
    "through `predict --json` of %s gives the reference's boxes in source pixels",
    async (_, weights, more) => {
      for (const [i, reference] of references.entries()) {
        const photo = photoOf(reference);
        const png = join(folder, `${names[i]}.png`);
        const { width, height } = photo;
        await sharp(photo.data, { raw: { width, height, channels: 3 } })
          .png()
          .toFile(png);
        const args = words`predict --weights ${weights} --source ${png} --conf 0.25 --iou 0.45 --threads 1`;
        const [prediction, ...rest] = await jsonOf<ImagePrediction[]>([
          ...args,
          ...more.split(" ").filter(Boolean),
        ]);
        expect(rest).toEqual([]);
        expect(prediction).toMatchObject({ source: png, width, height, view: null });
        const geometry = letterboxGeometry(photo, size);
        const expected = referenceBoxes(reference).map(({ box: [x1, y1, x2, y2], ...scores }) => ({
          box: toSourceBox(geometry, [x1, y1, x2, y2]),
          ...scores,
        }));
        const got = prediction.detections.map(({ class: classIndex, ...found }) => ({
          ...found,
          classIndex,
        }));
        expectSameBoxes(got, expected);
        expect(prediction.detections.every(({ name }) => /^[a-z ]+$/.test(name))).toBe(true);
      }
    },
  );
});
