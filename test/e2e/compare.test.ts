import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { CompareReport, DesignResult } from "../../src/experiments/index.js";
import { foldsOf } from "../../src/experiments/sweep/folds.js";
import { readJournal } from "../../src/experiments/sweep/journal.js";
import { runDirectoryOf } from "../../src/experiments/sweep/layout.js";
import { planSweep } from "../../src/experiments/sweep/plan.js";
import { loadSweepFile } from "../../src/experiments/sweep/sweep-file.js";
import type { ValidationReport } from "../../src/serving/index.js";
import { jsonOf, runCli, succeed, temporaryFolder, tinyData, words } from "../support/cli.js";

const { folder, remove } = temporaryFolder("compare");
afterAll(remove);
const at = (...parts: string[]) => join(folder, ...parts);
const few = words`--threads 1 --resamples 100`;

let data: string;
const [even, small] = [at("runs", "even"), at("runs", "small")];

beforeAll(async () => {
  data = await tinyData(at("data"));
  for (const [out, classification] of [
    [even, 1],
    [small, 0.01],
  ] as const) {
    await succeed(
      words`train --data ${data} --model joint-yolov5n --size 64 --epochs 1 --batch 8 --threads 1 --task-weights 1,${classification} --out ${out}`,
    );
  }
});

const compared = (args: readonly string[]) => jsonOf<CompareReport>(["compare", ...args, ...few]);
const validated = (run: string, split: string) =>
  jsonOf<ValidationReport>(words`val --weights ${run} --data ${data} --split ${split} --threads 1`);

/** The values that `val` prints as well, of a design of one run. */
function expectSame(
  { metrics, confusion }: DesignResult,
  { detection, classification }: ValidationReport,
): void {
  for (const name of ["map50", "map50_95", "precision", "recall", "f1"] as const) {
    expect(metrics[name]?.value ?? null, name).toEqual(detection?.[name] ?? null);
  }
  for (const name of ["accuracy", "balancedAccuracy", "macroF1", "auroc", "ece"] as const) {
    expect(metrics[name]?.value ?? null, name).toEqual(classification?.[name] ?? null);
  }
  expect(confusion).toEqual(classification?.confusion ?? null);
}

