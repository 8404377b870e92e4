import type { PreparedSweep, RunStatus, SweepStatus } from "../experiments/index.js";
import { formatDuration } from "./progress-bar.js";

/** What a sweep costs, phase by phase, as a table. */
export function formatEstimate({ directory, plan, budget, estimate, costs }: PreparedSweep): string {
  const { phases, wallSeconds, unknown } = estimate;
  const known = [...costs.values()].flatMap((each) => each ?? []);
  const peak = Math.max(0, ...known.map(({ cost }) => cost.peakBytes));
  const rows = phases.map(({ stage, until, runs, steps, seconds, wallSeconds: wall }) => [
    until === null ? stage : `${stage} to epoch ${until}`,
    ...[runs, steps].map(String),
    ...[seconds, wall].map(formatDuration),
  ]);
  const memory = budget.memory === null ? "" : ` and ${megabytes(budget.memory)}`;
  return [
    `${plan.name}: ${plan.runs.length} runs in ${directory}, within ${budget.cores} ${budget.cores === 1 ? "core" : "cores"}${memory}`,
    ...alignRows([["left to do", "runs", "steps", "in a row", "side by side"], ...rows]),
    `estimated ${formatDuration(wallSeconds)}, at most ${megabytes(peak)} a run` +
      (phases.length > 1 ? "; where arms are still to be compared, the costliest are counted" : "") +
      (unknown > 0 ? `; ${unknown} runs could not be measured and are not counted` : ""),
  ].join("\n");
}

/** How a sweep stands, in one line: counts by state, and the time left. */
export function formatCounts({ runs, secondsLeft }: SweepStatus): string {
  const states = ["finished", "training", "interrupted", "waiting", "pruned", "failed"] as const;
  const counts = states.flatMap((state) => {
    const count = runs.filter((each) => each.state === state).length;
    return count === 0 ? [] : [`${count} ${state}`];
  });
  return `${counts.join(", ")} of ${runs.length} runs | ETA ${formatDuration(secondsLeft)}`;
}

/** The runs that are being trained, as rows of a table. */
export function formatTraining({ runs }: SweepStatus): string[] {
  const training = runs.filter(({ state }) => state === "training");
  return alignRows(
    training.map(({ run, facts, steps }) => [
      run.name,
      `epoch ${facts.epoch}/${run.epochs}`,
      `step ${facts.step}${steps === null ? "" : `/${steps}`}`,
      bestText(facts),
    ]),
  );
}

/** One line of a run that has come to another state. */
export function formatRun({ run, state, facts }: RunStatus): string {
  const best = bestText(facts);
  return `${state} ${run.name}${best === "" ? "" : ` | ${best}`}${facts.failure === null ? "" : ` | ${facts.failure}`}`;
}

/** What a sweep came to: its comparisons, and each run that failed. */
export function formatEnd(directory: string, status: SweepStatus): string {
  const comparisons = status.selections.flatMap(({ stage, epoch, scores, kept }) => [
    `${stage}${epoch === null ? "" : ` after epoch ${epoch}`}: ${kept.join("; ") || "none"} of ${Object.keys(scores).length} arms go on`,
  ]);
  const failed = status.runs.filter(({ state }) => state === "failed");
  return [
    ...comparisons,
    ...failed.map(formatRun),
    ...(failed.length > 0 ? [`${failed.length} failed: --retry-failed tries them again`] : []),
    `${formatCounts(status).split(" | ")[0]}: ${directory}`,
  ].join("\n");
}

function bestText({ validations }: RunStatus["facts"]): string {
  if (validations.length === 0) return "";
  return `best fitness ${Math.max(...validations.map(({ fitness }) => fitness)).toFixed(4)}`;
}

function alignRows(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  "),
  );
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MB`;
}
