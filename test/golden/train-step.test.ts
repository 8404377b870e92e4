import { describe, expect, it } from "vitest";
import { gradientsOf } from "../../src/autodiff/index.js";
import {
  anchorsInCells,
  assignTargets,
  buildDetectionLoss,
  levelTargetFeeds,
  levelTargetInputs,
} from "../../src/detection/index.js";
import { Graph, mul, type Value } from "../../src/graph/index.js";
import { createModel } from "../../src/models/index.js";
import { Scope } from "../../src/nn/index.js";
import { readPyTorchCheckpoint } from "../../src/onnx/index.js";
import { Program } from "../../src/runtime/index.js";
import { type HostTensor, hostTensor } from "../../src/tensor/index.js";
import { hasReference, readReference, referencePath } from "../support/read-safetensors.js";

const name = "train_step_yolov5n.safetensors";

describe.skipIf(!hasReference(name))("one training step of YOLOv5n from the COCO weights", () => {
  it("has PyTorch's loss and every parameter's gradient", { timeout: 60_000 }, async () => {
    const reference = readReference(name);
    const { tensors } = readPyTorchCheckpoint(referencePath("yolov5n.pt"));
    const model = createModel("detect-yolov5n", { classes: 80, views: 0 });
    const graph = new Graph();
    const x = reference("x");
    const feeds = new Map<string, HostTensor>([
      ["x", hostTensor("float32", x.shape, Float32Array.from(x.data))],
    ]);
    const parameters = new Map<string, Value>();
    const feed = (key: string, shape: readonly number[]) => {
      feeds.set(key, tensors.get(key) as HostTensor);
      return graph.input(key, "float32", shape);
    };
    const scope = new Scope({
      graph,
      mode: "train",
      parameter: (spec) => {
        parameters.set(spec.name, feed(spec.name, spec.shape));
        return parameters.get(spec.name) as Value;
      },
      buffer: (spec) => feed(spec.name, spec.shape),
      updateBuffer: () => {},
      dropout: () => expect.unreachable("a detector has no dropout"),
    });
    const outputs = model.forward(scope, graph.input("x", "float32", x.shape)).detection as readonly Value[];
    const grids = outputs.map(({ shape }) => ({ height: shape[2], width: shape[3] }));
    const matches = assignTargets(reference("targets").data, {
      gridSizes: grids,
      anchors: [0, 1, 2].map(anchorsInCells),
    });
    const targets = matches.map((match, level) => {
      const options = { capacity: 64, classes: 80, grid: grids[level], anchors: 3, smoothing: 0 };
      for (const [key, tensor] of levelTargetFeeds(`p${level}`, match, options)) feeds.set(key, tensor);
      return levelTargetInputs(graph, `p${level}`, 64, 80);
    });
    const gains = { box: 0.05, objectness: 1, classes: 0.5, balance: [4, 1, 0.4] };
    const { loss, items } = buildDetectionLoss(outputs, targets, gains);
    const total = mul(loss, x.shape[0]);
    graph.output("loss", total);
    for (const [key, value] of Object.entries(items)) graph.output(key, value);
    gradientsOf(total, [...parameters.values()]).forEach((gradient, i) => {
      graph.output(`grad/${[...parameters.keys()][i]}`, gradient);
    });

    const program = await Program.compile(graph, { threads: 1 });
    const results = await program.run(feeds);
    await program.close();
    const data = (key: string) => (results.get(key) as HostTensor<"float32">).data;

    expect(Math.abs(data("loss")[0] / reference("loss").data[0] - 1)).toBeLessThan(1e-4);
    const expectedItems = reference("items_box_obj_cls").data;
    ["box", "objectness", "classes"].forEach((item, i) => {
      expect(Math.abs(data(item)[0] / expectedItems[i] - 1), item).toBeLessThan(1e-4);
    });
    const wholes: string[] = [];
    for (const key of [...parameters.keys()]) {
      const norm = euclidean(data(`grad/${key}`));
      const expected = reference(`gradnorm/${key}`).data[0];
      expect(Math.abs(norm / expected - 1), `${key}: ${norm} against ${expected}`).toBeLessThan(0.01);
      if (reference.has(`grad/${key}`)) wholes.push(`grad/${key}`);
    }
    expect(wholes.length).toBeGreaterThanOrEqual(4);
    for (const key of wholes) {
      const expected = reference(key).data;
      const difference = euclidean(data(key).map((value, i) => value - expected[i]));
      expect(difference / euclidean(expected), key).toBeLessThan(1e-3);
    }
  });
});

function euclidean(values: ArrayLike<number>): number {
  return Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));
}
