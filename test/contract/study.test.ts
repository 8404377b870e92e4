import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { afterAll, describe, expect, it } from "vitest";
import { balancers, resolveTrainConfig } from "../../src/config/index.js";
import { hoursOf } from "../../src/experiments/study/choose-protocol.js";
import { finalists, studyArms } from "../../src/experiments/study/arms.js";
import { protocols } from "../../src/experiments/study/protocols.js";
import { earnestConfig } from "../../src/experiments/study/recommended.js";
import { type StudyOptions, study } from "../../src/experiments/study/study.js";
import { studyFile } from "../../src/experiments/study/study-file.js";
import { planSweep } from "../../src/experiments/sweep/plan.js";
import { loadSweepFile } from "../../src/experiments/sweep/sweep-file.js";

const folder = mkdtempSync(join(tmpdir(), "echoduet-study-"));
afterAll(() => rmSync(folder, { recursive: true }));

const base = { data: "/heart/data.yaml", weights: "/yolov5n.pt", scale: "n", cores: 2, hours: 8 };

function planOf(protocol: (typeof protocols)[number]) {
  const path = join(folder, "study.yaml");
  writeFileSync(path, stringify(studyFile(base, protocol), { aliasDuplicateObjects: false }));
  const folds = Array.from({ length: protocol.folds }, (_, i) => ({
    fold: i + 1,
    data: `/fold${i + 1}.yaml`,
    reference: `fold ${i + 1}`,
  }));
  return planSweep(loadSweepFile(path), folds);
}

describe("the arms of a study", () => {
  it("are every balancer, GradNorm over alphas, starts and both rules, and each task alone", () => {
    const arms = studyArms("s", "all");
    const used = new Set(arms.map(({ settings }) => settings.balancer ?? "static"));
    expect([...used].sort()).toEqual([...balancers].sort());
    expect(arms.filter(({ family }) => family === "gradnorm")).toHaveLength(6 * 4 + 6);
    expect(arms.filter(({ family }) => family === "controls").map(({ settings }) => settings.model)).toEqual([
      "detect-yolov5s",
      "classify-yolov5s",
    ]);
    expect(new Set(arms.map(({ name }) => name)).size).toBe(arms.length);
  });

  it.each(["all", "core"] as const)("leave no family without as many as go on (%s)", (extent) => {
    const arms = studyArms("n", extent);
    for (const [family, count] of Object.entries(finalists)) {
      expect(arms.filter((arm) => arm.family === family).length, family).toBeGreaterThanOrEqual(count);
    }
    expect(arms.length).toBe(extent === "all" ? 54 : 15);
  });
});

describe("the sweep of a study", () => {
  it.each([protocols[0], protocols[protocols.length - 1]])(
    "is one that a sweep takes: $size pixels, $epochs epochs, $arms arms",
    (protocol) => {
      const plan = planOf(protocol);
      const arms = studyArms("n", protocol.arms);
      const screen = plan.runs.filter(({ stages }) => stages.includes("screen"));
      expect(screen.map(({ arm }) => arm)).toEqual(arms.map(({ name }) => name));
      expect(plan.runs).toHaveLength(arms.length * protocol.seeds * protocol.folds);
      expect(plan.base).toMatchObject({
        size: { width: protocol.size },
        epochs: protocol.epochs,
        threads: 1,
      });
    },
  );

  it("trains what is recommended in earnest, with the arm's own options", () => {
    const plan = planOf(protocols[0]);
    const run = plan.runs.find(({ arm }) => arm === "gradnorm-0.12-from-0.1");
    const config = resolveTrainConfig(earnestConfig(plan, run!), "recommended");
    expect(config).toMatchObject({
      model: "joint-yolov5n",
      balancer: "gradnorm",
      alpha: 0.12,
      taskWeights: { detection: 1, classification: 0.1 },
      size: { width: 320, height: 320 },
      threads: 0,
      optimizer: "adamw",
    });
  });
});

describe("the budget of a study", () => {
  it("is priced by steps, start-up and validation of every run, side by side", () => {
    const cost = { startSeconds: 5, stepSeconds: 1, validationSeconds: 2, imageSeconds: 0.1, peakBytes: 0 };
    const protocol = { size: 192, epochs: 10, batch: 16, seeds: 3, folds: 3, arms: "core" as const };
    // 300 frames in thirds: 100 trained on in 7 steps, 100 scored. 15 arms, and 6 that go on with 8 runs more.
    const run = 5 + 7 * 10 * 1 * 1.2 + 2 + 100 * 0.1;
    const hours = hoursOf(protocol, cost, { frames: 300, cores: 2 });
    expect(hours).toBeCloseTo(((15 + 6 * 8) * run) / 2 / 3600);
    expect(hoursOf({ ...protocol, size: 384 }, cost, { frames: 300, cores: 2 })).toBeGreaterThan(3 * hours);
  });

  it("has protocols from the costliest to the cheapest", () => {
    const cost = { startSeconds: 5, stepSeconds: 1, validationSeconds: 2, imageSeconds: 0.1, peakBytes: 0 };
    const hours = protocols.map((protocol) => hoursOf(protocol, cost, { frames: 1000, cores: 2 }));
    expect(hours).toEqual(hours.toSorted((a, b) => b - a));
  });
});

describe("the directory of a study", () => {
  const options: StudyOptions = {
    data: "data.yaml",
    out: join(folder, "out"),
    hours: 8,
    weights: null,
    scale: "n",
    cores: 1,
    dryRun: false,
    executor: {
      start: () => {
        throw new Error("nothing is to be trained");
      },
    },
    signal: new AbortController().signal,
    onMessage: () => {},
    onPrepared: () => {},
    onStatus: () => {},
  };

  it("is not taken for another study, and an interruption ends even what only measures", async () => {
    mkdirSync(options.out);
    const there = { version: 1, data: resolve("data.yaml"), weights: null, scale: "n", hours: 2, cores: 1 };
    writeFileSync(join(options.out, "study.json"), JSON.stringify(there));
    await expect(study(options)).rejects.toThrow(
      /expected the study that it holds: hours 2, got 8; .*another --out/,
    );
    const interrupted = { ...options, out: join(folder, "interrupted"), signal: AbortSignal.abort() };
    await expect(study(interrupted)).rejects.toMatchObject({ name: "AbortError" });
    writeFileSync(join(options.out, "study.json"), "{");
    await expect(study(options)).rejects.toThrow(/study\.json: expected JSON/);
  });
});
