import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DetectionMetrics } from "../../src/detection/index.js";
import { gatherRuns } from "../../src/experiments/compare/gather.js";
import type { CompareReport } from "../../src/experiments/index.js";
import { predictBoxes } from "../../src/experiments/report/predict-boxes.js";
import { readJournal } from "../../src/experiments/sweep/journal.js";
import { jsonOf, runCli, succeed, temporaryFolder, words } from "../support/cli.js";
import { reportSubjects, writeReportSubjects } from "../support/report-subjects.js";

const { folder, remove } = temporaryFolder("report");
afterAll(remove);
const at = (...parts: string[]) => join(folder, ...parts);
const few = words`--threads 1 --resamples 100`;
const { run, sweep } = reportSubjects(folder);
let compared: CompareReport;

beforeAll(async () => {
  await writeReportSubjects(folder);
  compared = await jsonOf<CompareReport>(["compare", run, ...few]);
});

/** The numbers of a page with the groups that they come from. */
const numbersIn = (page: string) =>
  [...page.matchAll(/<data value="([^"]+)" data-source="([^"]+)"/g)].map(([, value, id]) => ({ value, id }));

describe("report of a run", () => {
  it("is one page with every part, whose every number leads to its checkpoint", async () => {
    const { stdout } = await succeed(["report", run, ...few]);
    const file = join(run, "report.html");
    expect(stdout).toBe(`${file}\n`);
    const page = readFileSync(file, "utf8");
    expect(page).toContain('<html lang="en">');
    expect(page).toContain("Training report: ");
    expect(page).not.toContain("joint <b>");
    const sections = [
      "results-val",
      "cost",
      "detection",
      "views",
      "patients",
      "galleries",
      "training",
      "data",
    ];
    for (const id of [...sections, "provenance"]) expect(page, id).toContain(`<section id="${id}"`);
    for (const id of ["losses", "weights", "conflict-map", "precision-recall", "reliability-views"]) {
      expect(page, id).toContain(`id="figure-${id}"`);
    }
    const { checkpointSha256, dataFingerprint } = compared.validation.provenance[0];
    expect(page).toContain(`<code>${checkpointSha256}</code>`);
    expect(page).toContain(`<code>${dataFingerprint}</code>`);
    const numbers = numbersIn(page);
    expect(numbers.length).toBeGreaterThan(100);
    for (const { id } of numbers) expect(page).toContain(`id="source-${id}"`);
    // The numbers of compare, and with them those of val.
    const shown = new Set(numbers.map(({ value }) => value));
    for (const metric of Object.values(compared.validation.designs[0].metrics)) {
      expect(shown).toContain(String(metric.value));
    }
    expect(page.match(/src="data:image\/jpeg;base64,/g)?.length).toBeGreaterThan(1);
    expect(page.replace(/xmlns(:\w+)?="[^"]*"/g, "")).not.toMatch(/https?:|<link|@import|url\((?!#)/);
    const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
    expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
  });

  it("predicts the boxes that compare and val score, to the bit", async () => {
    const { frames, names } = await predictBoxes(gatherRuns([run]).runs, { device: "cpu", threads: 1 });
    const metrics = new DetectionMetrics(names.length);
    for (const { prediction, boxes } of frames) {
      expect(boxes?.detections).toHaveLength(prediction.detection?.confidence.length ?? Number.NaN);
      if (prediction.detection) metrics.addMatched(prediction.detection);
    }
    const { map50, f1 } = metrics.summary(names);
    const scored = compared.validation.designs[0].metrics;
    expect({ map50, f1 }).toEqual({ map50: scored.map50?.value, f1: scored.f1?.value });
  });

  it("says the same in Traditional Chinese, without pictures where they are not wanted", async () => {
    const out = at("out", "report.html");
    await succeed(["report", run, ...few, ...words`--lang zh-TW --no-images --out ${out}`]);
    const page = readFileSync(out, "utf8");
    expect(page).toContain('<html lang="zh-TW">');
    expect(page).toContain("訓練報告：");
    expect(page).toContain("混淆矩陣");
    expect(page).not.toContain("data:image/");
    const english = readFileSync(join(run, "report.html"), "utf8");
    // Sentences have their numbers in another order.
    const values = (text: string) =>
      numbersIn(text.slice(0, text.indexOf('id="galleries"')))
        .map(({ value }) => value)
        .toSorted();
    expect(values(page)).toEqual(values(english));
  });

  it("is CSV on standard output, one number a row with its source", async () => {
    const { stdout } = await succeed(["report", run, ...few, ...words`--format csv`]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^section,table,row,column,value,low,high,shown,runs,checkpoints,data,split$/);
    for (const line of lines.slice(1)) expect(line).toMatch(/[0-9a-f]{64}/);
    const { value } = compared.validation.designs[0].metrics.balancedAccuracy ?? { value: Number.NaN };
    expect(stdout).toContain(`results-val,val-views,balanced accuracy,value,${value},`);
  });
});

describe("report of a sweep", () => {
  it("has verdict, statistics and cost, and opens no test split", async () => {
    const out = at("out", "sweep.html");
    await succeed(["report", sweep, ...few, "--out", out]);
    const page = readFileSync(out, "utf8");
    expect(page).toContain("Recommended: ");
    for (const id of ["verdict", "statistics", "cost"]) expect(page).toContain(`<section id="${id}"`);
    expect(page).toContain('id="figure-pareto"');
    expect(page).not.toContain('id="results-test"');
    expect(readJournal(sweep)).toEqual([]);
    expect(existsSync(join(sweep, "final.json"))).toBe(false);
  });

  it("shows the test split's results once compare --final has opened it", async () => {
    await succeed(["compare", sweep, "--final", ...few]);
    const { stdout } = await succeed(["report", sweep, ...few, ...words`--format markdown --lang zh-TW`]);
    expect(stdout).toContain("## 測試集結果");
    expect(readJournal(sweep)).toHaveLength(1);
    writeFileSync(join(sweep, "final.json"), "{");
    const damaged = await runCli(["report", sweep, ...few, ...words`--format csv`]);
    expect(damaged).toMatchObject({ code: 1, stdout: "" });
    expect(damaged.stderr).toMatch(/final\.json: expected the JSON of compare --final/);
  });

  it("explains a folder that is neither", async () => {
    const neither = await runCli(["report", folder]);
    expect(neither).toMatchObject({ code: 1, stdout: "" });
    expect(neither.stderr).toMatch(/expected the folder of a run, or of one sweep alone/);
  });
});
