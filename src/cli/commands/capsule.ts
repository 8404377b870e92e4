import { join } from "node:path";
import { Command } from "commander";
import type { Capsule } from "../../experiments/index.js";
import { writeFileAtomically } from "../../io/index.js";
import { jsonOption } from "../options.js";

/** `echoduet capsule RUN`: packs what a finished run can be told and repeated by. */
export function capsuleCommand(): Command {
  return new Command("capsule")
    .description("pack a finished run into one file without images, to be trained again with replay")
    .argument("<run>", "the run's directory")
    .option("--out <file>", "the capsule; by default capsule.json in the run's directory")
    .addOption(jsonOption())
    .action(async (run: string, { out, json }: { out?: string; json?: boolean }) => {
      const { packCapsule } = await import("../../experiments/index.js");
      const capsule = packCapsule(run);
      const file = out ?? join(run, "capsule.json");
      writeFileAtomically(file, `${JSON.stringify(capsule)}\n`);
      const text = json
        ? JSON.stringify({ file, ...summaryOf(capsule) }, null, 2)
        : formatCapsule(file, capsule);
      process.stdout.write(`${text}\n`);
    });
}

function summaryOf({ data, steps, checkpoints: { last } }: Capsule) {
  const { train, val, test } = data;
  return {
    frames: { train: train.frames.length, val: val.frames.length, test: test?.frames.length ?? 0 },
    steps: steps.length,
    epochs: last.epoch,
    tensors: Object.keys(last.tensors).length,
  };
}

function formatCapsule(file: string, capsule: Capsule): string {
  const { frames, steps, epochs, tensors } = summaryOf(capsule);
  return (
    `${file}: ${steps} steps in ${epochs} epochs, ${tensors} tensors of the last checkpoint, ` +
    `names of ${frames.train} train, ${frames.val} val and ${frames.test} test frames; no image`
  );
}
