import { describe, expect, it } from "vitest";
import { type Contrast, contrastsWith } from "../../src/experiments/compare/contrasts.js";
import type { Cost } from "../../src/experiments/compare/cost.js";
import { deltaMOf } from "../../src/experiments/compare/delta-m.js";
import { groupDesigns } from "../../src/experiments/compare/designs.js";
import { notesOf, noteText } from "../../src/experiments/compare/notes.js";
import { endpoints } from "../../src/experiments/compare/pool.js";
import { practicalityOf, sensitivities } from "../../src/experiments/compare/practicality.js";
import {
  bestOf,
  type Candidate,
  eligible,
  isOnFront,
  recommend,
} from "../../src/experiments/compare/recommend.js";
import { estimatesOf, type Scores, scoreDesigns } from "../../src/experiments/compare/scoring.js";
import { judgeTargets } from "../../src/experiments/compare/targets.js";
import { type MadeUpRun, madeUpPredictions, madeUpRun } from "../support/made-up-predictions.js";

const options = {
  store: madeUpPredictions,
  resamples: 100,
  seed: 0,
  validation: null,
  onProgress: () => {},
};
const score = (runs: readonly MadeUpRun[], validation: Scores | null = null, split: "val" | "test" = "val") =>
  scoreDesigns(validation?.designs.map(({ design }) => design) ?? groupDesigns(runs), split, {
    ...options,
    validation,
  });
const weights = (classification: number) => ({ taskWeights: { detection: 1, classification } });

function costOf(flops: number): Cost {
  return {
    parameters: 1e6,
    flops,
    size: { width: 320, height: 320 },
    stepSeconds: null,
    epochSeconds: null,
    memoryBytes: null,
    latencyMs: null,
    networks: 1,
    operators: ["Conv"],
  };
}

/** Candidates of rising cost. */
function candidatesOf({ designs }: Scores, flops = designs.map((_, i) => 1e9 * (i + 1))): Candidate[] {
  const all = designs.map(({ design }, i) => ({ design, cost: costOf(flops[i]) }));
  return designs.map((scored, i) => ({
    scored,
    cost: all[i].cost,
    practicality: practicalityOf(scored, all[i].cost, all),
  }));
}

function testsOf(candidates: readonly Candidate[]): Contrast[] {
  const scored = candidates.map((each) => each.scored);
  return contrastsWith(bestOf(candidates).scored, scored, endpoints, { seed: 0 });
}

describe("designs", () => {
  it("are configurations whatever the seed, the data and the place, named by what differs", () => {
    const runs = [
      madeUpRun("a", { options: { ...weights(0.01), threads: 1 } }),
      madeUpRun("b", { seed: 1, data: "other.yaml", options: { ...weights(0.01), threads: 2, out: "x" } }),
      madeUpRun("c", { options: { model: "detect-yolov5n", lr0: 0.01 } }),
    ];
    const designs = groupDesigns(runs);
    expect(designs.map(({ name }) => name)).toEqual(["joint-yolov5n taskWeights=1,0.01", "detect-yolov5n"]);
    expect(designs[0].runs.map(({ name }) => name)).toEqual(["a", "b"]);
  });
});

describe("pooling", () => {
  it("gives folds together the numbers of one run on all frames", async () => {
    const whole = await score([madeUpRun("whole")]);
    const folds = await score([
      madeUpRun("fold1", { patients: [0, 1, 2, 3, 4] }),
      madeUpRun("fold2", { patients: [5, 6, 7, 8, 9, 10, 11], data: "fold2.yaml" }),
    ]);
    expect(folds.designs[0].value).toEqual(whole.designs[0].value);
    expect(folds.designs[0].samples).toEqual(whole.designs[0].samples);
    expect(folds.designs[0].seeds[0].folds).toHaveLength(2);
    expect(folds.frames).toBe(72);
  });

  it("leaves out a seed without all its folds, and failed runs", async () => {
    const scores = await score([
      madeUpRun("whole"),
      madeUpRun("half", { seed: 1, patients: [0, 1, 2] }),
      madeUpRun("lost", { seed: 2, state: "failed", failure: "diverged" }),
    ]);
    const [scored] = scores.designs;
    expect(scored.seeds.map(({ seed }) => seed)).toEqual([0]);
    expect(scored.incompleteSeeds).toEqual([1, 2]);
    const { runs, failures } = practicalityOf(scored, null, []);
    expect(runs).toEqual({ finished: 2, failed: 1, unfinished: 0 });
    expect(failures).toEqual([{ run: "lost", message: "diverged" }]);
  });

  it("says in one line which designs lack the same seeds", async () => {
    const half = (name: string, weight: number) =>
      madeUpRun(name, { seed: 1, patients: [0, 1, 2], options: weights(weight) });
    const scores = await score([madeUpRun("whole"), half("b", 0.1), half("c", 0.01)]);
    const lacking = notesOf(scores, []).filter(({ kind }) => kind === "incompleteSeeds");
    expect(lacking.map(noteText)).toEqual([
      "joint-yolov5n taskWeights=1,0.1, joint-yolov5n taskWeights=1,0.01: seeds 1 left out, since runs of theirs are missing",
    ]);
  });

  it("refuses a frame in two folds of a seed", async () => {
    await expect(score([madeUpRun("a"), madeUpRun("b", { data: "other.yaml" })])).rejects.toThrow(
      "joint-yolov5n, seed 0: expected each frame in one fold, got p0f0.jpg in two runs; leave one of them out",
    );
  });

  it("brackets the value, and takes test confidences from the validation", async () => {
    const runs = [madeUpRun("a")];
    const scores = await score(runs);
    const { map50, chosenF1 } = estimatesOf(scores.designs[0]);
    expect(map50?.interval?.low).toBeLessThan(map50?.value ?? 0);
    expect(map50?.interval?.high).toBeGreaterThan(map50?.value ?? 1);
    expect(chosenF1).toBeUndefined();
    const tested = await score(runs, scores, "test");
    const [seed] = tested.designs[0].seeds;
    expect(seed.confidence).toBe(scores.designs[0].seeds[0].pool.bestConfidence());
    expect(tested.designs[0].value.chosenF1).toBeLessThanOrEqual(tested.designs[0].value.f1 ?? 0);
  });
});

