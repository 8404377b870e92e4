import { join } from "node:path";
import { writeFileAtomically } from "../../io/index.js";
import { type CsvValue, formatCsvLine } from "../../training/index.js";
import { type Decision, scoreOf } from "./decide.js";
import { sweepFiles } from "./layout.js";
import type { PlannedRun, SweepPlan } from "./plan.js";
import type { RunFacts } from "./run-facts.js";

/**
 * Writes `table.csv` of a sweep, atomically: a row a run, with its settings and the validation metrics at its best
 * checkpoint's epoch; a cell is empty where there is no value.
 * @throws EchoDuetError `io` where the file system refuses
 */
export function writeTable(
  directory: string,
  plan: SweepPlan,
  facts: ReadonlyMap<string, RunFacts>,
  decisions: ReadonlyMap<string, Decision>,
): void {
  const options = distinct(plan.runs.flatMap(({ settings }) => Object.keys(settings)));
  const metrics = distinct(
    [...facts.values()].flatMap(({ validations }) =>
      validations.flatMap((each) => Object.keys(each.metrics)),
    ),
  );
  const rows = plan.runs.map((run) => rowOf(run, { plan, options, metrics, facts, decisions }));
  const lines = [Object.keys(rows[0]), ...rows.map((row) => Object.values(row))].map(formatCsvLine);
  writeFileAtomically(join(directory, sweepFiles.table), `${lines.join("\n")}\n`);
}

function rowOf(
  run: PlannedRun,
  table: {
    plan: SweepPlan;
    options: readonly string[];
    metrics: readonly string[];
    facts: ReadonlyMap<string, RunFacts>;
    decisions: ReadonlyMap<string, Decision>;
  },
): Record<string, CsvValue> {
  const facts = table.facts.get(run.id)!;
  const isPruned = table.decisions.get(run.id)?.action === "pruned";
  const best = facts.validations.reduce<RunFacts["validations"][number] | null>(
    (a, b) => (a === null || b.fitness > a.fitness ? b : a),
    null,
  );
  return {
    name: run.name,
    id: run.id,
    arm: run.arm,
    ...Object.fromEntries(table.options.map((option) => [option, cellOf(run.settings[option])])),
    seed: run.seed,
    fold: run.fold,
    stages: run.stages.join(" "),
    state: isPruned ? "pruned" : facts.state,
    epoch: facts.epoch,
    epochs: run.epochs,
    [`selected by ${table.plan.asked.metric}`]: scoreOf(facts, table.plan.asked.metric),
    bestEpoch: best?.epoch ?? null,
    "val/fitness": best?.fitness ?? null,
    ...Object.fromEntries(table.metrics.map((name) => [`val/${name}`, best?.metrics[name] ?? null])),
    seconds: facts.seconds,
    memoryBytes: facts.memoryBytes,
    failure: facts.failure,
  };
}

function cellOf(value: unknown): CsvValue {
  if (value === undefined || value === null) return null;
  return typeof value === "number" || typeof value === "string" ? value : JSON.stringify(value);
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}
