import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { foldsOf } from "../../src/experiments/sweep/folds.js";
import { runDirectoryOf } from "../../src/experiments/sweep/layout.js";
import { planSweep } from "../../src/experiments/sweep/plan.js";
import { loadSweepFile } from "../../src/experiments/sweep/sweep-file.js";
import { succeed, tinyData, words } from "./cli.js";

/** Where {@link writeReportSubjects} puts a run and a sweep. */
export function reportSubjects(folder: string): { run: string; sweep: string } {
  return { run: join(folder, "runs", "joint <b>"), sweep: join(folder, "sweep") };
}

/** A finished run with a name that is markup, and a sweep of two arms that are both copies of it. */
export async function writeReportSubjects(folder: string): Promise<void> {
  const { run, sweep } = reportSubjects(folder);
  const data = await tinyData(join(folder, "data"));
  await succeed([
    ...words`train --data ${data} --model joint-yolov5n --size 64 --epochs 1 --batch 8 --threads 1 --probe-every 1`,
    ...["--out", run],
  ]);
  const base = { data, model: "joint-yolov5n", size: 64, epochs: 1, batch: 8, threads: 1 };
  const file = join(folder, "experiments.yaml");
  const arms = { even: {}, small: { taskWeights: [1, 0.01] } };
  writeFileSync(file, stringify({ name: "tiny", base, arms }));
  const loaded = loadSweepFile(file);
  const plan = planSweep(loaded, await foldsOf(loaded));
  mkdirSync(sweep);
  writeFileSync(join(sweep, "sweep.yaml"), stringify(plan));
  for (const { name } of plan.runs) cpSync(run, runDirectoryOf(sweep, name), { recursive: true });
}
