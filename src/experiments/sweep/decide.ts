import type { PlannedRun, SweepPlan } from "./plan.js";
import type { RunFacts } from "./run-facts.js";
import type { SelectionMetric } from "./sweep-file.js";

/** What is to become of a run now. `until` is the epoch after which its arm is compared; null: to the end. */
export type Decision =
  | { readonly action: "train"; readonly until: number | null }
  /** Others come first: its stage has not begun, or it has been trained as far as they are to come. */
  | { readonly action: "wait" }
  | { readonly action: "finished" }
  | { readonly action: "failed" }
  /** Its arm did not go on. */
  | { readonly action: "pruned" };

/** A comparison of arms on the validation splits. */
export interface Selection {
  readonly stage: string;
  /** Epoch within the stage; null after it. */
  readonly epoch: number | null;
  /** Mean over each arm's runs; null where one failed. */
  readonly scores: Readonly<Record<string, number | null>>;
  readonly kept: readonly string[];
}

/** Decisions by run id, and the comparisons that they follow from. */
export interface Decisions {
  readonly runs: ReadonlyMap<string, Decision>;
  readonly selections: readonly Selection[];
  /** Arms that no comparison has left behind. */
  readonly alive: readonly string[];
}

/**
 * What each run of a sweep is to do, from nothing but the plan and what the runs' directories hold: the same
 * facts give the same decisions, whoever asks and how often the sweep was stopped. An arm with a failed run
 * does not go on.
 */
export function decide(plan: SweepPlan, facts: ReadonlyMap<string, RunFacts>): Decisions {
  const selections: Selection[] = [];
  const actions = new Map<string, Decision>();
  let alive = armsOf(plan).map(({ arm }) => arm);
  let isBlocked = false;
  const compare = (stage: string, epoch: number | null, keep: Keep, runs: readonly PlannedRun[]) => {
    const arms = armsOf(plan).filter(({ arm }) => alive.includes(arm));
    const selection = select({ arms, stage, epoch, keep, metric: plan.asked.metric }, runs, facts);
    selections.push(selection);
    alive = [...selection.kept];
  };
  for (const [position, stage] of plan.stages.entries()) {
    const runs = plan.runs.filter(({ stages }) => stages.includes(stage.name));
    const own = () => runs.filter(({ arm }) => alive.includes(arm));
    let until: number | null = null;
    if (position === 0 && plan.asked.halving) {
      for (const epoch of plan.asked.halving.at) {
        if (own().some((run) => !hasReached(facts.get(run.id), epoch))) {
          until = epoch;
          break;
        }
        compare(stage.name, epoch, shareOf(plan, alive, plan.asked.halving.keep), runs);
      }
    }
    for (const run of runs) {
      const known = actions.get(run.id);
      if (known && known.action !== "wait" && known.action !== "pruned") continue;
      actions.set(run.id, actionOf(run, facts.get(run.id), { alive, isBlocked, until }));
    }
    isBlocked ||= own().some(({ id }) => ["train", "wait"].includes(actions.get(id)?.action ?? "wait"));
    if (!isBlocked && stage.keep !== null) compare(stage.name, null, stage.keep, runs);
  }
  return { runs: actions, selections, alive };
}

/** How many arms go on: of all, or of each family. */
export type Keep = number | Readonly<Record<string, number>>;

/** An arm of a plan, and the family that it is in. */
export interface PlannedArm {
  readonly arm: string;
  readonly family: string | null;
}

/** The arms of a plan, in its order. */
export function armsOf({ runs }: SweepPlan): PlannedArm[] {
  return [...new Map(runs.map(({ arm, family }) => [arm, { arm, family }])).values()];
}

