import { createRequire } from "node:module";
import sharp from "sharp";
import { type ConfigValues, parseWith, type TrainConfig, trainConfigSchema } from "../config/index.js";
import {
  type AugmentOptions,
  augmentBatch,
  augmentBatchFully,
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
} from "../data/index.js";
import { EchoDuetError } from "../errors.js";
import { writeFileAtomically } from "../io/index.js";
import { drawPredictions, drawSheet } from "../serving/index.js";
import { hostTensor } from "../tensor/index.js";
import { trainOverrides } from "./train-options.js";

const fontFile = createRequire(import.meta.url).resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");
const titleHeight = 28;

/** What `augment` is given, the options of augmentation among it. */
export interface AugmentCliOptions extends Readonly<Record<string, unknown>> {
  readonly preview: string;
  readonly split: string;
  readonly count: number;
  readonly seed: number;
  readonly size: TrainConfig["size"];
}

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

/**
 * Writes the picture that `augment` is asked for.
 * @returns frames shown
 */
export async function previewAugmentation(dataYaml: string, cli: AugmentCliOptions): Promise<number> {
  const given = parseWith(augmentSchema, augmentValues(cli), "options").augment;
  const options = augments(given) ? given : shown;
  if (options === shown) say("no augmentation given: showing every safe one at a strength to look at");
  for (const warning of augmentWarnings(options)) say(`warning: ${warning}`);
  const description = loadDataDescription(dataYaml);
  const frames = pick(listFrames(description, cli.split), cli);
  const batch = await batchOf(frames, cli.size);
  const picture = await drawAugmentations(batch, options, { seed: cli.seed, names: description.names });
  writeFileAtomically(cli.preview, picture);
  return frames.length;
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

/** One column of the preview: the batch under some augmentation. */
interface Column {
  readonly title: string;
  readonly batch: FrameBatch;
}

/**
 * A PNG with a row for each image of the batch: as it is, under each augmentation that is switched on alone
 * and at its full strength, and under all together as a training draws them; the boxes in green.
 */
export async function drawAugmentations(
  batch: FrameBatch,
  options: AugmentOptions,
  { seed, names }: { readonly seed: number; readonly names: readonly string[] },
): Promise<Buffer> {
  const place = { seed, epoch: 1, first: 0 };
  const columns: Column[] = [
    { title: "original", batch },
    ...aloneOptions(options).map(({ title, options: alone }) => ({
      title,
      batch: augmentBatchFully(batch, alone, place),
    })),
    { title: "all, as drawn", batch: augmentBatch(batch, options, place) },
  ];
  const tiles: Buffer[] = [];
  for (let row = 0; row < batch.frames.length; row++) {
    for (const column of columns) tiles.push(await tile(column, row, names));
  }
  return drawSheet(tiles, columns.length);
}

/** Each augmentation that is switched on, by itself. */
function aloneOptions(options: AugmentOptions): { title: string; options: AugmentOptions }[] {
  const { unsafe, ...safe } = options;
  const isOn = ([, strength]: [string, number]): boolean => strength > 0;
  return [
    ...Object.entries(safe)
      .filter(isOn)
      .map(([name, strength]) => ({
        title: `${name} ${strength}`,
        options: { ...noAugmentation, [name]: strength },
      })),
    ...Object.entries(unsafe)
      .filter(isOn)
      .map(([name, strength]) => ({
        title: `UNSAFE ${name} ${strength}`,
        options: { ...noAugmentation, unsafe: { ...noAugmentation.unsafe, [name]: strength } },
      })),
  ];
}

/** An image of a column with its boxes, under the column's title. */
async function tile({ title, batch }: Column, row: number, names: readonly string[]): Promise<Buffer> {
  const [, , height, width] = batch.images.shape;
  const truth = boxesOf(batch, row).map(({ label, box }) => ({ box, name: names[label] }));
  const picture = await drawPredictions(imageOf(batch, row), { detections: [], truth });
  const text = await sharp({
    text: {
      text: `<span foreground="white">${title}</span>`,
      font: "DejaVu Sans 15",
      fontfile: fontFile,
      rgba: true,
    },
  })
    .png()
    .toBuffer();
  const create = { width, height: height + titleHeight, channels: 3 as const, background: "#202020" };
  return sharp({ create })
    .composite([
      { input: picture, left: 0, top: titleHeight },
      { input: text, left: 6, top: 5 },
    ])
    .png()
    .toBuffer();
}

/** An image of a batch, [height, width, 3]. */
function imageOf({ images }: FrameBatch, row: number): { width: number; height: number; data: Uint8Array } {
  const [, , height, width] = images.shape;
  const plane = width * height;
  const data = new Uint8Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    for (let channel = 0; channel < 3; channel++) {
      data[3 * i + channel] = images.data[(3 * row + channel) * plane + i];
    }
  }
  return { width, height, data };
}

function boxesOf({ images, targets }: FrameBatch, row: number): { label: number; box: number[] }[] {
  const [, , height, width] = images.shape;
  const rows = Array.from({ length: targets.length / 6 }, (_, i) => targets.subarray(6 * i, 6 * i + 6));
  return rows
    .filter(([image]) => image === row)
    .map(([, label, cx, cy, w, h]) => ({
      label,
      box: [(cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height],
    }));
}