describe("tests against the best", () => {
  const runsOf = (quality: number, detection: number, seeds = [0, 1, 2]) =>
    seeds.map((seed) =>
      madeUpRun(`${detection}-${seed}`, {
        seed,
        quality: { detection, views: quality },
        options: weights(detection),
      }),
    );

  it("tell a much worse design apart, after correction, with effect and interval", async () => {
    const contrasts = testsOf(candidatesOf(await score([...runsOf(0.8, 0.9), ...runsOf(0.8, 0.3)])));
    expect(contrasts.map(({ endpoint }) => endpoint)).toEqual(["map50", "balancedAccuracy"]);
    const [detection, views] = contrasts;
    expect(detection.difference).toBeLessThan(-0.3);
    expect(detection.interval?.high).toBeLessThan(0);
    expect(detection.patients).toMatchObject({ n: 12, exact: false });
    expect(detection.patients.adjustedP).toBe(2 * detection.patients.p);
    expect(detection.verdict).toBe("worse");
    expect(detection.seedTest).toMatchObject({ p: 0.25, leastP: 0.25 });
    expect(detection.seedTest?.differences).toHaveLength(3);
    // The same predictions of the views: no difference at all.
    expect(views).toMatchObject({ difference: 0, detectable: 0, verdict: "not told apart" });
    expect(views.patients.p).toBe(1);
  });

  it("change sign with the sides, and nothing else", async () => {
    const { designs } = await score([...runsOf(0.8, 0.9), ...runsOf(0.6, 0.6)]);
    const [one] = contrastsWith(designs[0], designs, ["map50"], { seed: 0 });
    const [other] = contrastsWith(designs[1], designs, ["map50"], { seed: 0 });
    expect(other.difference).toBeCloseTo(-one.difference, 12);
    expect(other.patients.p).toBe(one.patients.p);
  });

  it("pair common seeds, and compare nothing without one", async () => {
    const { designs } = await score([...runsOf(0.8, 0.9), ...runsOf(0.8, 0.5, [2, 3])]);
    expect(contrastsWith(designs[0], designs, ["map50"], { seed: 0 })[0].seeds).toEqual([2]);
    const apart = await score([...runsOf(0.8, 0.9, [0]), ...runsOf(0.8, 0.5, [1])]);
    expect(contrastsWith(apart.designs[0], apart.designs, ["map50"], { seed: 0 })).toEqual([]);
  });
});

