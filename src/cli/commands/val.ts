import { Command } from "commander";
import type { DeviceName } from "../../runtime/index.js";
import { deviceOption, jsonOption, parseCount, sizeOption, threadsOption } from "../options.js";

interface ValOptions {
  readonly weights: string;
  readonly data: string;
  readonly split: string;
  readonly size?: { width: number; height: number };
  readonly batch: number;
  readonly device: DeviceName;
  readonly threads: number;
  readonly json?: boolean;
}

/** `echoduet val`: scores a model on a split. */
export function valCommand(): Command {
  return new Command("val")
    .description("score a model on a split of labelled data")
    .requiredOption("--weights <path>", "a run, a checkpoint, a .pt or a .safetensors file")
    .requiredOption("--data <file>", "data.yaml")
    .option("--split <name>", "train, val or test", "val")
    .addOption(sizeOption("network input, N or WxH (pixels); by default the training's, else 640"))
    .option("--batch <n>", "images at a time", (text) => parseCount(text), 16)
    .addOption(deviceOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .action(async ({ json, ...options }: ValOptions) => {
      const { validate } = await import("../../serving/index.js");
      const { formatValidation } = await import("../validation-text.js");
      const showsProgress = process.stderr.isTTY === true;
      const report = await validate({
        ...options,
        onProgress: (images, total) => {
          if (showsProgress)
            process.stderr.write(`\r${images}/${total} images${images === total ? "\n" : ""}`);
        },
      });
      process.stdout.write(`${json ? JSON.stringify(report, null, 2) : formatValidation(report)}\n`);
    });
}
