import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadConfigFile, parseWith, type TrainConfig } from "../../config/index.js";
import { EchoDuetError } from "../../errors.js";
import { decide, scoreOf } from "./decide.js";
import { readJournal, testOpened } from "./journal.js";
import { runDirectoryOf, sweepFiles } from "./layout.js";
import type { Settings } from "./option-paths.js";
import { configOf, type PlannedRun, type SweepPlan, sweepPlanSchema } from "./plan.js";
import { journalFacts, type RunFacts, readRunFacts } from "./run-facts.js";
import type { SelectionMetric } from "./sweep-file.js";

/** Where a run of a sweep stands; `pruned`: its arm did not go on, by a stage or by halving. */
export type SweepRunState = "waiting" | "training" | "interrupted" | "finished" | "failed" | "pruned";

/** A run of a sweep. */
export interface SweepRun {
  /** Stable: a hash of its configuration and of the data as they were asked for. */
  readonly id: string;
  /** Readable, and the name of its folder. */
  readonly name: string;
  /** Name of its arm: runs of an arm differ in seed and fold alone (within a stage). */
  readonly arm: string;
  /** Options of the arm that are other than the base's, by dotted path. */
  readonly settings: Settings;
  readonly seed: number;
  /** From 1; null without folds. */
  readonly fold: number | null;
  /** Names of the stages that it belongs to; `all` where the sweep has none. */
  readonly stages: readonly string[];
  /** Whether it is of the last stage and of an arm that has come there, or may yet: what the sweep compares. */
  readonly isFinal: boolean;
  /** An ordinary run directory, which is there once the run has begun. */
  readonly directory: string;
  /** Absolute path. */
  readonly dataYaml: string;
  readonly config: TrainConfig;
  readonly state: SweepRunState;
  /** Why it failed, else null. */
  readonly failure: string | null;
  /** The selection metric on the validation split at the best checkpoint's epoch; null where there is none. */
  readonly score: number | null;
}

/** A sweep's directory, read. */
export interface Sweep {
  readonly directory: string;
  readonly name: string;
  readonly base: TrainConfig;
  /** What arms are compared by, on validation splits alone. */
  readonly selectionMetric: SelectionMetric;
  /** In the order of the plan. */
  readonly runs: readonly SweepRun[];
  /** When, and by whom, the test split was opened. */
  readonly testOpened: readonly { readonly time: string; readonly who: string }[];
}

/**
 * Reads the sweep in `directory`, wherever that was moved to: what was planned, and how far each run has come by
 * its own directory. Nothing is locked or changed, so a sweep in progress can be read.
 * @throws EchoDuetError `io` where there is no sweep, `config` or `data` where a file of it is damaged
 */
export function openSweep(directory: string): Sweep {
  const plan = readPlan(directory);
  const facts = readAllFacts(directory, plan.runs);
  const { runs: decisions, alive } = decide(plan, facts);
  const last = plan.stages[plan.stages.length - 1].name;
  return {
    directory,
    name: plan.name,
    base: plan.base,
    selectionMetric: plan.asked.metric,
    testOpened: testOpened(directory),
    runs: plan.runs.map((run) => {
      const { id, name, arm, settings, seed, fold, stages, data } = run;
      const own = facts.get(id)!;
      const isPruned = decisions.get(id)?.action === "pruned";
      return {
        ...{ id, name, arm, settings, seed, fold, stages },
        isFinal: stages.includes(last) && alive.includes(arm),
        directory: runDirectoryOf(directory, name),
        dataYaml: data,
        config: configOf(plan.base, run, runDirectoryOf(directory, name)),
        state: isPruned && own.state !== "training" ? "pruned" : own.state,
        failure: own.failure,
        score: scoreOf(own, plan.asked.metric),
      };
    }),
  };
}

/**
 * The plan in a sweep's directory.
 * @throws EchoDuetError `io` where there is none, `config` where it is damaged
 */
export function readPlan(directory: string): SweepPlan {
  const path = join(directory, sweepFiles.plan);
  if (!existsSync(path)) {
    throw new EchoDuetError(
      "io",
      `${directory}: expected a sweep, got no ${sweepFiles.plan} there; check the path`,
    );
  }
  return parseWith(sweepPlanSchema, loadConfigFile(path), path);
}

/** The facts of every run, by id. */
export function readAllFacts(directory: string, runs: readonly PlannedRun[]): Map<string, RunFacts> {
  const fromJournal = journalFacts(readJournal(directory));
  return new Map(
    runs.map(({ id, name }) => [id, readRunFacts(runDirectoryOf(directory, name), fromJournal.get(id))]),
  );
}
