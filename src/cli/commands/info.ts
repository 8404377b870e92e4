import { Command } from "commander";
import {
  createModel,
  formatSummary,
  modelNames,
  summariseModel,
  type Tap,
  taps,
} from "../../models/index.js";
import { jsonOption, parseCount, sizeOption } from "../options.js";
import { Option } from "commander";

interface InfoOptions {
  readonly size: { width: number; height: number };
  readonly batch: number;
  readonly classes: number;
  readonly views: number;
  readonly tap: Tap;
  readonly json?: boolean;
}

/** `echoduet info MODEL`: layers, parameters, FLOPs, activation memory. */
export function infoCommand(): Command {
  return new Command("info")
    .description("print a model's layers, parameters, FLOPs and activation memory")
    .argument("<model>", modelNames.join(", "))
    .addOption(sizeOption().default({ width: 320, height: 320 }, "320"))
    .option("--batch <n>", "images at a time", (text) => parseCount(text), 1)
    .option("--classes <n>", "detection classes", (text) => parseCount(text), 4)
    .option("--views <n>", "view classes", (text) => parseCount(text), 3)
    .addOption(new Option("--tap <tap>", "features that the classifier reads").choices(taps).default("p3"))
    .addOption(jsonOption())
    .action((name: string, { size, batch, classes, views, tap, json }: InfoOptions) => {
      const model = createModel(name, { classes, views, tap });
      const summary = summariseModel(model, { batch, ...size });
      process.stdout.write(`${json ? JSON.stringify(summary, null, 2) : formatSummary(summary)}\n`);
    });
}
