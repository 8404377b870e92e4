import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { exitCodes } from "../format-error.js";
import { jsonOption, parseCount } from "../options.js";
import { formatEstimate } from "../sweep-text.js";

interface StudyCommandOptions {
  readonly budget: number;
  readonly out: string;
  readonly weights?: string;
  readonly scale: string;
  readonly cores?: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** `echoduet study DATA.YAML`: the whole plan, from the audit to the recommendation, within a budget of hours. */
export function studyCommand(): Command {
  return new Command("study")
    .description(
      "audit the data, train every design on patient-wise folds within a budget, compare them, recommend one",
    )
    .argument("<data>", "data.yaml; the same command goes on with a study that was stopped")
    .requiredOption("--budget <time>", "longest time of the whole, such as 8h or 90m", parseHours)
    .requiredOption("--out <dir>", "directory of the study")
    .option(
      "--weights <path>",
      "weights that every design starts from, such as YOLOv5's for COCO (recommended)",
    )
    .addOption(
      new Option("--scale <letter>", "scale of YOLOv5").choices(["n", "s", "m", "l", "x"]).default("n"),
    )
    .option("--cores <n>", "trainings at a time, of one thread each; by default all cores", (text) =>
      parseCount(text),
    )
    .option("--dry-run", "audit, tell which protocol fits and what it costs, and train nothing")
    .addOption(jsonOption())
    .action(run);
}

async function run(
  data: string,
  { budget, out, weights, scale, cores, dryRun, json }: StudyCommandOptions,
): Promise<void> {
  const { study, studyFiles } = await import("../../experiments/index.js");
  const { localTrainings, withInterrupt } = await import("../sweeping.js");
  const { formatComparison } = await import("../compare-text.js");
  const { report, failed } = await withInterrupt((signal, table) =>
    study({
      data,
      out,
      hours: budget,
      weights: weights ?? null,
      scale,
      cores: cores ?? null,
      dryRun: dryRun === true,
      executor: localTrainings(),
      signal,
      onMessage: (message) => table.say(message),
      onPrepared: (prepared) => table.say(formatEstimate(prepared)),
      onStatus: (status) => table.show(status),
    }),
  );
  if (report === null) return;
  process.stdout.write(`${json ? JSON.stringify(report, null, 2) : formatComparison(report)}\n`);
  if (!json && report.recommendation) {
    process.stdout.write(
      `\nreport: ${join(out, studyFiles.reports.en)}, in Traditional Chinese ${join(out, studyFiles.reports["zh-TW"])}\n` +
        `to train the recommended design in earnest: echoduet train --config ${join(out, studyFiles.recommended)}\n`,
    );
  }
  if (failed > 0) process.exitCode = exitCodes.userError;
}

/** Hours that `8h`, `90m` or `1.5h` spells. */
function parseHours(text: string): number {
  const [, figure, unit] = /^(\d+(?:\.\d+)?)\s*(h|m|min)$/i.exec(text.trim()) ?? [];
  const hours = Number(figure) / (unit?.toLowerCase() === "h" ? 1 : 60);
  if (!(hours > 0)) throw new InvalidArgumentError("expected a time, such as 8h or 90m");
  return hours;
}
