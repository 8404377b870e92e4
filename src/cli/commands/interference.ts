import { Command } from "commander";
import { EchoDuetError } from "../../errors.js";
import { writeFileAtomically } from "../../io/index.js";
import type { DeviceName } from "../../runtime/index.js";
import { deviceOption, jsonOption, parseCount, sizeOption, threadsOption } from "../options.js";

interface InterferenceCommandOptions {
  readonly features?: boolean;
  readonly data?: string;
  readonly split: string;
  readonly batches: number;
  readonly batch?: number;
  readonly limit: number;
  readonly size?: { width: number; height: number };
  readonly seed: number;
  readonly device: DeviceName;
  readonly threads: number;
  readonly json?: boolean;
  readonly out?: string;
}

/** `echoduet interference`: how the tasks of a trained model fight over what they share. */
export function interferenceCommand(): Command {
  return new Command("interference")
    .description("measure how the tasks' gradients, or with --features their features, disagree")
    .argument("<runs...>", "a run or a checkpoint; with --features RUN_JOINT RUN_DETECT RUN_CLASSIFY")
    .option("--features", "compare the features of a joint model with those of each task's own model")
    .option("--data <file>", "data.yaml; by default that of the (joint) model's training")
    .option("--split <name>", "train, val or test", "val")
    .option(
      "--batches <n>",
      "batches of all images, of each view and of each class",
      (text) => parseCount(text),
      8,
    )
    .option("--batch <n>", "images of a batch; by default that of the training", (text) => parseCount(text))
    .option(
      "--limit <n>",
      "with --features: most images of the split, and of the training split",
      (text) => parseCount(text, 4),
      400,
    )
    .addOption(sizeOption("network input, N or WxH (pixels); by default the training's"))
    .option("--seed <n>", "seed of the draw of images", (text) => parseCount(text, 0), 0)
    .addOption(deviceOption())
    .addOption(threadsOption())
    .option("--out <file>", "write the report as JSON to a file, too")
    .addOption(jsonOption())
    .action(run);
}

async function run(
  runs: string[],
  { features, json, out, ...options }: InterferenceCommandOptions,
): Promise<void> {
  const expected = features ? 3 : 1;
  if (runs.length !== expected) {
    throw new EchoDuetError(
      "config",
      features
        ? `interference --features: expected RUN_JOINT RUN_DETECT RUN_CLASSIFY, got ${runs.length} runs`
        : `interference: expected one run, got ${runs.length}; give --features to compare three`,
    );
  }
  const { compareFeatures, measureInterference } = await import("../../serving/index.js");
  const { formatFeatures, formatInterference } = await import("../interference-text.js");
  const print = (report: object, text: () => string) => {
    const whole = `${JSON.stringify(report, null, 2)}\n`;
    if (out !== undefined) writeFileAtomically(out, whole);
    process.stdout.write(json ? whole : `${text()}\n`);
  };
  if (features) {
    const [joint, detect, classify] = runs;
    const report = await compareFeatures({
      ...options,
      batch: options.batch ?? 16,
      ...{ joint, detect, classify },
      onProgress,
    });
    print(report, () => formatFeatures(report));
  } else {
    const report = await measureInterference({
      ...options,
      weights: runs[0],
      onProgress: (done, total) => onProgress(done, total, "batches"),
    });
    print(report, () => formatInterference(report));
  }
}

function onProgress(done: number, total: number, unit: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${done}/${total} ${unit}${done === total ? "\n" : ""}`);
}
