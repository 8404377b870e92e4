import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { resolveTrainConfig } from "../../src/config/index.js";
import type { EchoDuetError } from "../../src/errors.js";
import {
  createModel,
  type Declaration,
  type Model,
  type ModelOptions,
  type TaskName,
} from "../../src/models/index.js";
import { encodeSafetensors } from "../../src/onnx/index.js";
import { openTrainedModel } from "../../src/serving/index.js";
import { fromNumbers, type HostTensor } from "../../src/tensor/index.js";
import {
  applyWeights,
  declareForTraining,
  initialTensors,
  readWeights,
  type Weights,
  writeCheckpoint,
} from "../../src/training/index.js";
import { temporaryFolder } from "../support/cli.js";

const { folder, remove } = temporaryFolder("weights");
afterAll(remove);

/** A model with its tensors as seed `seed` makes them, and as a weights file would give them. */
function modelWith(name: string, options: ModelOptions, seed: number) {
  const model = createModel(name, options);
  const declaration = declareForTraining(model);
  const initial = initialTensors(declaration.parameters, declaration.buffers, seed);
  const weights: Weights = { path: "some.pt", tensors: initial, model: null, names: null, views: null };
  return { model, declaration, initial, weights };
}

type Made = { model: Model; declaration: Declaration; initial: Map<string, HostTensor<"float32">> };
const apply = (weights: Weights, { model, declaration, initial }: Made) =>
  applyWeights(weights, model, declaration, initial);

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect((error as EchoDuetError).code).toBe("checkpoint");
    return (error as Error).message;
  }
  throw new Error("expected an error, got none");
}

const joint = modelWith("joint-yolov5n", { classes: 4, views: 3 }, 1);

describe("applyWeights", () => {
  it("takes every tensor where all fit, and leaves its arguments alone", () => {
    const { weights } = modelWith("joint-yolov5n", { classes: 4, views: 3 }, 2);
    const { tensors, loaded, left } = apply(weights, joint);
    expect(left).toEqual([]);
    expect(loaded).toBe(joint.initial.size);
    expect([...tensors.keys()]).toEqual([...joint.initial.keys()]);
    for (const [name, tensor] of tensors) expect(tensor, name).toBe(weights.tensors.get(name));
    expect(joint.initial.get("model.0.conv.weight")).not.toBe(tensors.get("model.0.conv.weight"));
  });

  it("of another number of classes takes all but the heads, and says why", () => {
    const { weights } = modelWith("detect-yolov5n", { classes: 80, views: 0 }, 2);
    const { tensors, loaded, left } = apply(weights, joint);
    const heads = [...joint.initial.keys()].filter((name) => joint.model.isHead(name));
    expect(left.map((text) => text.split(" ")[0])).toEqual(heads);
    expect(left).toContain("model.24.m.0.weight ([255, 64, 1, 1] in the file, [27, 64, 1, 1] here)");
    expect(left).toContain("model.24.m.2.bias ([255] in the file, [27] here)");
    for (const text of left.filter((text) => text.startsWith("classifier."))) {
      expect(text).toMatch(/\(not in the file\)$/);
    }
    expect(loaded).toBe(joint.initial.size - heads.length);
    for (const [name, tensor] of tensors) {
      const source = joint.model.isHead(name) ? joint.initial : weights.tensors;
      expect(tensor, name).toBe(source.get(name));
    }
  });

  it("refuses another network's size with its first misfits and their number", () => {
    const { weights } = modelWith("detect-yolov5s", { classes: 4, views: 0 }, 2);
    const message = refusal(() => apply(weights, joint));
    expect(message).toMatch(/^some\.pt: does not fit joint-yolov5n: /);
    expect(message).toContain("model.0.conv.weight ([32, 3, 6, 6] in the file, [16, 3, 6, 6] here); ");
    expect(message).toMatch(/; and \d+ more; choose the model of the same size$/);
    expect(message.match(/in the file/g)).toHaveLength(3);
  });

  it("refuses a file that lacks a tensor outside the heads, or has it in another dtype", () => {
    const { weights } = modelWith("joint-yolov5n", { classes: 4, views: 3 }, 2);
    const name = "model.9.cv1.bn.running_var";
    const without = new Map(weights.tensors);
    without.delete(name);
    expect(refusal(() => apply({ ...weights, tensors: without }, joint))).toBe(
      `some.pt: does not fit joint-yolov5n: ${name} (not in the file); choose the model of the same size`,
    );
    const shape = joint.initial.get(name)!.shape;
    const integers = fromNumbers("int64", shape, new Array(shape[0]).fill(1));
    const changed = new Map([...weights.tensors, [name, integers]]);
    expect(refusal(() => apply({ ...weights, tensors: changed }, joint))).toContain(name);
  });

  it("leaves what the model does not have: counters, anchors, another head", () => {
    const { weights } = modelWith("joint-yolov5n", { classes: 4, views: 3 }, 2);
    const detector = modelWith("detect-yolov5n", { classes: 4, views: 0 }, 1);
    const extra = new Map([...weights.tensors, ["model.24.anchors", fromNumbers("float32", [1], [0])]]);
    const { tensors, left } = apply({ ...weights, tensors: extra }, detector);
    expect(left).toEqual([]);
    expect([...tensors.keys()]).toEqual([...detector.initial.keys()]);
  });
});

