import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ConfigValues, resolveStagedConfig } from "../../src/config/index.js";
import { loadDataDescription, type DataDescription } from "../../src/data/index.js";
import { checkStages, stageRuns } from "../../src/training/stage-plan.js";
import { temporaryFolder, tinyData } from "../support/cli.js";
import { hasReference, referencePath } from "../support/read-safetensors.js";

const { folder, remove } = temporaryFolder("stage-plan");
afterAll(remove);
let description: DataDescription;
beforeAll(async () => {
  description = loadDataDescription(await tinyData(folder));
});

const configOf = (stages: ConfigValues[], others: ConfigValues = {}) =>
  resolveStagedConfig(
    { data: description.file, model: "dual-yolov5n", out: "runs/x", size: 64, ...others, stages },
    "test",
  );
const startsOf = (stages: ConfigValues[], others: ConfigValues = {}) =>
  stageRuns(configOf(stages, others), description).map(
    ({ out, weights, detectionWeights, classificationWeights }) => ({
      out,
      weights,
      detectionWeights,
      classificationWeights,
    }),
  );
const alone = [
  { name: "detection", branch: "detection" },
  { name: "classification", branch: "classification" },
];
const start = (weights: string | null, detection: string | null, classification: string | null) => ({
  weights,
  detectionWeights: detection,
  classificationWeights: classification,
});

describe("what a stage starts from", () => {
  it("is for each branch the last weights of the latest earlier stage that held it", () => {
    const last = (stage: string) => `runs/x/${stage}/last.safetensors`;
    const again = { name: "detection-again", branch: "detection" };
    const runs = startsOf([...alone, { name: "joint" }, again, { name: "heads", freeze: "backbone" }], {
      weights: "first.pt",
    });
    expect(runs).toEqual([
      { out: "runs/x/1-detection", ...start("first.pt", null, null) },
      { out: "runs/x/2-classification", ...start("first.pt", null, null) },
      { out: "runs/x/3-joint", ...start(null, last("1-detection"), last("2-classification")) },
      { out: "runs/x/4-detection-again", ...start(null, last("3-joint"), null) },
      { out: "runs/x/5-heads", ...start(null, last("4-detection-again"), last("3-joint")) },
    ]);
  });

  it("is a branch's own file, where no earlier stage held the branch", () => {
    const own = { weights: "all.pt", detectionWeights: "d.pt", classificationWeights: "c.pt" };
    expect(startsOf([alone[0], { name: "joint" }, { name: "heads" }], own)).toMatchObject([
      start("all.pt", "d.pt", null),
      start("all.pt", "runs/x/1-detection/last.safetensors", "c.pt"),
      start(null, "runs/x/2-joint/last.safetensors", "runs/x/2-joint/last.safetensors"),
    ]);
  });

  it("is the whole of the stage before, where tasks share a backbone", () => {
    const runs = startsOf([{ name: "all" }, { name: "heads", freeze: "backbone" }], {
      model: "joint-yolov5n",
    });
    expect(runs).toMatchObject([start(null, null, null), start("runs/x/1-all/last.safetensors", null, null)]);
  });
});

describe("stages are checked before any is trained", () => {
  const check = (stages: ConfigValues[], others: ConfigValues = {}) =>
    checkStages(configOf(stages, others), description);

  it("and pass where each can be built and starts from what fits it", () => {
    const bridged = { name: "joint", bridge: "stop-gradient", attention: "se" };
    check([...alone, bridged, { name: "heads", freeze: "backbone" }]);
    check([{ name: "all" }, { name: "balanced", balancer: "gradnorm" }], { model: "joint-yolov5n" });
    expect(existsSync("runs/x")).toBe(false);
  });

  it("with every stage's problem named by its path", () => {
    const stages = [
      ...alone,
      { name: "nothing", freeze: "all" },
      { name: "shared", balancer: "gradnorm" },
      { name: "half", branch: "classification", bridge: "stop-gradient" },
      { name: "resnet", classifierBackbone: "resnet18" },
    ];
    expect(() => check(stages)).toThrow(
      new RegExp(
        [
          "^stages\\.2: freeze: expects parameters left to train.*",
          "stages\\.3: gradnorm: expects a layer that all tasks share.*",
          "stages\\.4: bridge: stop-gradient expects both branches, got branch classification.*",
          "stages\\.5: runs/x/4-shared/last\\.safetensors: does not fit dual-yolov5n: classifier\\.backbone\\.conv1.*$",
        ].join("\n"),
      ),
    );
  });

  it("with the weights of the whole", () => {
    expect(() => check(alone, { weights: "missing.pt" })).toThrow(
      /^stages\.0: missing\.pt: cannot be read.*\nstages\.1: missing\.pt/,
    );
    expect(() => check([{ name: "a" }], { model: "joint-yolov5n", detectionWeights: "d.pt" })).toThrow(
      /^detectionWeights: expects a model with a detection branch, such as dual-yolov5n, got joint-yolov5n/,
    );
    expect(() => check([{ name: "a" }], { model: "dual-yolov9n" })).toThrow(
      /^stages\.0: model: expects one of/,
    );
    expect(() => check([{ name: "a" }], { device: "coreml" })).toThrow(/coreml/);
  });

  it.skipIf(!hasReference("yolov5n.pt"))("for weights that fit one branch alone", () => {
    const weights = referencePath("yolov5n.pt");
    const resnet = { classifierBackbone: "resnet18" };
    expect(() => check([...alone, { name: "joint" }], { weights, ...resnet })).toThrow(
      /^stages\.1: .*yolov5n\.pt: does not fit dual-yolov5n/,
    );
    check([...alone, { name: "joint" }], { detectionWeights: weights, ...resnet });
  });
});
