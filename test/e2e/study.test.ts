import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { resolveTrainConfig } from "../../src/config/index.js";
import type { CompareReport } from "../../src/experiments/index.js";
import { runCli, succeed, temporaryFolder, words } from "../support/cli.js";
import { reportSubjects, writeReportSubjects } from "../support/report-subjects.js";

const { folder, remove } = temporaryFolder("study");
afterAll(remove);
const out = join(folder, "out");
const data = join(folder, "data", "data.yaml");

// A study that was stopped after its last training: what comes before is the sweep's, and tested there.
beforeAll(async () => {
  await writeReportSubjects(folder);
  mkdirSync(out);
  cpSync(join(folder, "experiments.yaml"), join(out, "study.yaml"));
  cpSync(reportSubjects(folder).sweep, join(out, "sweep"), { recursive: true });
});

describe("a study whose trainings are done", () => {
  it("audits, compares with the test split opened once, reports in both languages and says what to train", async () => {
    const { stdout } = await succeed(words`study ${data} --budget 1h --out ${out} --json`);
    const report = JSON.parse(stdout) as CompareReport;
    expect(report.testOpened).toHaveLength(1);
    expect(report.test).not.toBeNull();
    for (const file of ["audit.html", "audit.json", "report.html", "report.zh-TW.html"]) {
      expect(existsSync(join(out, file)), file).toBe(true);
    }
    const recommended = parse(readFileSync(join(out, "recommended.yaml"), "utf8"));
    expect(resolveTrainConfig(recommended, "recommended.yaml")).toMatchObject({
      data,
      model: "joint-yolov5n",
      size: { width: 320, height: 320 },
    });
    // Once more, with the same numbers: the test split is not opened again.
    const again = await succeed(words`study ${data} --budget 1h --out ${out} --json`);
    expect(again.stdout).toBe(stdout);
  });

  it("is refused with other options, and told what a time is", async () => {
    const other = await runCli(words`study ${data} --budget 2h --out ${out}`);
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/expected the study that it holds: hours 1, got 2/);
    const wrong = await runCli(words`study ${data} --budget long --out ${out}`);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain("expected a time, such as 8h or 90m");
  });
});