describe("applyWeights to a dual model", () => {
  const options = { classes: 4, views: 3, attention: "se" } as const;
  const dual = modelWith("dual-yolov5n", options, 1);
  const from = (file: Made & { weights: Weights }, into: Made, branch?: TaskName) =>
    applyWeights(file.weights, into.model, into.declaration, into.initial, branch);
  const detector = modelWith("detect-yolov5n", { classes: 80, views: 0 }, 2);

  it("starts both branches from one YOLOv5 file, attention and heads as initialised", () => {
    const { tensors, left } = from(detector, dual);
    const given = (name: string) => detector.initial.get(name);
    expect(tensors.get("model.9.cv2.conv.weight")).toBe(given("model.9.cv2.conv.weight"));
    expect(tensors.get("classifier.backbone.9.cv2.conv.weight")).toBe(given("model.9.cv2.conv.weight"));
    expect(tensors.get("classifier.backbone.3.bn.running_var")).toBe(given("model.3.bn.running_var"));
    expect(left.every((text) => /^(model\.24|classifier\.(conv|linear)|.*\.attention\.)/.test(text))).toBe(
      true,
    );
    expect(left.filter((text) => text.includes(".attention."))).toHaveLength(16);
  });

  it("leaves a branch whole that the file does not fit, and says so", () => {
    const other = modelWith("dual-yolov5n", { ...options, classifierBackbone: "yolov5s" }, 1);
    const { tensors, left } = from(detector, other);
    expect(tensors.get("model.0.conv.weight")).toBe(detector.initial.get("model.0.conv.weight"));
    expect(tensors.get("classifier.backbone.0.conv.weight")).toBe(
      other.initial.get("classifier.backbone.0.conv.weight"),
    );
    expect(left.at(-1)).toBe(
      "the whole classification branch, classifier.backbone.0.conv.weight ([16, 3, 6, 6] in the file, [32, 3, 6, 6] here)",
    );
  });

  it("takes one branch alone from a file, and refuses a file that does not fit it", () => {
    const { tensors } = from(detector, dual, "classification");
    expect(tensors.get("model.0.conv.weight")).toBe(dual.initial.get("model.0.conv.weight"));
    expect(tensors.get("classifier.backbone.0.conv.weight")).toBe(
      detector.initial.get("model.0.conv.weight"),
    );
    const resnet = modelWith("dual-yolov5n", { ...options, classifierBackbone: "resnet18" }, 1);
    expect(refusal(() => from(detector, resnet, "classification"))).toContain(
      "classifier.backbone.conv1.weight (not in the file)",
    );
  });

  it("takes a ResNet under torchvision's names", () => {
    const resnet = modelWith("dual-yolov5n", { ...options, classifierBackbone: "resnet18" }, 1);
    const prefix = "classifier.backbone.";
    const plain = [...modelWith("dual-yolov5n", { ...options, classifierBackbone: "resnet18" }, 2).initial]
      .filter(([name]) => name.startsWith(prefix) && !name.includes(".attention."))
      .map(([name, tensor]): [string, HostTensor] => [name.slice(prefix.length), tensor]);
    const file = { ...resnet, weights: { ...resnet.weights, tensors: new Map(plain) } };
    const { loaded, tensors } = from(file, resnet, "classification");
    expect(loaded).toBe(plain.length);
    expect(tensors.get(`${prefix}layer4.1.bn2.running_mean`)).toBe(
      new Map(plain).get("layer4.1.bn2.running_mean"),
    );
  });
});

