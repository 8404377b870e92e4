import { Command } from "commander";
import type { ReplayOptions, ReplayReport } from "../../experiments/index.js";
import { exitCodes } from "../format-error.js";
import { jsonOption } from "../options.js";
import { withTerminal } from "../terminal.js";

/** `echoduet replay CAPSULE`: trains again, and says whether it came out the same. */
export function replayCommand(): Command {
  return new Command("replay")
    .description(
      "train again what a capsule holds, and say whether every bit is the same; exit code 0 only then",
    )
    .argument("<capsule>", "file of `capsule`")
    .requiredOption("--data <file>", "data.yaml of the data that the run was trained on")
    .option("--out <dir>", "run directory; the next free name where it holds a run", "runs/replay")
    .option("--weights <file>", "weights that the run started from; by default where it found them")
    .option("--detection-weights <file>", "the same of a dual model's detection branch")
    .option("--classification-weights <file>", "the same of its classification branch")
    .addOption(jsonOption())
    .action(async (capsule: string, { json, ...options }: ReplayOptions & { json?: boolean }) => {
      const { replayCapsule } = await import("../../experiments/index.js");
      await withTerminal(async (terminal) => {
        const report = await replayCapsule(capsule, options, terminal);
        terminal.progress.stop();
        process.stdout.write(`${json ? JSON.stringify(report, null, 2) : formatReplay(report)}\n`);
        if (!report.identical) process.exitCode = exitCodes.userError;
      });
    });
}

/** Identical, or the first difference and what may explain it. */
export function formatReplay(report: ReplayReport): string {
  const { identical, steps, tensors, difference, environment, run } = report;
  const others = environment.map(
    ({ place, capsule, here }) => `other ${place}: ${here} here, ${capsule} in the capsule`,
  );
  if (identical || difference === null) {
    return [`identical: ${steps} steps and ${tensors} tensors, to the bit: ${run}`, ...others].join("\n");
  }
  const { place, capsule, here } = difference;
  const why =
    others.length > 0
      ? "bits are the same only with the same processor, ONNX Runtime and version of echoduet; then training takes another course"
      : "processor, versions and threads are those of the capsule, so that it should be the same: please report this";
  return [`differs from ${place}: ${here} here, ${capsule} in the capsule: ${run}`, ...others, why].join(
    "\n",
  );
}
