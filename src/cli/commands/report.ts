import { join } from "node:path";
import { Command, Option } from "commander";
import {
  type Language,
  languages,
  type ReportFormat,
  reportFormats,
} from "../../experiments/report/document.js";
import type { DeviceName } from "../../runtime/index.js";
import { deviceOption, parseCount, threadsOption } from "../options.js";

interface ReportCommandOptions {
  readonly out?: string;
  readonly lang: Language;
  readonly format: ReportFormat;
  readonly images: boolean;
  readonly measure?: boolean;
  readonly resamples: number;
  readonly device: DeviceName;
  readonly threads: number;
}

/** `echoduet report RUN | SWEEP`: results with their sources, as a page or as tables. */
export function reportCommand(): Command {
  return new Command("report")
    .description("report a run or a sweep: one page with data card, curves, results, frames and verdict")
    .argument("<path>", "run directory, or sweep")
    .option("--out <file>", "file to write; by default report.html in the run or sweep, or standard output")
    .addOption(new Option("--lang <language>", "language of the report").choices(languages).default("en"))
    .addOption(
      new Option("--format <format>", "a page, or the tables alone").choices(reportFormats).default("html"),
    )
    .option("--no-images", "leave pictures of the data out")
    .option("--measure", "measure the latency here and now")
    .option("--resamples <n>", "bootstrap resamples of the patients", (text) => parseCount(text, 100), 1000)
    .addOption(deviceOption())
    .addOption(threadsOption())
    .action(async (path: string, { out, lang, measure, ...options }: ReportCommandOptions) => {
      // The charts take a while to load, and no other command needs them.
      const { makeReport, writeReport } = await import("../../experiments/index.js");
      const asked = {
        ...{ ...options, path, language: lang, measure: measure === true },
        onProgress: (message: string) => void process.stderr.write(`${message}\n`),
      };
      const file = out ?? (options.format === "html" ? join(path, "report.html") : null);
      if (file === null) {
        process.stdout.write(await makeReport(asked));
        return;
      }
      await writeReport(file, asked);
      process.stdout.write(`${file}\n`);
    });
}
