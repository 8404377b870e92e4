import { describe, expect, it } from "vitest";
import { gradientsOf } from "../../src/autodiff/index.js";
import { EchoDuetError } from "../../src/errors.js";
import { Graph, mul, reduceSum, type Value } from "../../src/graph/index.js";
import { createModel, declareModel, type Model, type ModelOptions, taps } from "../../src/models/index.js";
import { type ParameterSpec, Scope } from "../../src/nn/index.js";
import { readPyTorchCheckpoint } from "../../src/onnx/index.js";
import { Program } from "../../src/runtime/index.js";
import { type HostTensor, hostTensor, randomStream, type Shape, sizeOf } from "../../src/tensor/index.js";
import { hasReference, referencePath } from "../support/read-safetensors.js";

const smallest = { batch: 1, height: 32, width: 32 };
const coco: ModelOptions = { classes: 80, views: 0 };
const echo: ModelOptions = { classes: 4, views: 3 };

describe("trainable parameters", () => {
  it.each([
    ["detect-yolov5n", coco, 1_872_157],
    ["detect-yolov5s", coco, 7_235_389],
    ["detect-yolov5m", coco, 21_190_557],
    ["detect-yolov5l", coco, 46_563_709],
    ["detect-yolov5x", coco, 86_749_405],
    ["joint-yolov5n", echo, 1_843_700],
  ] as const)("of %s with %j number %d", (name, options, expected) => {
    const { parameters } = declareModel(createModel(name, options), smallest);
    expect(parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0)).toBe(expected);
  });

  it("have names of their own", () => {
    const { parameters, buffers } = declareModel(createModel("joint-yolov5n", echo), smallest);
    const names = [...parameters, ...buffers].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});

const checkpoint = "yolov5n.pt";
describe.skipIf(!hasReference(checkpoint))("detect-yolov5n", () => {
  it("has the names and shapes of YOLOv5's checkpoint", () => {
    const { tensors } = readPyTorchCheckpoint(referencePath(checkpoint));
    const ignored = /^model\.24\.anchor(s|_grid)$|\.num_batches_tracked$/;
    const theirs = [...tensors].filter(([name]) => !ignored.test(name));
    const { parameters, buffers } = declareModel(createModel("detect-yolov5n", coco), smallest);
    const ours = [...parameters, ...buffers].map(({ name, shape }): [string, Shape] => [name, shape]);
    const byName = (list: readonly (readonly [string, Shape])[]) => Object.fromEntries(list);
    expect(byName(ours)).toEqual(byName(theirs.map(([name, { shape }]) => [name, shape])));
    expect(ours.length).toBe(theirs.length);
  });
});

describe("the outputs", () => {
  it("of a detector are logits of three levels", () => {
    const { graph } = declareModel(createModel("detect-yolov5n", echo), { batch: 2, height: 64, width: 96 });
    expect([...graph.outputs].filter(([name]) => !name.startsWith("next."))).toMatchObject([
      ["detection.p3", { shape: [2, 3, 8, 12, 9] }],
      ["detection.p4", { shape: [2, 3, 4, 6, 9] }],
      ["detection.p5", { shape: [2, 3, 2, 3, 9] }],
    ]);
  });

  it("of a joint model are those and the view's logits", () => {
    const { graph } = declareModel(createModel("joint-yolov5n", echo), { batch: 2, height: 64, width: 64 });
    expect(graph.outputs.get("detection.p3")?.shape).toEqual([2, 3, 8, 8, 9]);
    expect(graph.outputs.get("classification")?.shape).toEqual([2, 3]);
  });
});

describe("the classifier's tap", () => {
  // Channels of YOLOv5n, and cells of an input of 64 pixels.
  const expected = {
    p3: { layer: "model.17.cv3.conv.weight", shape: [64, 64, 1, 1], features: [2, 64, 8, 8] },
    p4: { layer: "model.20.cv3.conv.weight", shape: [128, 128, 1, 1], features: [2, 128, 4, 4] },
    p5: { layer: "model.23.cv3.conv.weight", shape: [256, 256, 1, 1], features: [2, 256, 2, 2] },
    backbone: { layer: "model.9.cv2.conv.weight", shape: [256, 512, 1, 1], features: [2, 256, 2, 2] },
  } as const;

  it.each(taps)("%s reads the output of the shared layer that it names", (tap) => {
    const model = createModel("joint-yolov5n", { ...echo, tap });
    expect(model.sharedLayer).toBe(expected[tap].layer);
    const { graph, parameters } = declareModel(model, { batch: 2, height: 64, width: 64 });
    expect(parameters.find(({ name }) => name === model.sharedLayer)?.shape).toEqual(expected[tap].shape);

    const weight = graph.inputs.get("classifier.conv.conv.weight");
    expect(weight?.shape).toEqual([128, expected[tap].features[1], 3, 3]);
    const reader = graph.nodes.find(({ op, inputs }) => op === "Conv" && inputs[1] === weight);
    const features = reader?.inputs[0] as Value;
    expect(features.shape).toEqual(expected[tap].features);
    // The features are SiLU of batch normalisation of the convolution by the shared weight.
    const normalised = features.node.inputs[0];
    const convolved = normalised.node.inputs[0];
    expect([features.node.op, normalised.node.op, convolved.node.op]).toEqual(["Silu", "BatchNorm", "Conv"]);
    expect(convolved.node.inputs[1]).toBe(graph.inputs.get(expected[tap].layer));
  });

  it("is p3 by default", () => {
    expect(createModel("joint-yolov5n", echo).sharedLayer).toBe(expected.p3.layer);
  });

  it("shares no layer in a model of one task, or where the classifier is detached", () => {
    expect(createModel("detect-yolov5n", echo).sharedLayer).toBeNull();
    expect(createModel("classify-yolov5n", echo).sharedLayer).toBeNull();
    expect(createModel("joint-yolov5n", { ...echo, detachClassifier: true }).sharedLayer).toBeNull();
  });
});

describe("a view classifier", () => {
  const options: ModelOptions = { classes: 0, views: 5 };
  const namesOf = (model: Model) => declareModel(model, smallest).parameters.map(({ name }) => name);
  const layers = (names: readonly string[]) =>
    new Set(names.flatMap((name) => /^model\.(\d+)\./.exec(name)?.[1] ?? []).map(Number));

  it("at p3 has backbone and neck, and no detection head", () => {
    const model = createModel("classify-yolov5n", { ...options, tap: "p3" });
    const found = layers(namesOf(model));
    expect(found.has(17)).toBe(true);
    expect(found.has(24)).toBe(false);
    expect([model.tasks, model.classes, model.views]).toEqual([["classification"], 0, 5]);
    const { graph } = declareModel(model, { batch: 2, height: 64, width: 64 });
    expect(graph.outputs.get("classification")?.shape).toEqual([2, 5]);
    expect(graph.outputs.has("detection.p3")).toBe(false);
  });

  it("at the backbone has neither neck nor head", () => {
    const names = namesOf(createModel("classify-yolov5n", { ...options, tap: "backbone" }));
    expect(Math.max(...layers(names))).toBe(9);
    expect(names.filter((name) => name.startsWith("classifier."))).toEqual([
      "classifier.conv.conv.weight",
      "classifier.conv.bn.weight",
      "classifier.conv.bn.bias",
      "classifier.linear.weight",
      "classifier.linear.bias",
    ]);
  });

  it("starts its shared parameters as the joint model does", () => {
    const spec = (name: string): ParameterSpec | undefined =>
      declareModel(createModel(name, echo), smallest).parameters.find(
        (each) => each.name === "model.2.cv1.conv.weight",
      );
    const draw = (found: ParameterSpec | undefined) =>
      found?.initial(found.shape, randomStream(3, "parameter", found.name));
    expect(draw(spec("classify-yolov5n"))).toEqual(draw(spec("joint-yolov5n")));
  });
});

describe("a detached classifier", () => {
  it("sends the shared network a gradient of exactly zero, and itself none", async () => {
    const { shared, heads } = await classifierGradients(true);
    expect(shared.size).toBeGreaterThan(150);
    for (const [name, largest] of shared) expect(largest, name).toBe(0);
    for (const [name, largest] of heads) expect(largest, name).toBeGreaterThan(0);
  });

  it("sends one as long as it is attached", async () => {
    const { shared } = await classifierGradients(false);
    // What the tap reads, in backbone and neck; P3 is computed before the rest of the neck.
    for (const name of ["model.0.conv.weight", "model.9.cv2.conv.weight", "model.17.cv3.conv.weight"]) {
      expect(shared.get(name), name).toBeGreaterThan(0);
    }
    expect(shared.get("model.23.cv3.conv.weight")).toBe(0);
  });
});

describe("creating a model refuses", () => {
  it.each([
    ["an unknown name", "joint-yolov5q", echo, /model: expects one of detect-yolov5n, .*, got joint-yolov5q/],
    ["an unknown family", "segment-yolov5n", echo, /got segment-yolov5n/],
    ["a name that only ends well", "my joint-yolov5n", echo, /got my joint-yolov5n/],
    ["a joint model without views", "joint-yolov5n", { classes: 4, views: 0 }, /needs `views` in data.yaml/],
    ["a classifier without views", "classify-yolov5n", { classes: 4, views: 0 }, /needs `views`/],
    ["a joint model without classes", "joint-yolov5n", { classes: 0, views: 3 }, /needs `names`/],
    ["a detector without classes", "detect-yolov5n", { classes: 0, views: 3 }, /needs `names` in data.yaml/],
  ] as const)("%s", (_, name, options, message) => {
    let caught: unknown;
    try {
      createModel(name, options);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(EchoDuetError);
    expect((caught as EchoDuetError).code).toBe("config");
    expect((caught as EchoDuetError).message).toMatch(message);
  });
});

/** Largest element of each parameter's gradient of a sum over the view logits of two images. */
async function classifierGradients(detachClassifier: boolean) {
  const model = createModel("joint-yolov5n", { ...echo, detachClassifier, dropout: 0 });
  const graph = new Graph();
  const feeds = new Map<string, HostTensor>();
  const parameters = new Map<string, Value>();
  const input = (name: string, shape: Shape, data: Float32Array) => {
    feeds.set(name, hostTensor("float32", shape, data));
    return graph.input(name, "float32", shape);
  };
  const random = randomStream(21, "images");
  const noise = (shape: Shape) => Float32Array.from({ length: sizeOf(shape) }, () => random.uniform());
  const scope = new Scope({
    graph,
    mode: "train",
    parameter: ({ name, shape, initial }) => {
      const value = input(name, shape, initial(shape, randomStream(21, name)));
      parameters.set(name, value);
      return value;
    },
    buffer: ({ name, shape, initial }) => input(name, shape, new Float32Array(sizeOf(shape)).fill(initial)),
    dropout: () => expect.unreachable("the rate is 0"),
    updateBuffer: () => {},
  });
  const images = [2, 3, 64, 64];
  const { classification } = model.forward(scope, input("images", images, noise(images)));
  const logits = classification as Value;
  const loss = reduceSum(mul(logits, input("weights", logits.shape, noise(logits.shape))));
  const names = [...parameters.keys()];
  gradientsOf(loss, [...parameters.values()]).forEach((gradient, i) => {
    graph.output(`gradient.${names[i]}`, gradient);
  });
  const program = await Program.compile(graph, { threads: 1 });
  const results = await program.run(
    new Map([...program.inputs.keys()].map((n) => [n, feeds.get(n) as HostTensor])),
  );
  await program.close();
  const largest = new Map(
    names.map((name) => {
      const { data } = results.get(`gradient.${name}`) as HostTensor<"float32">;
      return [name, data.reduce((max, value) => Math.max(max, Math.abs(value)), 0)];
    }),
  );
  const part = (heads: boolean) =>
    new Map([...largest].filter(([name]) => name.startsWith("classifier.") === heads));
  return { shared: part(false), heads: part(true) };
}
