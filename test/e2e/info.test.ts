import { describe, expect, it } from "vitest";
import type { DesignComparison } from "../../src/experiments/index.js";
import { createModel, summariseModel } from "../../src/models/index.js";
import { jsonOf, runCli, succeed, words } from "../support/cli.js";

const names = [
  ...["detection", "classification", "joint", "joint-detached", "joint-matched", "dual"],
  ...["dual-se", "dual-cbam", "dual-simam", "dual-bridge", "dual-resnet18"],
];

describe("info", () => {
  it("tells how a model was matched in FLOPs", async () => {
    const { stdout } = await succeed(words`info joint-yolov5n --match-flops dual-yolov5n --size 64`);
    expect(stdout).toMatch(/^joint-yolov5n, images 1x3x64x64\nmatched to dual-yolov5n: width 0\.25, depth /);
  });

  it.each([
    [words`info`, /info: expects a model, such as joint-yolov5n, or --compare, got neither/],
    [words`info joint-yolov5n --measure`, /--measure: expects --compare, got joint-yolov5n/],
    [words`info joint-yolov5n --compare`, /--compare: expects no model, got joint-yolov5n/],
    [words`info --compare --designs dual,duel`, /designs: expects names of detection, .*, got duel/],
  ])("refuses %j", async (args, message) => {
    const { code, stdout, stderr } = await runCli(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(message);
  });
});

describe("info --compare", () => {
  it("counts every design, and measures nothing", async () => {
    const { designs, measurement } = await jsonOf<DesignComparison>(
      words`info --compare --size 64 --batch 2`,
    );
    expect(measurement).toBeNull();
    expect(designs.map(({ name }) => name)).toEqual(names);
    const cost = Object.fromEntries(designs.map((design) => [design.name, design.cost]));
    const joint = summariseModel(createModel("joint-yolov5n", { classes: 4, views: 3 }), {
      ...{ batch: 2, height: 64, width: 64 },
    });
    expect(cost.joint).toMatchObject({ parameters: joint.parameters, forwardFlops: joint.flops });
    for (const key of ["parameters", "forwardFlops", "stepFlops", "trainingActivationBytes"] as const) {
      expect(cost.dual[key], key).toBe(cost.detection[key] + cost.classification[key]);
    }
    // Two gradients of each convolution, but none of the images.
    for (const { stepFlops, forwardFlops } of Object.values(cost)) {
      expect(stepFlops / forwardFlops).toBeGreaterThan(2.8);
      expect(stepFlops / forwardFlops).toBeLessThanOrEqual(3);
    }
    expect(cost["joint-matched"].matched).toMatch(/^matched to dual-yolov5n: /);
    expect(cost.joint.matched).toBeNull();
  });

  it("prints the table with the sum of the single tasks, and no measured column", async () => {
    const { stdout, stderr } = await succeed(words`info --compare --size 64 --designs dual,joint`);
    const rows = stdout.split("\n").map((line) => line.split(/ {2,}/));
    const at = rows.findIndex(([name]) => name === "design");
    expect(rows[at]).toEqual([
      ...["design", "parameters", "forward GFLOPs", "step GFLOPs", "train MiB", "infer MiB"],
    ]);
    const found = rows.slice(at + 1, at + 6);
    expect(found.map(([name]) => name)).toEqual([
      "detection",
      "classification",
      "sum of both",
      "joint",
      "dual",
    ]);
    expect(found[2][1]).toBe(found[4][1]);
    expect(stderr).toBe("");
  });

  it("measures steps, images and memory where asked to, each design in its own process", async () => {
    const { designs, measurement } = await jsonOf<DesignComparison>(
      words`info --compare --measure --size 64 --batch 2 --threads 1 --rounds 2 --designs dual`,
    );
    expect(measurement?.options).toMatchObject({ threads: 1, rounds: 2, batch: 2 });
    expect(measurement?.machine.cores).toBeGreaterThan(0);
    expect(designs.map(({ name }) => name)).toEqual(["detection", "classification", "dual"]);
    for (const { name, measured } of designs) {
      expect(
        measured?.stepSeconds.map((round) => round.length),
        name,
      ).toEqual([2, 2]);
      expect(
        measured?.imageSeconds.map((round) => round.length),
        name,
      ).toEqual([5, 5]);
      expect(Math.min(...(measured?.stepSeconds.flat() ?? [0])), name).toBeGreaterThan(0);
      expect(measured?.peakMemoryBytes, name).toBeGreaterThan(50 * 2 ** 20);
    }
    const [detection, classification] = designs.map(({ measured }) => measured?.stepRatios ?? []);
    for (const [round, share] of detection.entries())
      expect(share + classification[round]).toBeCloseTo(1, 12);
  }, 300_000);
});
