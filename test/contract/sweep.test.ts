import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { resolveTrainConfig } from "../../src/config/index.js";
import { decide, scoreOf } from "../../src/experiments/sweep/decide.js";
import { estimate, type RunCost, secondsOf } from "../../src/experiments/sweep/estimate.js";
import { Journal, readJournal } from "../../src/experiments/sweep/journal.js";
import { openSweep, recordTestOpened, testOpened } from "../../src/experiments/sweep/index.js";
import { configOf, planSweep, type SweepPlan } from "../../src/experiments/sweep/plan.js";
import { type RunFacts, readRunFacts, RunWatch } from "../../src/experiments/sweep/run-facts.js";
import { shapeOf } from "../../src/experiments/sweep/cost.js";
import { claimSweep } from "../../src/experiments/sweep/sweep-directory.js";
import { loadSweepFile } from "../../src/experiments/sweep/sweep-file.js";
import { temporaryFolder } from "../support/cli.js";

const { folder, remove } = temporaryFolder("sweep-contract");
afterAll(remove);

let files = 0;
function fileOf(yaml: string): string {
  const path = join(folder, `sweep-${++files}.yaml`);
  writeFileSync(path, yaml);
  return path;
}

const head = "name: s\nbase: {data: d.yaml, model: joint-yolov5n, epochs: 8}\n";
const noFolds = [{ fold: null, data: "/d.yaml", reference: "d.yaml" }];
const planOf = (yaml: string): SweepPlan => planSweep(loadSweepFile(fileOf(`${head}${yaml}`)), noFolds);

