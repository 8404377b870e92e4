import { Command } from "commander";
import { jsonOption } from "../options.js";

interface CurvesOptions {
  readonly out?: string;
  readonly json?: boolean;
}

/** `echoduet curves RUN...`: the history of training runs as figures and a page. */
export function curvesCommand(): Command {
  return new Command("curves")
    .description(
      "draw losses, weights, norms, metrics and conflict of runs: SVG, PNG and one interactive page",
    )
    .argument("<runs...>", "run directories; several, and the stages of one, are drawn over each other")
    .option("--out <dir>", "folder of the figures; by default curves in the run, or curves for several runs")
    .addOption(jsonOption())
    .action(async (runs: string[], { out, json }: CurvesOptions) => {
      const { drawCurves } = await import("../../experiments/index.js");
      const drawn = await drawCurves(runs, out);
      if (json) {
        process.stdout.write(`${JSON.stringify(drawn, null, 2)}\n`);
        return;
      }
      for (const { name, files } of drawn.figures) process.stdout.write(`${name}: ${files.join(" ")}\n`);
      process.stdout.write(`page: ${drawn.page}\n`);
    });
}