describe("the recommendation", () => {
  const runsOf = (name: string, classification: number, detection: number, patients?: number[]) => [
    madeUpRun(name, {
      quality: { detection, views: 0.8 },
      options: weights(classification),
      ...(patients ? { patients } : {}),
    }),
  ];

  it("is the cheapest design that is not told apart from the best", async () => {
    const candidates = candidatesOf(
      await score([...runsOf("bad", 1, 0.2), ...runsOf("cheap", 2, 0.85), ...runsOf("best", 3, 0.9)]),
    );
    const found = recommend(candidates, testsOf(candidates));
    expect(found?.best).toContain("taskWeights=1,3");
    expect(found?.design).toContain("taskWeights=1,2");
    expect(found?.remaining).toHaveLength(2);
    expect(found?.reasons.join(" ")).toContain("not told apart, which is not the same as equal");
    expect(found?.wouldChange.join(" ")).toContain(
      "Where cost does not matter: joint-yolov5n taskWeights=1,3",
    );
    expect(candidates.map((each) => isOnFront(each, candidates))).toEqual([true, true, true]);
    const dear = candidatesOf(
      { ...(await score([...runsOf("bad", 1, 0.2), ...runsOf("best", 3, 0.9)])) },
      [2e9, 1e9],
    );
    expect(dear.map((each) => isOnFront(each, dear))).toEqual([false, true]);
  });

  it("says that cost alone decides where so few patients cannot exclude anything", async () => {
    const few = [0, 1, 2, 3];
    const candidates = candidatesOf(
      await score([...runsOf("bad", 1, 0.2, few), ...runsOf("best", 3, 0.9, few)]),
    );
    const found = recommend(candidates, testsOf(candidates));
    expect(found?.design).toBe("joint-yolov5n");
    expect(found?.wouldChange[0]).toMatch(
      /^With 4 patients the test cannot give less than p = 0\.13, .+ cost alone decided/,
    );
  });

  it("is never a design behind one that costs no more, however few the patients", async () => {
    const few = [0, 1, 2, 3];
    const candidates = candidatesOf(
      await score([
        ...runsOf("bad", 1, 0.2, few),
        ...runsOf("good", 2, 0.8, few),
        ...runsOf("best", 3, 0.9, few),
      ]),
      [1e9, 1e9, 2e9],
    );
    const found = recommend(candidates, testsOf(candidates));
    expect(found?.design).toContain("taskWeights=1,2");
    expect(found?.remaining).toHaveLength(2);
    expect(found?.reasons.at(-1)).toMatch(/behind one that costs no more.+: joint-yolov5n\.$/);
  });

  it("passes over the single-task controls, and is null without a design of every task", async () => {
    const single = [
      madeUpRun("d", { options: { model: "detect-yolov5n" } }),
      madeUpRun("c", { options: { model: "classify-yolov5n" } }),
    ];
    const scores = await score([...single, ...runsOf("joint", 1, 0.5)]);
    expect(eligible(candidatesOf(scores)).map(({ scored }) => scored.design.name)).toEqual(["joint-yolov5n"]);
    expect(recommend(eligible(candidatesOf(await score(single))), [])).toBeNull();
  });
});

describe("against controls and targets", () => {
  it("Δm is the mean relative change against each task's own control", async () => {
    const { designs } = await score([
      madeUpRun("joint", { quality: { detection: 0.5, views: 0.9 } }),
      madeUpRun("d", { options: { model: "detect-yolov5n" }, quality: { detection: 0.8, views: 0 } }),
      madeUpRun("c", { options: { model: "classify-yolov5n" }, quality: { detection: 0, views: 0.6 } }),
    ]);
    const [joint, detect, classify] = designs.map(({ value }) => value);
    const change = (own: number | null, control: number | null) => (own! - control!) / control!;
    const expected =
      (change(joint.map50, detect.map50) + change(joint.balancedAccuracy, classify.balancedAccuracy)) / 2;
    const deltaM = deltaMOf(designs[0], designs);
    expect(deltaM?.value).toBeCloseTo(expected, 12);
    expect(deltaM?.controls).toEqual(["detect-yolov5n", "classify-yolov5n"]);
    expect(deltaMOf(designs[1], designs)).toBeNull();
    expect(deltaMOf(designs[0], designs.slice(0, 2))).toBeNull();
  });

  it("targets are certain where the whole interval agrees", () => {
    const results = judgeTargets({
      map50: { value: 0.65, interval: { low: 0.61, high: 0.7 } },
      precision: { value: 0.9, interval: null },
      chosenPrecision: { value: 0.6, interval: { low: 0.5, high: 0.69 } },
      f1: { value: 0.6, interval: { low: 0.5, high: 0.7 } },
    });
    expect(results.map(({ name, passed, certain }) => [name, passed, certain])).toEqual([
      ["map50", true, true],
      ["precision", false, true],
      ["f1", true, false],
    ]);
  });

  it("sensitivity is the range over designs that differ in that option alone", async () => {
    const gradnorm = (alpha: number) => ({ balancer: "gradnorm", alpha });
    const { designs } = await score([
      madeUpRun("a", { options: gradnorm(0.5), quality: { detection: 0.5, views: 0.7 } }),
      madeUpRun("b", { options: gradnorm(1.5), quality: { detection: 0.9, views: 0.7 } }),
      madeUpRun("c", { options: { ...gradnorm(1.5), lr0: 0.02 } }),
    ]);
    const [alpha, ...others] = sensitivities(designs);
    expect(others).toEqual([]);
    expect(alpha).toMatchObject({ option: "alpha", range: { balancedAccuracy: 0 } });
    expect(alpha.points.map(({ value }) => value)).toEqual(["0.5", "1.5"]);
    expect(alpha.range.map50).toBeCloseTo(designs[1].value.map50! - designs[0].value.map50!, 12);
  });
});