describe("a sweep's file", () => {
  const errorOf = (yaml: string): string => {
    try {
      planSweep(loadSweepFile(fileOf(yaml)), noFolds);
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  };

  it.each([
    ["name: s\nbase: {model: joint-yolov5n}\n", /sweep-\d+\.yaml: base: data is required/],
    ["name: a/b\nbase: {}\n", /name: expected a name of letters/],
    [`${head}grids: {}\n`, /grids: unknown option; did you mean grid\?/],
    [`${head}grid: {alhpa: [1]}\n`, /grid\.alhpa\.0: alhpa: unknown option; did you mean alpha\?/],
    [`${head}grid: {alpha: [1, -2]}\n`, /grid\.alpha\.1: alpha: .*got -2/],
    [
      `${head}grid: {optim.classification.lr0: [x]}\n`,
      /optim\.classification\.lr0: expected number, got "x"/,
    ],
    [`${head}grid: {seed: [1]}\n`, /grid\.seed: expected no such option here; list it under seeds/],
    [
      `${head}arms: {a: {out: x}, b: {data: y}}\n`,
      /arms\.a\.out: .*directory\n.*arms\.b\.data: .*under folds/,
    ],
    [`${head}random: {samples: 2, options: {alpha: {uniform: [2, 1]}}}\n`, /random\.options\.alpha\.uniform/],
    [`${head}random: {samples: 2, options: {alpha: {}}}\n`, /exactly one of uniform, logUniform and choice/],
    [`${head}seeds: [1, 1]\n`, /seeds: expected each value once/],
    [`${head}folds: {count: 2}\n`, /folds/],
    [`${head}budget: {memory: much}\n`, /budget\.memory: expected a number of bytes/],
    [`${head}metric: loss\n`, /metric/],
    [
      `${head}arms: {a: {alpha: 1}, b: {alpha: 2}}\nfamilies: {x: [a, c], y: [a]}\n`,
      /expected names of arms, got c\n.*got a in two\n.*got none for b/,
    ],
    [
      `${head}arms: {a: {alpha: 1}}\nfamilies: {x: [a]}\nstages: [{name: s, keep: {y: 1}}, {name: t}]\n`,
      /stages\.0\.keep: expected families \(x\), got y\n.*got none for x/,
    ],
    [
      `${head}arms: {a: {alpha: 1}}\nfamilies: {x: [a]}\nstages: [{name: s, keep: {x: 0}}, {name: t}]\n`,
      /stages\.0\.keep: expected an arm to go on, got 0 for each family/,
    ],
    [`${head}stages: [{name: a}, {name: b}]\n`, /stages\.0\.keep: is required before another stage/],
    [`${head}stages: [{name: a, keep: 1}]\n`, /stages\.0\.keep: expected none in the last stage/],
    [`${head}stages: [{name: a, seeds: [3]}]\n`, /stages\.0\.seeds: expected some of 0, got 3/],
    [`${head}stages: [{name: a, folds: [1]}]\n`, /stages\.0\.folds: expected at most 0, got 1/],
    [`${head}halving: {at: [8]}\n`, /halving\.at\.0: expected less than the 8 epochs, got 8/],
    [`${head}halving: {at: [4, 2]}\n`, /halving\.at: expected ascending epochs/],
    [`${head}arms: {a: {alpha: 1}, b: {alpha: 1}}\n`, /the same configuration as a and as b/],
    [`${head}grid: {alpha: [1]}\nexclude: [{alpha: 1}]\n`, /exclude: expected arms to be left, got none/],
    [
      `${head}grid: {epochs: [4, 5]}\nstages: [{name: a, epochs: 2}]\n`,
      /arms that differ in every stage.*leave epochs and fraction to the stages/,
    ],
  ])("%s is refused with the path of each mistake", (yaml, message) => {
    expect(errorOf(yaml)).toMatch(message);
  });

  it("may have dotted and nested options, and arms, a grid and samples together", () => {
    const { runs } = planOf(
      "arms: {one: {optim: {detection: {lr0: 0.02}}}, two: {ema.decay: 0.5}}\ngrid: {alpha: [0.5, 1]}\n" +
        "random: {samples: 3, options: {tap: {choice: [p4]}}}\nexclude: [{alpha: 1, ema.decay: 0.5}]\n",
    );
    // The three samples are alike, and one arm.
    expect(runs.map(({ arm, settings }) => [arm, settings])).toEqual([
      ["one,alpha=0.5,tap=p4", { alpha: 0.5, "optim.detection.lr0": 0.02, tap: "p4" }],
      ["one,alpha=1,tap=p4", { alpha: 1, "optim.detection.lr0": 0.02, tap: "p4" }],
      ["two,alpha=0.5,tap=p4", { alpha: 0.5, "ema.decay": 0.5, tap: "p4" }],
    ]);
  });
});

describe("a plan", () => {
  it("gives each run its configuration: base, settings, seed, data, epochs and fraction", () => {
    const plan = planOf("grid: {taskWeights: [[1, 0.5]], threads: [0, 3]}\nseeds: [7]\n");
    const [one, three] = plan.runs.map((run) => configOf(plan.base, run, "out"));
    expect(one).toMatchObject({ seed: 7, data: "/d.yaml", out: "out", epochs: 8, threads: 1 });
    expect(one.taskWeights).toEqual({ detection: 1, classification: 0.5 });
    expect(three.threads).toBe(3);
    expect(plan.runs.map(({ name }) => name)).toEqual([
      "taskWeights=1-0.5,threads=0,seed=7",
      "taskWeights=1-0.5,threads=3,seed=7",
    ]);
  });

  it("shares a run between stages that ask for the same", () => {
    const { runs } = planOf(
      "grid: {alpha: [1, 2]}\nseeds: [0, 1]\nstages: [{name: a, seeds: [0], keep: 1}, {name: b}]\n",
    );
    expect(runs.map(({ name, stages }) => `${name} ${stages.join("+")}`)).toEqual([
      "a,alpha=1,seed=0 a+b",
      "a,alpha=2,seed=0 a+b",
      "b,alpha=1,seed=1 b",
      "b,alpha=2,seed=1 b",
    ]);
  });

  it("has ids that do not depend on the folder that it is made in", () => {
    const yaml = `${head}grid: {alpha: [1, 2]}\n`;
    const file = loadSweepFile(fileOf(yaml.replace("d.yaml", "d.yaml, weights: w.pt")));
    const ids = (data: string) =>
      planSweep(file, [{ fold: null, data, reference: "d.yaml" }]).runs.map(({ id }) => id);
    const before = ids("/one/d.yaml");
    const here = process.cwd();
    process.chdir(folder);
    try {
      expect(ids("/two/d.yaml")).toEqual(before);
    } finally {
      process.chdir(here);
    }
  });
});

/** A run that was validated after epochs 1, 2, ... with these fitnesses. */
function factsOf(fitnesses: readonly number[], state: RunFacts["state"] = "interrupted"): RunFacts {
  const validations = fitnesses.map((fitness, i) => ({
    epoch: i + 1,
    fitness,
    metrics: { ece: 1 - fitness },
  }));
  const epoch = fitnesses.length;
  return { state, failure: null, validations, step: 10 * epoch, epoch, seconds: 1, memoryBytes: 0 };
}

describe("decisions", () => {
  const actions = (plan: SweepPlan, facts: Record<string, RunFacts>) => {
    const byId = new Map(plan.runs.flatMap(({ id, name }) => (name in facts ? [[id, facts[name]]] : [])));
    const { runs, selections } = decide(plan, byId as Map<string, RunFacts>);
    const text = ({ id }: { id: string }) => {
      const decision = runs.get(id)!;
      return decision.action === "train" && decision.until !== null
        ? `until ${decision.until}`
        : decision.action;
    };
    return { actions: Object.fromEntries(plan.runs.map((run) => [run.name, text(run)])), selections };
  };

  it("train what is not finished, and leave a failed run to itself", () => {
    const plan = planOf("grid: {alpha: [1, 2, 3]}\n");
    const facts = { "alpha=1,seed=0": factsOf([1], "finished"), "alpha=2,seed=0": factsOf([], "failed") };
    expect(actions(plan, facts).actions).toEqual({
      "alpha=1,seed=0": "finished",
      "alpha=2,seed=0": "failed",
      "alpha=3,seed=0": "train",
    });
  });

  it("let the best arms of a stage go on once all of it has ended; one with a failed run does not", () => {
    const plan = planOf(
      "grid: {alpha: [1, 2, 3]}\nseeds: [0, 1]\nstages: [{name: a, epochs: 2, keep: 2}, {name: b, seeds: [0]}]\n",
    );
    const facts: Record<string, RunFacts> = {
      "a,alpha=1,seed=0": factsOf([0.9], "finished"),
      "a,alpha=1,seed=1": factsOf([], "failed"),
      "a,alpha=2,seed=0": factsOf([0.2], "finished"),
      "a,alpha=2,seed=1": factsOf([0.4], "finished"),
      "a,alpha=3,seed=0": factsOf([0.1], "finished"),
    };
    const before = actions(plan, facts);
    expect(before.actions["a,alpha=3,seed=1"]).toBe("train");
    expect(before.actions["b,alpha=2,seed=0"]).toBe("wait");
    expect(before.selections).toEqual([]);
    facts["a,alpha=3,seed=1"] = factsOf([0.2], "finished");
    const after = actions(plan, facts);
    expect(after.selections).toEqual([
      {
        stage: "a",
        epoch: null,
        scores: { "alpha=1": null, "alpha=2": expect.closeTo(0.3), "alpha=3": expect.closeTo(0.15) },
        kept: ["alpha=2", "alpha=3"],
      },
    ]);
    expect(after.actions).toMatchObject({ "b,alpha=1,seed=0": "pruned", "b,alpha=2,seed=0": "train" });
  });

  it("halve: train to an epoch, compare what was known there, and go on with the better part", () => {
    const plan = planOf("grid: {alpha: [1, 2, 3, 4]}\nhalving: {at: [2, 4]}\n");
    const name = (alpha: number) => `alpha=${alpha},seed=0`;
    const facts: Record<string, RunFacts> = { [name(1)]: factsOf([0.1, 0.2]), [name(2)]: factsOf([0.1]) };
    expect(actions(plan, facts).actions).toEqual({
      [name(1)]: "wait",
      [name(2)]: "until 2",
      [name(3)]: "until 2",
      [name(4)]: "until 2",
    });
    // What a run reached after the epoch does not count: 4 was stopped late.
    Object.assign(facts, {
      [name(2)]: factsOf([0.1, 0.3]),
      [name(3)]: factsOf([0.1, 0.5]),
      [name(4)]: factsOf([0.1, 0.1, 0.9]),
    });
    expect(actions(plan, facts).actions).toEqual({
      [name(1)]: "pruned",
      [name(2)]: "until 4",
      [name(3)]: "until 4",
      [name(4)]: "pruned",
    });
    Object.assign(facts, {
      [name(2)]: factsOf([0.1, 0.3, 0.3, 0.8]),
      [name(3)]: factsOf([0.1, 0.5, 0.5, 0.6]),
    });
    expect(actions(plan, facts).actions).toMatchObject({ [name(2)]: "train", [name(3)]: "pruned" });
  });

  it("keep the best of each family, whatever the others reach", () => {
    const plan = planOf(
      "arms: {alone: {alpha: 3}, one: {tap: p4}, two: {tap: p5}}\ngrid: {dropout: [0, 0.5]}\n" +
        "families: {control: [alone], shared: [one, two]}\nseeds: [0, 1]\n" +
        "stages: [{name: a, seeds: [0], keep: {control: 2, shared: 1}}, {name: b}]\n",
    );
    const scores = { alone: [0.1, 0.2], one: [0.7, 0.9], two: [0.8, 0.6] };
    const facts = Object.fromEntries(
      Object.entries(scores).flatMap(([arm, [first, second]]) => [
        [`a,${arm},dropout=0,seed=0`, factsOf([first], "finished")],
        [`a,${arm},dropout=0.5,seed=0`, factsOf([second], "finished")],
      ]),
    );
    expect(actions(plan, facts).selections[0].kept).toEqual([
      "one,dropout=0.5",
      "alone,dropout=0.5",
      "alone,dropout=0",
    ]);
  });

  it("halve each family by itself", () => {
    const plan = planOf(
      "arms: {alone: {alpha: 3}, one: {tap: p4}, two: {tap: p5}}\nfamilies: {control: [alone], shared: [one, two]}\n" +
        "halving: {at: [2]}\n",
    );
    const facts = {
      "alone,seed=0": factsOf([0.1, 0.1]),
      "one,seed=0": factsOf([0.5, 0.7]),
      "two,seed=0": factsOf([0.6, 0.4]),
    };
    expect(actions(plan, facts).selections[0].kept).toEqual(["one", "alone"]);
  });

  it("compare by the mean over the tasks that a run does", () => {
    const both = factsOf([0.5]);
    const withMetrics = (metrics: Record<string, number | null>) =>
      scoreOf({ ...both, validations: [{ ...both.validations[0], metrics }] }, "tasks");
    expect(withMetrics({ map50: 0.2, balancedAccuracy: 0.8 })).toBeCloseTo(0.5);
    expect(withMetrics({ map50: 0.2 })).toBe(0.2);
    expect(withMetrics({ map50: 0.2, balancedAccuracy: null })).toBeNull();
  });

  it("take a metric at the epoch of the best checkpoint, and the least calibration error", () => {
    const facts = factsOf([0.3, 0.8, 0.8, 0.1]);
    expect(scoreOf(facts, "fitness")).toBe(0.8);
    expect(scoreOf(facts, "ece")).toBeCloseTo(0.2);
    expect(scoreOf(facts, "fitness", 1)).toBe(0.3);
    expect(scoreOf(facts, "accuracy")).toBeNull();
    const plan = planOf(
      "metric: ece\ngrid: {alpha: [1, 2]}\nstages: [{name: a, keep: 1, epochs: 1}, {name: b}]\n",
    );
    const done = {
      "a,alpha=1,seed=0": factsOf([0.2], "finished"),
      "a,alpha=2,seed=0": factsOf([0.7], "finished"),
    };
    expect(actions(plan, done).selections[0].kept).toEqual(["alpha=2"]);
  });
});

describe("the estimate", () => {
  const plan = planOf("grid: {alpha: [1, 2, 3, 4]}\nhalving: {at: [2]}\n");
  const cost = { startSeconds: 3, stepSeconds: 0.5, validationSeconds: 1, imageSeconds: 0.1, peakBytes: 100 };
  const costs = new Map<string, RunCost | null>(
    plan.runs.map((run) => [
      run.id,
      { cost, counts: { train: 40, val: 10 }, config: configOf(plan.base, run, "-") },
    ]),
  );

  it("is start-up, steps and validations", () => {
    // 40 images in batches of 16 are 3 steps; a validation of 10 images takes 1 + 1 s.
    expect(secondsOf(costs.get(plan.runs[0].id)!, 0, 8)).toBeCloseTo(3 + 8 * 3 * 0.5 + 8 * 2);
  });

  it("counts what is left of each phase, with as many runs at once as fit", () => {
    const whole = estimate(plan, { cores: 2, memory: null }, { costs, facts: new Map(), selections: [] });
    const toRung = 3 + 2 * 3.5;
    const rest = 3 + 6 * 3.5;
    expect(whole.phases).toMatchObject([
      { until: 2, runs: 4, steps: 24, seconds: 4 * toRung, wallSeconds: 2 * toRung },
      { until: null, runs: 2, steps: 36, seconds: 2 * rest, wallSeconds: rest },
    ]);
    const alone = estimate(plan, { cores: 2, memory: 150 }, { costs, facts: new Map(), selections: [] });
    expect(alone.wallSeconds).toBeCloseTo(4 * toRung + 2 * rest);
  });

  it("knows programs that cost the same by what they compute", () => {
    const config = resolveTrainConfig({ data: "d", model: "joint-yolov5n" }, "test");
    expect(shapeOf({ ...config, lr0: 0.5, alpha: 2, seed: 9 })).toBe(shapeOf(config));
    const branch = (own: object) => ({
      ...config,
      optim: { ...config.optim, classification: { ...config.optim.classification, ...own } },
    });
    expect(shapeOf(branch({ lr0: 0.5, warmupEpochs: 1 }))).toBe(shapeOf(config));
    expect(shapeOf(branch({ optimizer: "adamw" }))).not.toBe(shapeOf(config));
    for (const other of [
      { batch: 8 },
      { balancer: "gradnorm" as const },
      { threads: 2 },
      { model: "detect-yolov5n" },
    ]) {
      expect(shapeOf({ ...config, ...other })).not.toBe(shapeOf(config));
    }
  });
});

describe("the journal", () => {
  it("leaves out a torn last line, and cuts it off when it is written to", () => {
    const directory = join(folder, "journal");
    mkdirSync(directory);
    const first = new Journal(directory);
    first.append({ type: "started", run: "r", pid: 1 });
    first.close();
    appendFileSync(join(directory, "state.jsonl"), '{"time":"2026-');
    expect(readJournal(directory)).toHaveLength(1);
    recordTestOpened(directory, "compare");
    expect(readJournal(directory)).toMatchObject([
      { type: "started" },
      { type: "testOpened", who: "compare" },
    ]);
    expect(testOpened(directory)).toMatchObject([{ who: "compare", time: expect.any(String) }]);
  });
});

describe("the facts of a run", () => {
  const time = "2026-01-01T00:00:00.000Z";
  const line = (event: object) => `${JSON.stringify({ time, epoch: 0, step: 0, ...event })}\n`;
  const validation = (epoch: number) =>
    line({ type: "validation", epoch, step: epoch, split: "val", metrics: { map50: 0.5 }, fitness: epoch });

  it("come from its own directory, also where its log is cut back and written anew", () => {
    const directory = join(folder, "run");
    mkdirSync(directory);
    const watch = new RunWatch(directory);
    expect(watch.look().state).toBe("waiting");
    writeFileSync(join(directory, "config.yaml"), "");
    const log = join(directory, "events.jsonl");
    writeFileSync(log, `${validation(1)}${validation(2)}{"torn`);
    expect(watch.look()).toMatchObject({ state: "interrupted", step: 2 });
    writeFileSync(log, `${validation(1)}${validation(3)}${validation(4)}`);
    expect(watch.look().validations.map(({ epoch }) => epoch)).toEqual([1, 3, 4]);
    appendFileSync(log, line({ type: "end", reason: "completed" }));
    writeFileSync(join(directory, "last.safetensors"), "");
    expect(watch.look({ failure: "an old one", retried: "" }).state).toBe("finished");
    writeFileSync(join(directory, "run.lock"), JSON.stringify({ pid: 1, host: "elsewhere" }));
    expect(watch.look().state).toBe("training");
  });

  it("are a failure where its log is damaged", () => {
    const directory = join(folder, "damaged");
    mkdirSync(directory);
    writeFileSync(join(directory, "events.jsonl"), `${validation(1)}{"type":"step"}\n`);
    expect(readRunFacts(directory)).toMatchObject({
      state: "failed",
      failure: expect.stringMatching(/events\.jsonl/),
    });
  });

  it("are a failure where it diverged, until a retry", () => {
    const directory = join(folder, "diverged");
    mkdirSync(directory);
    writeFileSync(join(directory, "config.yaml"), "");
    writeFileSync(join(directory, "events.jsonl"), line({ type: "diverged", message: "the loss" }));
    expect(readRunFacts(directory)).toMatchObject({ state: "failed", failure: "the loss" });
    expect(readRunFacts(directory, { failure: null, retried: "2026-02-01T00:00:00.000Z" }).state).toBe(
      "interrupted",
    );
  });
});

describe("a sweep's directory", () => {
  it("is opened wherever it lies, and taken by a plan with more runs alone", () => {
    const directory = join(folder, "sweep");
    const plan = planOf("grid: {alpha: [1, 2]}\n");
    const release = claimSweep(directory, plan);
    expect(() => claimSweep(directory, plan)).toThrow(
      /sweep\.lock: expected a free directory, got one in use by/,
    );
    release();
    const moved = join(folder, "moved");
    renameSync(directory, moved);
    const sweep = openSweep(moved);
    expect(sweep).toMatchObject({ name: "s", selectionMetric: "fitness", testOpened: [] });
    expect(sweep.runs[1]).toMatchObject({
      name: "alpha=2,seed=0",
      arm: "alpha=2",
      settings: { alpha: 2 },
      isFinal: true,
      state: "waiting",
      directory: join(moved, "runs", "alpha=2,seed=0"),
    });
    claimSweep(moved, planOf("grid: {alpha: [1, 2, 3]}\n"))();
    expect(openSweep(moved).runs).toHaveLength(3);
    expect(() => claimSweep(moved, plan)).toThrow(
      /expected the sweep that it holds.*without 1 of its 3 runs/,
    );
    expect(readFileSync(join(moved, "sweep.yaml"), "utf8")).not.toContain(moved);
  });

  it("has no final run of an arm that did not go on, though what it was screened by counts for both stages", () => {
    const directory = join(folder, "screened");
    const stages = "stages: [{name: screen, seeds: [0], keep: 1}, {name: finals}]\n";
    claimSweep(directory, planOf(`grid: {alpha: [1, 2]}\nseeds: [0, 1]\n${stages}`))();
    const finals = () => openSweep(directory).runs.flatMap(({ name, isFinal }) => (isFinal ? [name] : []));
    const finish = (name: string, fitness: number) => {
      const run = join(directory, "runs", name);
      mkdirSync(run, { recursive: true });
      const at = { time: "2026-01-01T00:00:00.000Z", epoch: 1, step: 1 };
      const validation = { ...at, type: "validation", split: "val", metrics: {}, fitness };
      const events = [validation, { ...at, type: "end", reason: "completed" }];
      writeFileSync(join(run, "events.jsonl"), events.map((event) => `${JSON.stringify(event)}\n`).join(""));
      for (const file of ["config.yaml", "last.safetensors"]) writeFileSync(join(run, file), "");
    };
    finish("screen,alpha=1,seed=0", 0.2);
    expect(finals()).toHaveLength(4);
    finish("screen,alpha=2,seed=0", 0.4);
    expect(finals()).toEqual(["screen,alpha=2,seed=0", "finals,alpha=2,seed=1"]);
  });
});
