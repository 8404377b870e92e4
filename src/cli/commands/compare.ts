import { Command, Option } from "commander";
import type { DeviceName } from "../../runtime/index.js";
import { deviceOption, jsonOption, parseCount, threadsOption } from "../options.js";

interface CompareCommandOptions {
  readonly final?: boolean;
  readonly measure?: boolean;
  readonly resamples: number;
  readonly device: DeviceName;
  readonly threads: number;
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly markdown?: boolean;
}

/** `echoduet compare RUN... | SWEEP`: which design is worth it. */
export function compareCommand(): Command {
  return new Command("compare")
    .description(
      "compare trained designs: accuracy with intervals, cost, practicality, tests, recommendation",
    )
    .argument("<paths...>", "run directories, or one sweep")
    .option("--final", "open the test split of a sweep, once; the sweep's journal records it")
    .option("--measure", "measure the latency of every design here and now")
    .option("--resamples <n>", "bootstrap resamples of the patients", (text) => parseCount(text, 100), 1000)
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(jsonOption().conflicts(["csv", "markdown"]))
    .addOption(new Option("--csv", "print CSV, one row a number").conflicts(["json", "markdown"]))
    .addOption(new Option("--markdown", "print Markdown").conflicts(["json", "csv"]))
    .action(async (paths: string[], { json, csv, markdown, ...options }: CompareCommandOptions) => {
      const { compare } = await import("../../experiments/index.js");
      const { comparisonCsv, comparisonMarkdown, formatComparison } = await import("../compare-text.js");
      const report = await compare({
        ...options,
        paths,
        final: options.final === true,
        measure: options.measure === true,
        onProgress: (message) => process.stderr.write(`${message}\n`),
      });
      const format = csv ? comparisonCsv : markdown ? comparisonMarkdown : formatComparison;
      process.stdout.write(`${json ? JSON.stringify(report, null, 2) : format(report)}\n`);
    });
}