/** A share of the arms that are left, rounded up: of each family where there are any. */
export function shareOf(plan: SweepPlan, alive: readonly string[], share: number): Keep {
  const families = armsOf(plan).flatMap(({ arm, family }) => (alive.includes(arm) ? [family] : []));
  const countOf = (name: string | null) => families.filter((family) => family === name).length;
  if (families.every((family) => family === null)) return Math.ceil(share * alive.length);
  return Object.fromEntries(families.map((name) => [name ?? "", Math.ceil(share * countOf(name))]));
}

/** The first arms of `ranked`, as many as go on, in their order. */
export function keptOf(ranked: readonly PlannedArm[], keep: Keep): string[] {
  if (typeof keep === "number") return ranked.slice(0, keep).map(({ arm }) => arm);
  return ranked
    .filter(({ arm, family }) => {
      const rivals = ranked.filter((other) => other.family === family);
      return rivals.findIndex((other) => other.arm === arm) < (keep[family ?? ""] ?? 0);
    })
    .map(({ arm }) => arm);
}

interface Place {
  readonly alive: readonly string[];
  readonly isBlocked: boolean;
  readonly until: number | null;
}

function actionOf(
  run: PlannedRun,
  facts: RunFacts | undefined,
  { alive, isBlocked, until }: Place,
): Decision {
  if (!alive.includes(run.arm)) return { action: "pruned" };
  if (facts?.state === "failed") return { action: "failed" };
  if (facts?.state === "finished") return { action: "finished" };
  if (isBlocked || (until !== null && hasReached(facts, until))) return { action: "wait" };
  return { action: "train", until };
}

/** Whether a run has been validated after `epoch`, or will never be. */
export function hasReached(facts: RunFacts | undefined, epoch: number): boolean {
  if (facts === undefined) return false;
  if (facts.state === "finished" || facts.state === "failed") return true;
  return (facts.validations.at(-1)?.epoch ?? 0) >= epoch;
}

function select(
  how: {
    arms: readonly PlannedArm[];
    stage: string;
    epoch: number | null;
    keep: Keep;
    metric: SelectionMetric;
  },
  runs: readonly PlannedRun[],
  facts: ReadonlyMap<string, RunFacts>,
): Selection {
  const { arms, stage, epoch, keep, metric } = how;
  const scores = new Map(
    arms.map(({ arm }) => {
      const own = runs.filter((run) => run.arm === arm).map(({ id }) => facts.get(id));
      return [arm, meanOf(own.map((each) => scoreOf(each, metric, epoch)))];
    }),
  );
  const sign = metric === "ece" ? -1 : 1;
  const ranked = arms
    .filter(({ arm }) => scores.get(arm) !== null)
    .sort((a, b) => sign * (scores.get(b.arm)! - scores.get(a.arm)!) || (a.arm < b.arm ? -1 : 1));
  return { stage, epoch, scores: Object.fromEntries(scores), kept: keptOf(ranked, keep) };
}

/**
 * A run's value of `metric` on its validation split, at the epoch that its best checkpoint is of: the one with the
 * greatest fitness, of equal ones the first.
 * @param until epochs after this one do not count; null: all do
 * @returns null for a failed run, one without validation, and a metric without value
 */
export function scoreOf(
  facts: RunFacts | undefined,
  metric: SelectionMetric,
  until: number | null = null,
): number | null {
  if (facts === undefined || facts.state === "failed") return null;
  const seen = facts.validations.filter(({ epoch }) => until === null || epoch <= until);
  if (seen.length === 0) return null;
  const best = seen.reduce((a, b) => (b.fitness > a.fitness ? b : a));
  if (metric === "fitness") return best.fitness;
  if (metric !== "tasks") return best.metrics[metric] ?? null;
  const { map50, balancedAccuracy } = best.metrics;
  return meanOf([map50, balancedAccuracy].filter((value) => value !== undefined));
}

function meanOf(values: readonly (number | null)[]): number | null {
  if (values.length === 0 || values.some((value) => value === null)) return null;
  return (values as number[]).reduce((sum, value) => sum + value, 0) / values.length;
}
