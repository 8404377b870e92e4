import { availableParallelism } from "node:os";
import { join } from "node:path";
import { EchoDuetError } from "../../errors.js";
import { decide } from "./decide.js";
import { type Budget, type Estimate, estimate, type RunCost } from "./estimate.js";
import { foldsOf } from "./folds.js";
import { Journal, type NewJournalEntry, readJournal } from "./journal.js";
import { measurePlan } from "./measure-plan.js";
import { readAllFacts } from "./open-sweep.js";
import { planSweep, type SweepPlan } from "./plan.js";
import { claimSweep } from "./sweep-directory.js";
import { loadSweepFile } from "./sweep-file.js";

/** How a sweep is prepared. */
export interface PrepareOptions {
  /** Directory of the sweep; `sweeps/NAME` where undefined. */
  readonly out?: string;
  /** Leaves the directory as it is, or unmade. */
  readonly dryRun: boolean;
  readonly onMessage: (message: string) => void;
}

/** A sweep with everything that it needs to be run. */
export interface PreparedSweep {
  readonly directory: string;
  readonly plan: SweepPlan;
  readonly budget: Budget;
  readonly costs: ReadonlyMap<string, RunCost | null>;
  /** Of what is left to do. */
  readonly estimate: Estimate;
  /** Gives the directory back. */
  readonly release: () => void;
}

/**
 * Expands the sweep that the file `path` asks for, claims its directory and measures what it costs.
 * @throws EchoDuetError `config` for a file with mistakes, a run beyond the budget, or a directory of another sweep;
 *   `data` for data that cannot be divided into folds; `io` where the directory is in use or cannot be written
 */
export async function prepareSweep(path: string, options: PrepareOptions): Promise<PreparedSweep> {
  const file = loadSweepFile(path);
  const plan = planSweep(file, await foldsOf(file));
  const directory = options.out ?? join("sweeps", plan.name);
  const { cores, memory } = file.asked.budget;
  const budget = { cores: cores ?? availableParallelism(), memory };
  const release = options.dryRun ? () => {} : claimSweep(directory, plan);
  try {
    const costs = await measure(directory, plan, budget, options);
    const facts = readAllFacts(directory, plan.runs);
    const { selections } = decide(plan, facts);
    const left = estimate(plan, budget, { costs, facts, selections });
    return { directory, plan, budget, costs, estimate: left, release };
  } catch (error) {
    release();
    throw error;
  }
}

async function measure(
  directory: string,
  plan: SweepPlan,
  budget: Budget,
  { dryRun, onMessage }: PrepareOptions,
): Promise<Map<string, RunCost | null>> {
  const known = readJournal(directory);
  if (dryRun) return measurePlan(plan, { budget, known, onMessage, record: () => {} });
  const journal = new Journal(directory);
  try {
    const record = (entry: NewJournalEntry): void => journal.append(entry);
    return await measurePlan(plan, { budget, known, onMessage, record });
  } finally {
    journal.close();
  }
}

/**
 * Refuses a sweep that would take longer than its budget.
 * @throws EchoDuetError `config` with both figures
 */
export function requireHours({ plan, estimate: { wallSeconds, phases } }: PreparedSweep): void {
  const { hours } = plan.asked.budget;
  if (hours === null || wallSeconds <= hours * 3600) return;
  const steps = phases.reduce((total, phase) => total + phase.steps, 0);
  throw new EchoDuetError(
    "config",
    `${plan.name}: expected at most ${hours} hours (budget.hours), got an estimate of ${(wallSeconds / 3600).toPrecision(3)} ` +
      `for ${steps} steps; raise the budget, make the sweep smaller, or give --yes`,
  );
}
