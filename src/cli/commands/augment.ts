import { Command, Option } from "commander";
import { trainOptions } from "../../config/index.js";
import type { AugmentCliOptions } from "../augment-preview.js";
import { parseCount, sizeOption } from "../options.js";

/** `echoduet augment`: a picture of what augmentation does to the images of a data set. */
export function augmentCommand(): Command {
  const command = new Command("augment")
    .description("draw what augmentation makes of a data set's images")
    .argument("<data.yaml>", "labelled data")
    .requiredOption("--preview <file>", "PNG to write")
    .option("--split <split>", "train, val (or valid), test", "train")
    .addOption(number("--count <n>", "images to show, a row each", 4, 1))
    .addOption(number("--seed <n>", "seed of the images and of what is drawn", 0, 0))
    .addOption(sizeOption().default({ width: 320, height: 320 }, "320"));
  for (const { path, flag, help } of trainOptions) {
    if (path[0] === "augment") command.addOption(new Option(`${flag} <value>`, help));
  }
  return command.action(async (dataYaml: string, options: AugmentCliOptions) => {
    const { previewAugmentation } = await import("../augment-preview.js");
    const frames = await previewAugmentation(dataYaml, options);
    console.log(`${options.preview}: ${frames} images of ${options.split}`);
  });
}

function number(flag: string, description: string, value: number, least: number): Option {
  return new Option(flag, description).argParser((text) => parseCount(text, least)).default(value);
}
