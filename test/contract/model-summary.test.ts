import { describe, expect, it } from "vitest";
import { gradientsOf } from "../../src/autodiff/index.js";
import { conv, Graph, matMul, maxPool, mul, reduceSum, reshape } from "../../src/graph/index.js";
import {
  createModel,
  formatSummary,
  type Model,
  summariseModel,
  trainingStepFlops,
} from "../../src/models/index.js";
import { constantInitialiser, type Scope } from "../../src/nn/index.js";

const input640 = { batch: 1, height: 640, width: 640 };

describe("summariseModel", () => {
  it.each([
    { name: "detect-yolov5n", parameters: 1_872_157, gigaflops: 4.5 },
    { name: "detect-yolov5s", parameters: 7_235_389, gigaflops: 16.5 },
  ])("gives $name its published size and cost", ({ name, parameters, gigaflops }) => {
    const summary = summariseModel(createModel(name, { classes: 80, views: 0 }), input640);
    expect(summary.parameters).toBe(parameters);
    expect(Math.abs(summary.flops / 1e9 / gigaflops - 1)).toBeLessThan(0.03);
  });

  it("lists the joint model's layers with what others read of them", () => {
    const summary = summariseModel(createModel("joint-yolov5n", { classes: 4, views: 3 }), {
      batch: 2,
      height: 64,
      width: 96,
    });
    const layer = (name: string) => summary.layers.find((entry) => entry.name === name)!;
    expect(summary.layers.map(({ name }) => name)).toEqual([
      ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 17, 18, 20, 21, 23, 24].map((n) => `model.${n}`),
      "classifier",
    ]);
    expect(layer("model.0")).toEqual({
      name: "model.0",
      outputs: [[2, 16, 32, 48]],
      parameters: 16 * 3 * 36 + 32,
      flops: 2 * (2 * 16 * 32 * 48) * (3 * 36),
    });
    expect(layer("model.10").outputs).toEqual([[2, 128, 2, 3]]);
    expect(layer("model.17").outputs).toEqual([[2, 64, 8, 12]]);
    expect(layer("model.24").outputs).toEqual([
      [2, 3, 8, 12, 9],
      [2, 3, 4, 6, 9],
      [2, 3, 2, 3, 9],
    ]);
    expect(layer("classifier")).toEqual({
      name: "classifier",
      outputs: [[2, 3]],
      parameters: 128 * 64 * 9 + 256 + 128 * 3 + 3,
      flops: 2 * (2 * 128 * 8 * 12) * (64 * 9) + 2 * 2 * 128 * 3,
    });
  });

  it("has totals that its layers add up to, and costs in proportion to the batch", () => {
    const model = createModel("joint-yolov5n", { classes: 4, views: 3 });
    const one = summariseModel(model, { batch: 1, height: 64, width: 64 });
    const four = summariseModel(model, { batch: 4, height: 64, width: 64 });
    for (const key of ["parameters", "flops"] as const) {
      expect(one.layers.reduce((sum, layer) => sum + layer[key], 0)).toBe(one[key]);
    }
    expect(four.flops).toBe(4 * one.flops);
    expect(four.parameters).toBe(one.parameters);
    expect(four.inferenceActivationBytes).toBe(4 * one.inferenceActivationBytes);
    expect(one.inferenceActivationBytes).toBeLessThan(one.trainingActivationBytes);
  });

  it("counts a small network's memory as by hand", () => {
    const summary = summariseModel(poolingModel, { batch: 1, height: 32, width: 32 });
    const images = 3 * 32 * 32 * 4;
    const convolved = 2 * 32 * 32 * 4;
    const pooled = 2 * 16 * 16 * 4;
    const indices = 2 * 16 * 16 * 8;
    expect(summary.trainingActivationBytes).toBe(convolved + pooled + indices);
    // Images and convolution together; at the pooling the images are gone, and a reshape is free.
    expect(summary.inferenceActivationBytes).toBe(Math.max(images + convolved, convolved + pooled + indices));
  });

  it("prints a line for each layer and the totals", () => {
    const summary = summariseModel(poolingModel, { batch: 1, height: 32, width: 32 });
    const lines = formatSummary(summary).split("\n");
    expect(lines[0]).toBe("pooling, images 1x3x32x32");
    expect(lines[2].split(/\s+/)).toEqual(["stem", "1x512", "6", (summary.flops / 1e6).toFixed(1)]);
    expect(lines.some((line) => /^parameters\s+6$/.test(line))).toBe(true);
  });
});

describe("trainingStepFlops", () => {
  it("counts a convolution three times in a step that differentiates images and weight", () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [2, 3, 8, 8]);
    const weight = graph.input("w", "float32", [5, 3, 3, 3]);
    const y = conv(x, weight, { strides: [2, 2], pads: [1, 1] });
    const forward = 2 * (2 * 5 * 4 * 4) * (3 * 9);
    expect(trainingStepFlops(graph)).toBe(forward);
    gradientsOf(reduceSum(mul(y, y)), [x, weight]);
    expect(trainingStepFlops(graph)).toBe(3 * forward);
  });

  it.each([
    { transA: false, transB: false, a: [7, 2, 3], b: [7, 3, 5] },
    { transA: true, transB: false, a: [7, 3, 2], b: [7, 3, 5] },
    { transA: false, transB: true, a: [7, 2, 3], b: [7, 5, 3] },
  ])("counts a matrix product, transposed $transA $transB", ({ a, b, ...options }) => {
    const graph = new Graph();
    matMul(graph.input("a", "float32", a), graph.input("b", "float32", b), options);
    expect(trainingStepFlops(graph)).toBe(2 * 7 * 2 * 3 * 5);
  });
});

/** One 1x1 convolution and a pooling. */
const poolingModel: Model = {
  name: "pooling",
  tasks: ["classification"],
  classes: 0,
  views: 512,
  sharedLayer: null,
  alone: new Map(),
  branchOf: () => null,
  isHead: () => false,
  isAdded: () => false,
  namesInFiles: (tensor) => [tensor],
  forward: (scope: Scope, images) => {
    const weight = scope.child("stem").parameter("weight", [2, 3, 1, 1], "weight", constantInitialiser(1));
    const convolved = conv(images, weight, { strides: [1, 1], pads: [0, 0] });
    const pooled = maxPool(convolved, { kernel: 2, stride: 2, pad: 0 });
    return { classification: reshape(pooled, [images.shape[0], 512]) };
  },
};