describe("readWeights", () => {
  const plain = join(folder, "plain.safetensors");
  writeFileSync(plain, encodeSafetensors(joint.initial, { format: "pt" }));

  it("of another program's safetensors gives tensors alone", () => {
    const { tensors, ...rest } = readWeights(plain);
    expect(rest).toEqual({ path: plain, model: null, names: null, views: null });
    expect(tensors.size).toBe(joint.initial.size);
  });

  it("of a checkpoint gives its model, classes and views", () => {
    const path = join(folder, "last.safetensors");
    const names = ["AR", "MR", "PR", "TR"];
    const views = ["A4C", "PSAX", "PLAX"];
    const config = resolveTrainConfig({ data: "data.yaml", model: "joint-yolov5n", size: "96x64" }, "test");
    writeCheckpoint(path, joint.initial, {
      echoduet: "0.1.0",
      model: "joint-yolov5n",
      names,
      views,
      epoch: 1,
      step: 1,
      config,
      trainedOn: null,
      metrics: {},
      logs: { events: 0, metrics: 0 },
      state: {},
    });
    expect(readWeights(path)).toMatchObject({ path, model: "joint-yolov5n", names, views });
    expect(readWeights(folder)).toMatchObject({ path });
    const { model, metadata } = openTrainedModel(path, ["ignored"]);
    expect(model).toMatchObject({ name: "joint-yolov5n", classes: 4, views: 3 });
    expect(metadata?.config.size).toEqual({ width: 96, height: 64 });
  });

  it("of a YOLOv5 file tells size and classes by the tensors, and names by who asks", () => {
    for (const [size, classes] of [
      ["n", 4],
      ["s", 1],
    ] as const) {
      const path = join(folder, `${size}.safetensors`);
      const { initial } = modelWith(`detect-yolov5${size}`, { classes, views: 0 }, 1);
      writeFileSync(path, encodeSafetensors(initial, {}));
      const { model, names, views } = openTrainedModel(path);
      expect(model).toMatchObject({ name: `detect-yolov5${size}`, classes, views: 0 });
      expect(names).toEqual(Array.from({ length: classes }, (_, i) => `class${i}`));
      expect(views).toEqual([]);
    }
    const named = join(folder, "n.safetensors");
    expect(openTrainedModel(named, ["a", "b", "c", "d"]).names).toEqual(["a", "b", "c", "d"]);
    expect(openTrainedModel(named, ["a"]).names).toHaveLength(4);
  });

  it("of no network that is known says what was looked for", () => {
    const path = join(folder, "other.safetensors");
    const write = (tensors: [string, HostTensor][]) =>
      writeFileSync(path, encodeSafetensors(new Map(tensors), {}));
    write([["w", fromNumbers("float32", [1], [0])]]);
    expect(refusal(() => openTrainedModel(path))).toMatch(
      /^.*other\.safetensors: expected YOLOv5's tensors \(model\.0\.conv\.weight .*got none of that name$/,
    );
    write([["model.0.conv.weight", joint.initial.get("model.0.conv.weight")!]]);
    expect(refusal(() => openTrainedModel(path))).toMatch(
      /expected a YOLOv5 head model\.24\.m\.0\.weight .*got none$/,
    );
  });
});
