import { Command } from "commander";
import type { RepairSummary, RevertSummary } from "../../data/repair/index.js";
import { EchoDuetError } from "../../errors.js";
import { jsonOption } from "../options.js";

interface RepairCommandOptions {
  readonly plan?: string;
  readonly revert?: string;
  readonly out: string;
  readonly json?: boolean;
}

/** `echoduet repair`: applies a plan of `audit --fix` to a copy of its data, or undoes one. */
export function repairCommand(): Command {
  return new Command("repair")
    .description(
      "make a repaired copy of data by a plan of `audit --fix`, or undo a repair in a further copy",
    )
    .option("--plan <file>", "the plan, as you edited it; its data is only read")
    .option("--revert <dir>", "a repaired copy to undo; it is only read")
    .requiredOption("--out <dir>", "folder to make, outside the data")
    .addOption(jsonOption())
    .action(async ({ plan, revert, out, json }: RepairCommandOptions) => {
      if ((plan === undefined) === (revert === undefined)) {
        const got = plan === undefined ? "neither" : "both";
        throw new EchoDuetError("config", `repair: expected either --plan or --revert, got ${got}; give one`);
      }
      const { repairData, revertRepair } = await import("../../data/repair/index.js");
      const text =
        plan !== undefined
          ? tell(repairData(plan, out, { onProgress }), json, formatRepair)
          : tell(revertRepair(revert ?? "", out, { onProgress }), json, formatRevert);
      process.stdout.write(`${text}\n`);
    });
}

function tell<T>(summary: T, json: boolean | undefined, format: (summary: T) => string): string {
  return json ? JSON.stringify(summary, null, 2) : format(summary);
}

/** What a repair did, as lines of text. */
export function formatRepair({ data, log, actions, moot, counts, images }: RepairSummary): string {
  const { frames, labelFiles, lines } = counts;
  const done = Object.entries(actions).map(([code, count]) => `${code} ${count}`);
  return [
    `wrote ${data}`,
    `actions: ${done.join(", ") || "none"}${moot > 0 ? `; ${moot} more on what others remove` : ""}`,
    `frames: ${frames.in} = ${frames.out} + ${frames.dropped} dropped; images ${describeImages(images)}`,
    `label files: ${labelFiles.in} = ${labelFiles.out} + ${labelFiles.dropped} dropped; ${labelFiles.changed} changed`,
    `label lines: ${lines.in} + ${lines.added} added = ${lines.out} + ${lines.removed} removed`,
    `log: ${log}`,
  ].join("\n");
}

/** What a revert did, as lines of text. */
export function formatRevert({ data, files, images }: RevertSummary): string {
  return [
    `wrote ${data}`,
    `files: ${files.out}, of them ${files.restored} restored and ${files.returned} returned; images ${describeImages(images)}`,
  ].join("\n");
}

function describeImages({ linked, copied }: RepairSummary["images"]): string {
  return [...(linked > 0 ? [`${linked} hard-linked`] : []), ...(copied > 0 ? [`${copied} copied`] : [])].join(
    ", ",
  );
}

let told = 0;

/** Every percent of the way is enough: the files are many and small. */
function onProgress(done: number, total: number): void {
  if (!process.stderr.isTTY) return;
  const percent = Math.floor((100 * done) / total);
  if (percent !== told) process.stderr.write(`\r${done}/${total} files${done === total ? "\n" : ""}`);
  told = percent;
}
