import { Command, Option } from "commander";
import {
  type ConfigValues,
  parseWith,
  type TrainConfig,
  trainConfigSchema,
  trainOptions,
} from "../../config/index.js";
import {
  augments,
  augmentWarnings,
  decodeImage,
  type FrameBatch,
  type FrameRecord,
  letterbox,
  listFrames,
  loadDataDescription,
  networkTargets,
  noAugmentation,
  sampledOrder,
} from "../../data/index.js";
import { EchoDuetError } from "../../errors.js";
import { writeFileAtomically } from "../../io/index.js";
import { hostTensor } from "../../tensor/index.js";
import { drawAugmentations } from "../augment-preview.js";
import { parseCount, sizeOption, trainOverrides } from "../options.js";

/** What the preview shows when no augmentation is asked for: each safe one, at strengths to look at. */
const shown: TrainConfig["augment"] = {
  rotate: 10,
  scale: 0.3,
  translate: 0.1,
  gain: 0.3,
  contrast: 0.3,
  speckle: 0.25,
  timeGain: 0.3,
  blur: 1,
  sectorEdge: 0.25,
  overlay: 0.5,
  mosaic: 0.3,
  unsafe: noAugmentation.unsafe,
};

const augmentSchema = trainConfigSchema.pick({ augment: true });

interface AugmentCliOptions extends Readonly<Record<string, unknown>> {
  readonly preview: string;
  readonly split: string;
  readonly count: number;
  readonly seed: number;
  readonly size: TrainConfig["size"];
}

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
  return command.action(run);
}

function number(flag: string, description: string, value: number, least: number): Option {
  return new Option(flag, description).argParser((text) => parseCount(text, least)).default(value);
}

async function run(dataYaml: string, cli: AugmentCliOptions): Promise<void> {
  const given = parseWith(augmentSchema, augmentValues(cli), "options").augment;
  const options = augments(given) ? given : shown;
  if (options === shown) say("no augmentation given: showing every safe one at a strength to look at");
  for (const warning of augmentWarnings(options)) say(`warning: ${warning}`);
  const description = loadDataDescription(dataYaml);
  const frames = pick(listFrames(description, cli.split), cli);
  const batch = await batchOf(frames, cli.size);
  const picture = await drawAugmentations(batch, options, { seed: cli.seed, names: description.names });
  writeFileAtomically(cli.preview, picture);
  console.log(`${cli.preview}: ${frames.length} images of ${cli.split}`);
}

/** What the options say of augmentation; the seed of this command is no option of a training. */
function augmentValues(options: Readonly<Record<string, unknown>>): ConfigValues {
  const { augment } = trainOverrides(options);
  return augment === undefined ? {} : { augment };
}

function say(message: string): void {
  process.stderr.write(`${message}\n`);
}

/** Frames of every class and view in turn, each once. */
function pick(
  frames: readonly FrameRecord[],
  { split, count, seed }: { split: string; count: number; seed: number },
): FrameRecord[] {
  if (frames.length === 0) {
    throw new EchoDuetError(
      "data",
      `split ${split}: expected images to show, got none; choose another --split`,
    );
  }
  const order = sampledOrder(frames, "class-view", { seed, epoch: 1 });
  return [...new Set(order)].slice(0, count).map((index) => frames[index]);
}

async function batchOf(frames: readonly FrameRecord[], size: TrainConfig["size"]): Promise<FrameBatch> {
  const images = await Promise.all(
    frames.map(async ({ imagePath }) => letterbox(await decodeImage(imagePath), size)),
  );
  const data = new Uint8Array(images.length * 3 * size.width * size.height);
  images.forEach((image, row) => {
    data.set(image.data, row * image.data.length);
  });
  return {
    images: hostTensor("uint8", [images.length, 3, size.height, size.width], data),
    letterboxes: images,
    targets: networkTargets(frames, images),
    views: Int32Array.from(frames, (frame) => frame.view),
    detectionMask: Uint8Array.from(frames, (frame) => (frame.detectionMasked ? 0 : 1)),
    frames,
  };
}
