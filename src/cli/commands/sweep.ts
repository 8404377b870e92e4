import { Command } from "commander";
import type { prepareSweep, SweepStatus } from "../../experiments/index.js";
import { exitCodes } from "../format-error.js";
import { jsonOption } from "../options.js";
import { formatEnd, formatEstimate } from "../sweep-text.js";

interface SweepCommandOptions {
  readonly out?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly retryFailed?: boolean;
  readonly json?: boolean;
}

/** `echoduet sweep FILE`: trains the runs that a file asks for, or goes on with them. */
export function sweepCommand(): Command {
  return new Command("sweep")
    .description("train many runs of one file, some at a time, and choose between them on validation")
    .argument("<file>", "experiments.yaml; the same command goes on with a sweep that was stopped")
    .option("--out <dir>", "directory of the sweep; by default sweeps/NAME")
    .option("--dry-run", "tell what it costs, and train nothing")
    .option("--yes", "train although the estimate exceeds the budget's hours")
    .option("--retry-failed", "try failed runs again")
    .addOption(jsonOption())
    .action(async (file: string, options: SweepCommandOptions) => {
      const { prepareSweep, requireHours, runSweep } = await import("../../experiments/index.js");
      const { localTrainings, withInterrupt } = await import("../sweeping.js");
      const say = (text: string): void => void process.stderr.write(`${text}\n`);
      const { out, dryRun = false, json } = options;
      const prepared = await prepareSweep(file, { out, dryRun, onMessage: say });
      try {
        say(formatEstimate(prepared));
        if (dryRun) {
          if (json) process.stdout.write(`${JSON.stringify(estimateJson(prepared), null, 2)}\n`);
          return;
        }
        if (!options.yes) requireHours(prepared);
        const status = await withInterrupt((signal, table) =>
          runSweep({
            ...prepared,
            executor: localTrainings(),
            retryFailed: options.retryFailed === true,
            signal,
            onStatus: (now) => table.show(now),
          }),
        );
        if (json)
          process.stdout.write(`${JSON.stringify(statusJson(prepared.directory, status), null, 2)}\n`);
        else process.stdout.write(`${formatEnd(prepared.directory, status)}\n`);
        if (status.runs.some(({ state }) => state === "failed")) process.exitCode = exitCodes.userError;
      } finally {
        prepared.release();
      }
    });
}

function estimateJson({ directory, plan, estimate }: Awaited<ReturnType<typeof prepareSweep>>) {
  return { directory, name: plan.name, runs: plan.runs.map(({ id, name }) => ({ id, name })), ...estimate };
}

function statusJson(directory: string, { runs, selections }: SweepStatus) {
  return {
    directory,
    runs: runs.map(({ run, state, facts }) => ({
      id: run.id,
      name: run.name,
      state,
      failure: facts.failure,
    })),
    selections,
  };
}
