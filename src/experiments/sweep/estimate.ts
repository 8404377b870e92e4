import type { TrainConfig } from "../../config/index.js";
import type { Cost } from "./cost.js";
import { armsOf, type Keep, keptOf, type Selection, shareOf } from "./decide.js";
import type { FrameCounts } from "./frame-counts.js";
import type { PlannedRun, SweepPlan } from "./plan.js";
import type { RunFacts } from "./run-facts.js";

/** What runs may use together; null: no limit. */
export interface Budget {
  readonly cores: number;
  readonly memory: number | null;
}

/** What is known of a run before it is trained; null where it could not be measured. */
export interface RunCost {
  readonly cost: Cost;
  readonly counts: FrameCounts;
  readonly config: TrainConfig;
}

/** A part of a sweep in which its runs go side by side: a stage, or what lies between two comparisons of one. */
export interface EstimatedPhase {
  readonly stage: string;
  /** Epoch that it ends at, where arms are compared within the stage. */
  readonly until: number | null;
  readonly runs: number;
  readonly steps: number;
  /** Of all runs, one after another. */
  readonly seconds: number;
  /** Side by side, as the budget allows. */
  readonly wallSeconds: number;
}

/** What is left of a sweep. */
export interface Estimate {
  readonly phases: readonly EstimatedPhase[];
  readonly wallSeconds: number;
  /** Runs whose cost is not known. */
  readonly unknown: number;
}

/** Batches of an epoch. */
export function stepsPerEpoch({ counts, config }: RunCost): number {
  return Math.ceil(counts.train / config.batch);
}

/** Seconds from after epoch `from` to the end of epoch `to`, the start of the process included. */
export function secondsOf(run: RunCost, from: number, to: number): number {
  if (to <= from) return 0;
  const { cost, counts, config } = run;
  const { every } = config.validation;
  const last = to === config.epochs && to % every !== 0 ? 1 : 0;
  const validations = Math.floor(to / every) - Math.floor(from / every) + last;
  const steps = (to - from) * stepsPerEpoch(run) * cost.stepSeconds;
  return cost.startSeconds + steps + validations * (cost.validationSeconds + counts.val * cost.imageSeconds);
}

/** What is known of a sweep. */
export interface Progress {
  /** By run id; null where it could not be measured. */
  readonly costs: ReadonlyMap<string, RunCost | null>;
  /** How far each run is, by its id. */
  readonly facts: ReadonlyMap<string, RunFacts>;
  /** Comparisons that have been made. */
  readonly selections: readonly Selection[];
}

/**
 * What is left of a sweep, phase by phase. Which arms a comparison will keep is not known before: the costliest are
 * counted, so that the figure is an upper bound there.
 */
export function estimate(plan: SweepPlan, budget: Budget, { costs, facts, selections }: Progress): Estimate {
  let arms = armsOf(plan).map(({ arm }) => arm);
  const done = new Map(plan.runs.map(({ id }) => [id, epochsDone(facts.get(id), costs.get(id))]));
  const phases: EstimatedPhase[] = [];
  const keep = (count: Keep, of: readonly PlannedRun[], stage: string, epoch: number | null): void => {
    const made = selections.find((each) => each.stage === stage && each.epoch === epoch);
    if (made) {
      arms = [...made.kept];
      return;
    }
    const costOf = (arm: string) =>
      sum(of.filter((run) => run.arm === arm).map((run) => wholeCost(costs.get(run.id))));
    const costliest = armsOf(plan)
      .filter(({ arm }) => arms.includes(arm))
      .sort((a, b) => costOf(b.arm) - costOf(a.arm));
    arms = keptOf(costliest, count);
  };
  for (const [position, stage] of plan.stages.entries()) {
    const runs = plan.runs.filter(({ stages }) => stages.includes(stage.name));
    const { halving } = plan.asked;
    const bounds = position === 0 && halving ? [...halving.at, null] : [null];
    for (const until of bounds) {
      const own = runs.filter(({ arm }) => arms.includes(arm));
      phases.push(phaseOf({ stage: stage.name, until, runs: own, budget, costs, done }));
      for (const { id, epochs } of own) done.set(id, Math.max(done.get(id) ?? 0, until ?? epochs));
      if (until !== null && halving) keep(shareOf(plan, arms, halving.keep), runs, stage.name, until);
    }
    if (stage.keep !== null) keep(stage.keep, runs, stage.name, null);
  }
  return {
    phases,
    wallSeconds: sum(phases.map(({ wallSeconds }) => wallSeconds)),
    unknown: plan.runs.filter(({ id }) => !costs.get(id)).length,
  };
}

/** Epochs, the part of one that is in progress included. */
function epochsDone(facts: RunFacts | undefined, cost: RunCost | null | undefined): number {
  if (facts?.state === "finished" || facts?.state === "failed") return Number.POSITIVE_INFINITY;
  return facts && cost ? facts.step / stepsPerEpoch(cost) : 0;
}

function wholeCost(run: RunCost | null | undefined): number {
  return run ? secondsOf(run, 0, run.config.epochs) : 0;
}

function phaseOf(phase: {
  stage: string;
  until: number | null;
  runs: readonly PlannedRun[];
  budget: Budget;
  costs: ReadonlyMap<string, RunCost | null>;
  done: ReadonlyMap<string, number>;
}): EstimatedPhase {
  const { stage, until, runs, budget, costs, done } = phase;
  const left = runs.flatMap((run) => {
    const cost = costs.get(run.id);
    const from = done.get(run.id) ?? 0;
    const to = until ?? run.epochs;
    if (!cost || from >= to) return [];
    return [
      {
        steps: Math.round((to - from) * stepsPerEpoch(cost)),
        seconds: secondsOf(cost, from, to),
        cores: cost.config.threads,
        memory: cost.cost.peakBytes,
      },
    ];
  });
  return {
    stage,
    until,
    runs: left.length,
    steps: sum(left.map(({ steps }) => steps)),
    seconds: sum(left.map(({ seconds }) => seconds)),
    wallSeconds: sideBySide(left, budget),
  };
}

/** Seconds until all of `jobs` are done, each begun in its turn as soon as cores and memory are free. */
export function sideBySide(
  jobs: readonly { readonly seconds: number; readonly cores: number; readonly memory: number }[],
  { cores, memory }: Budget,
): number {
  let running: { end: number; cores: number; memory: number }[] = [];
  let now = 0;
  for (const job of jobs) {
    const fits = () =>
      running.length === 0 ||
      (sum(running.map((each) => each.cores)) + job.cores <= cores &&
        (memory === null || sum(running.map((each) => each.memory)) + job.memory <= memory));
    while (!fits()) {
      now = Math.min(...running.map(({ end }) => end));
      running = running.filter(({ end }) => end > now);
    }
    running.push({ ...job, end: now + job.seconds });
  }
  return Math.max(now, ...running.map(({ end }) => end));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/**
 * How many times longer the epochs that have been trained took than they were measured to; 1 before there are any.
 */
export function slowdown({ costs, facts }: Progress): number {
  const trained = [...facts].flatMap(([id, { epoch, seconds }]) => {
    const cost = costs.get(id);
    return cost && epoch > 0
      ? [{ seconds, expected: epoch * stepsPerEpoch(cost) * cost.cost.stepSeconds }]
      : [];
  });
  const expected = sum(trained.map((each) => each.expected));
  return expected > 0 ? sum(trained.map(({ seconds }) => seconds)) / expected : 1;
}
