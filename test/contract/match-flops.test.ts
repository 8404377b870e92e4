import { describe, expect, it } from "vitest";
import { resolveTrainConfig } from "../../src/config/index.js";
import { EchoDuetError } from "../../src/errors.js";
import { createModel, describeMatch, modelNames, summariseModel } from "../../src/models/index.js";
import { matchFlops } from "../../src/models/match-flops.js";
import { oneBackbone } from "../../src/models/one-backbone.js";
import { matchTargets } from "../../src/models/options.js";
import { applyWeights, declareForTraining, initialTensors } from "../../src/training/index.js";

const echo = { classes: 4, views: 3 };
const reference = { batch: 1, height: 320, width: 320 };
const flopsOf = (model: ReturnType<typeof createModel>) => summariseModel(model, reference).flops;
const joint = createModel("joint-yolov5n", { ...echo, matchFlops: "dual-yolov5n" });

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(EchoDuetError);
    expect((error as EchoDuetError).code).toBe("config");
    return (error as Error).message;
  }
  throw new Error("expected an error, got none");
}

describe("a model matched in FLOPs", () => {
  it.each([
    ["joint-yolov5n", "dual-yolov5n", { width: 0.25, depth: 1.09, neckDepth: 0.33 }],
    ["joint-yolov5s", "dual-yolov5s", { width: 0.5, depth: 0.42, neckDepth: 0.33 }],
    ["detect-yolov5n", "dual-yolov5n", { width: 0.25, depth: 1.42, neckDepth: 0.33 }],
    ["classify-yolov5n", "dual-yolov5n", { width: 0.25, depth: 1.09, neckDepth: 0.33 }],
    ["joint-yolov5s", "dual-yolov5n", { width: 34 / 128, depth: 0.5, neckDepth: 0.33 }],
  ] as const)("%s to %s has multiples of its own", (name, target, scaling) => {
    const { matched, ...model } = createModel(name, { ...echo, matchFlops: target });
    expect(matched?.scaling).toEqual(scaling);
    const [own, wanted] = [flopsOf(model), flopsOf(createModel(target, echo))];
    expect(matched).toMatchObject({ target, flops: own, targetFlops: wanted });
    expect(matched?.relativeError).toBeCloseTo(own / wanted - 1, 12);
    expect(Math.abs(own / wanted - 1)).toBeLessThan(0.02);
  });

  it("keeps name, tasks and shared layer, and takes the dual model's own options for nothing", () => {
    const plain = createModel("joint-yolov5n", echo);
    expect(plain.matched).toBeUndefined();
    expect([joint.name, joint.tasks, joint.sharedLayer]).toEqual([
      plain.name,
      plain.tasks,
      plain.sharedLayer,
    ]);
    const options = { ...echo, matchFlops: "dual-yolov5n", attention: "se" } as const;
    expect(refusal(() => createModel("joint-yolov5n", options))).toMatch(/^attention: expects a model with/);
  });

  it("says what was chosen", () => {
    expect(describeMatch(joint.matched!)).toMatch(
      /^matched to dual-yolov5n: width 0\.25, depth of the backbone 1\.09, of the neck 0\.33; 1\.\d{3} GFLOPs against 1\.\d{3} \(\+0\.\d\d %\)/,
    );
  });

  it("starts from the weights of the network that its name says; only added repeats lack them", () => {
    const declaration = declareForTraining(joint);
    const initial = initialTensors(declaration.parameters, declaration.buffers, 1);
    const named = declareForTraining(createModel("joint-yolov5n", echo));
    const tensors = initialTensors(named.parameters, named.buffers, 2);
    const weights = { path: "some.pt", tensors, model: null, names: null, views: null };
    const loaded = applyWeights(weights, joint, declaration, initial);
    expect(loaded.loaded).toBe(tensors.size);
    for (const [name, tensor] of tensors) expect(loaded.tensors.get(name), name).toBe(tensor);
    // Repeats 3, 7, 10 and 3 in place of 1, 2, 3 and 1: sixteen of two convolutions with their normalisation.
    expect(loaded.left).toHaveLength(16 * 2 * 5);
    for (const text of loaded.left) {
      expect(text).toMatch(/^model\.[2468]\.m\.\d+\.cv[12]\..* \(not in the file\)$/);
    }
  });
});

describe("matching FLOPs refuses", () => {
  it("a model with two backbones", () => {
    expect(refusal(() => createModel("dual-yolov5n", { ...echo, matchFlops: "dual-yolov5s" }))).toBe(
      "matchFlops: expects a model with one backbone, such as joint-yolov5n, got dual-yolov5s for dual-yolov5n; leave it out",
    );
  });

  it("a target that is no dual model", () => {
    const input = { data: "data.yaml", model: "joint-yolov5n", matchFlops: "joint-yolov5s" };
    expect(refusal(() => resolveTrainConfig(input, "test"))).toMatch(/matchFlops: .*got "joint-yolov5s"/);
    expect(matchTargets).toEqual(modelNames.filter((name) => name.startsWith("dual-")));
  });

  it("a target that it has no views for", () => {
    const options = { classes: 4, views: 0, matchFlops: "dual-yolov5n" } as const;
    expect(refusal(() => createModel("detect-yolov5n", options))).toMatch(/dual-yolov5n: needs `views`/);
  });

  it("a target that no multiples come near to", () => {
    const own = { width: 0.25, depth: 0.33 };
    const build = (scaling: typeof own, classes = 4) =>
      oneBackbone("joint", ["detection", "classification"], scaling, { classes, views: 3 });
    const target = { ...build({ width: 1 / 128, depth: 0.33 }), name: "tiny" };
    const large = (scaling: typeof own) => build(scaling, 1000);
    expect(refusal(() => matchFlops({ build: large, own, target }))).toMatch(
      /^matchFlops: expects multiples within 2 % of tiny's FLOPs, got \d+\.\d % at best \(width 0\.0078125, depth /,
    );
  });
});
