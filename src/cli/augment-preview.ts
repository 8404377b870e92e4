import { createRequire } from "node:module";
import sharp from "sharp";
import {
  type AugmentOptions,
  augmentBatch,
  augmentBatchFully,
  type FrameBatch,
  noAugmentation,
} from "../data/index.js";
import { drawPredictions, drawSheet } from "../serving/index.js";

const fontFile = createRequire(import.meta.url).resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");
const titleHeight = 28;

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
