import { existsSync } from "node:fs";
import { join, resolve, sep } from "node:path";
import { EchoDuetError } from "../../errors.js";
import { type LoggedEvent, readEvents, readRunInfo, runFiles } from "../../training/index.js";

/** A number at a step (or an epoch): x, then y. */
export type Point = readonly [number, number];

/** Points by name, such as that of a task, in the order in which the names first occur. */
export type Curves = ReadonlyMap<string, readonly Point[]>;

type EventOf<T extends LoggedEvent["type"]> = Extract<LoggedEvent, { type: T }>;

/** What the events of one run hold, as curves; what no event holds is empty. */
export interface RunHistory {
  /** The last part of `path`, or as many parts as tell it from the other runs. */
  readonly name: string;
  readonly path: string;
  readonly model: string;
  /** Its `run.json`. */
  readonly info: ReturnType<typeof readRunInfo>;
  /** The last step and the last epoch begun, as logged. */
  readonly steps: number;
  readonly epochs: number;
  /** By step: unweighted losses, tasks and their items (`detection.box`). */
  readonly losses: Curves;
  readonly taskWeights: Curves;
  readonly learningRate: Curves;
  readonly gradientNorm: Curves;
  /** By step: what the balancer measured, a quantity's curves by task. */
  readonly balance: ReadonlyMap<string, Curves>;
  /** By epoch: metrics of the validation, with the fitness. */
  readonly validation: Curves;
  readonly validationSplits: readonly string[];
  readonly alarms: readonly EventOf<"alarm">[];
  readonly probes: readonly EventOf<"interference">[];
}

/**
 * The histories of the runs in the folders `paths`, in their order.
 * @throws EchoDuetError `config` where a run is given twice, `io` for a folder that is no run, `data` for a run
 *   without any step or with a damaged log
 */
export function readRunHistories(paths: readonly string[]): RunHistory[] {
  const full = paths.map((path) => resolve(path));
  const twice = full.find((path, i) => full.indexOf(path) !== i);
  if (twice !== undefined) {
    throw new EchoDuetError("config", `${twice}: expected each run once, got it twice; leave one out`);
  }
  const names = shortNames(full);
  return paths.map((path, i) => readRunHistory(path, names[i]));
}

/** The last parts of each path, as many for all as tell them apart. */
export function shortNames(paths: readonly string[]): string[] {
  const parts = paths.map((path) => path.split(sep).filter((part) => part !== ""));
  for (let count = 1; ; count++) {
    const names = parts.map((all) => all.slice(-count).join("/"));
    if (new Set(names).size === names.length) return names;
  }
}

function readRunHistory(path: string, name: string): RunHistory {
  const log = join(path, runFiles.events);
  if (!existsSync(log)) {
    throw new EchoDuetError(
      "io",
      `${path}: expected the folder of a run, got no ${runFiles.events} there; check the path`,
    );
  }
  const events = readEvents(log);
  const of = <T extends LoggedEvent["type"]>(type: T): EventOf<T>[] =>
    events.filter((event): event is EventOf<T> => event.type === type);
  const steps = of("step");
  if (steps.length === 0) {
    throw new EchoDuetError(
      "data",
      `${log}: expected a run with at least one step, got none; train it first, or leave it out`,
    );
  }
  const byStep = (values: (step: EventOf<"step">) => Readonly<Record<string, number | null>> | undefined) =>
    curvesOf(steps.map((step) => [step.step, values(step) ?? {}]));
  const quantities = [...new Set(steps.flatMap(({ balance }) => Object.keys(balance ?? {})))];
  const validations = of("validation");
  return {
    name,
    path,
    model: of("start").at(-1)?.model ?? "",
    info: readRunInfo(path),
    steps: steps[steps.length - 1].step,
    epochs: steps[steps.length - 1].epoch,
    losses: byStep(({ losses }) => losses),
    taskWeights: byStep(({ taskWeights }) => taskWeights),
    learningRate: byStep(
      ({ learningRate, branches }) =>
        byBranch(branches, (branch) => branch.learningRate) ?? { "learning rate": learningRate },
    ),
    gradientNorm: byStep(
      ({ gradientNorm, branches }) =>
        byBranch(branches, (branch) => branch.gradientNorm) ?? { "gradient norm": gradientNorm },
    ),
    balance: new Map(quantities.map((quantity) => [quantity, byStep(({ balance }) => balance?.[quantity])])),
    validation: curvesOf(validations.map(({ epoch, metrics, fitness }) => [epoch, { ...metrics, fitness }])),
    validationSplits: [...new Set(validations.map(({ split }) => split))],
    alarms: of("alarm"),
    probes: of("interference"),
  };
}

/** One number a branch; undefined where the model has no branches. */
function byBranch(
  branches: EventOf<"step">["branches"],
  pick: (branch: { readonly learningRate: number; readonly gradientNorm: number }) => number,
): Record<string, number> | undefined {
  return branches && Object.fromEntries(Object.entries(branches).map(([name, each]) => [name, pick(each)]));
}

/** Rows of named numbers as one curve a name; null is no point, and a name with no point has no curve. */
export function curvesOf(
  rows: readonly (readonly [number, Readonly<Record<string, number | null>>])[],
): Curves {
  const curves = new Map<string, Point[]>();
  for (const [x, values] of rows) {
    for (const [name, y] of Object.entries(values)) {
      if (y === null) continue;
      const points = curves.get(name);
      if (points) points.push([x, y]);
      else curves.set(name, [[x, y]]);
    }
  }
  return curves;
}