describe("compare", () => {
  it("gives one run's numbers as val does, with provenance, and keeps the predictions", async () => {
    const report = await compared([even, small]);
    const { designs, split, provenance } = report.validation;
    expect(split).toBe("val");
    expect(designs.map(({ name }) => name)).toEqual(["joint-yolov5n", "joint-yolov5n taskWeights=1,0.01"]);
    const scored = await validated(even, "val");
    expectSame(designs[0], scored);
    expect(provenance[0]).toMatchObject({
      checkpoint: scored.provenance.checkpoint,
      checkpointSha256: scored.provenance.checkpointSha256,
      dataFingerprint: scored.provenance.dataFingerprint,
    });
    expect(report.facts[0].cost).toMatchObject({ size: { width: 64, height: 64 }, latencyMs: null });
    expect(report.facts[0].cost?.flops).toBe(report.facts[1].cost?.flops);
    expect(report.recommendation?.endpoints.length).toBeGreaterThan(0);
    expect(report.test).toBeNull();
    expect(existsSync(join(even, "predictions", "val.safetensors"))).toBe(true);
    expect(existsSync(join(even, "predictions", "test.safetensors"))).toBe(false);
    // From the kept predictions, to the bit.
    expect(await compared([even, small])).toEqual(report);
  });

  it("scores a model of one task on that task, and recommends none but models of both", async () => {
    const single = at("runs", "detect");
    await succeed(
      words`train --data ${data} --model detect-yolov5n --size 64 --epochs 1 --batch 8 --threads 1 --out ${single}`,
    );
    const { validation, recommendation, facts } = await compared([single, even, "--measure"]);
    const [detect] = validation.designs;
    expect(detect.tasks).toEqual(["detection"]);
    expectSame(detect, await validated(single, "val"));
    expect(recommendation?.design).toBe(validation.designs[1].name);
    expect(facts.map(({ onParetoFront }) => onParetoFront)).toEqual([null, true]);
    for (const { cost } of facts) expect(cost?.latencyMs).toBeGreaterThan(0);
  });

  it("prints tables, Markdown and CSV", async () => {
    const text = (await succeed(["compare", even, small, ...few])).stdout;
    expect(text).toMatch(
      /^Detection, val: 4 frames, \d patients, 95 % intervals of 100 resamples of patients$/m,
    );
    expect(text).toMatch(/^Recommended: joint-yolov5n/m);
    const markdown = (await succeed(["compare", even, small, "--markdown", ...few])).stdout;
    expect(markdown).toMatch(/^### Cost\n\n\| design \| parameters \|/m);
    const csv = (await succeed(["compare", even, "--csv", ...few])).stdout.trimEnd().split("\n");
    expect(csv[0]).toBe("split,design,quantity,value,low,high,seeds,patients,frames");
    expect(csv.some((line) => line.startsWith("val,joint-yolov5n,balancedAccuracy,"))).toBe(true);
  });

  it("explains a folder that is no run, a run given twice, and --final without a sweep", async () => {
    for (const [args, message] of [
      [[folder], /expected the folder of a run, or of one sweep alone, got no config\.yaml there/],
      [[even, even], /expected each run once, got it twice; leave one out/],
      [[even, "--final"], /--final: expected a sweep, whose journal records .+, got runs/],
    ] as const) {
      const { code, stdout, stderr } = await runCli(["compare", ...args]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toMatch(message);
    }
  });
});

describe("compare --final", () => {
  const sweep = at("sweep");

  it("opens the test split of a sweep once, and its journal tells", async () => {
    const file = at("experiments.yaml");
    const base = { data, model: "joint-yolov5n", size: 64, epochs: 1, batch: 8, threads: 1 };
    const arms = { even: {}, small: { taskWeights: [1, 0.01] } };
    writeFileSync(file, stringify({ name: "tiny", base, arms }));
    const loaded = loadSweepFile(file);
    const plan = planSweep(loaded, await foldsOf(loaded));
    mkdirSync(sweep);
    writeFileSync(join(sweep, "sweep.yaml"), stringify(plan));
    const early = await runCli(["compare", sweep, "--final", ...few]);
    expect(early.stderr).toMatch(/--final: expected a finished sweep, got 2 unfinished runs/);
    for (const { name, arm } of plan.runs) {
      cpSync(arm === "even" ? even : small, runDirectoryOf(sweep, name), { recursive: true });
    }
    const before = await compared([sweep]);
    expect(before.testOpened).toEqual([]);
    expect(readJournal(sweep)).toEqual([]);

    const report = await compared([sweep, "--final"]);
    expect(report.validation.designs.map(({ name }) => name)).toEqual(["even", "small"]);
    // What was chosen was chosen without the test split.
    expect({ ...report, test: null, testOpened: [] }).toEqual(before);
    const test = report.test as NonNullable<CompareReport["test"]>;
    const scored = await validated(even, "test");
    expectSame(test.designs[0], scored);
    const chosen = scored.detection?.atValidationConfidence;
    expect(test.designs[0].metrics.chosenF1?.value ?? null).toEqual(chosen?.f1 ?? null);
    expect(test.designs[0].metrics.chosenRecall?.value ?? null).toEqual(chosen?.recall ?? null);
    expect(report.testOpened).toHaveLength(1);
    expect(readJournal(sweep)).toMatchObject([
      { type: "testOpened", who: expect.stringMatching(/^compare --final/) },
    ]);
    expect(JSON.parse(readFileSync(join(sweep, "final.json"), "utf8"))).toEqual(report);

    const again = await runCli(["compare", sweep, "--final", ...few]);
    expect(again).toMatchObject({ code: 1, stdout: "" });
    expect(again.stderr).toMatch(/expected a test split that was never opened, got one opened .+final\.json/);
    expect(readJournal(sweep)).toHaveLength(1);
  });
});
