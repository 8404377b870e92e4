import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, extname, join } from "node:path";
import sharp, { type OverlayOptions } from "sharp";
import type { ConvertOptions, WrittenFrame } from "../data/formats/index.js";
import { type DecodedImage, decodeImage, loadDataDescription } from "../data/index.js";
import { drawSheet } from "../serving/index.js";
import { randomStream } from "../tensor/index.js";
import { type LabelDrawing, type Outline, outputLabel, sourceLabels } from "./check-labels.js";

const fontFile = createRequire(import.meta.url).resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");
const panelWidth = 520;
const captionHeight = 48;
const [sourceColour, outputColour, captionColour] = ["#1ea83c", "#e03030", "#202020"];
/** Differences of a few grey levels must be seen as well. */
const differenceGain = 16;

/** Frames to look at: one after the other from each pair of class and view that occurs, in a fixed order. */
export function pickFrames(frames: readonly WrittenFrame[], count: number): WrittenFrame[] {
  const groups = new Map<string, WrittenFrame[]>();
  for (const frame of frames) {
    const { label } = frame.source;
    const key = `${label?.shapes[0]?.class ?? -1} ${label?.view ?? -1}`;
    const group = groups.get(key);
    if (group) group.push(frame);
    else groups.set(key, [frame]);
  }
  const queues = [...groups.keys()]
    .sort()
    .map((key) => randomStream(0, "check", key).shuffled(groups.get(key) ?? []));
  const picked: WrittenFrame[] = [];
  for (let round = 0; picked.length < count && queues.some((queue) => queue.length > round); round++) {
    picked.push(...queues.flatMap((queue) => queue.slice(round, round + 1)));
  }
  return picked.slice(0, count);
}

/**
 * Draws `check/SPLIT-NAME.png` in the output's folder for each frame. Its four panels: the source image; with
 * its label as its own file has it, in green; the written image with the label as written, in red; the
 * difference of the pixels with both labels over each other, and both views.
 * @throws EchoDuetError `data` for an image that cannot be decoded
 */
export async function drawChecks(
  folder: string,
  frames: readonly WrittenFrame[],
  source: ConvertOptions["source"],
): Promise<void> {
  await mkdir(join(folder, "check"), { recursive: true });
  const description = loadDataDescription(join(folder, "data.yaml"));
  const labelOf = sourceLabels(source, frames);
  for (const frame of frames) {
    const before = await decodeImage(frame.source.imagePath);
    const after = await decodeImage(join(folder, frame.image));
    const from = labelOf(frame, before);
    const to = outputLabel(join(folder, frame.label), description, after);
    const name = `${frame.split}-${basename(frame.image, extname(frame.image))}.png`;
    const panels = [
      await panel(
        before,
        [],
        `source: ${basename(frame.source.imagePath)}, ${before.width} x ${before.height}`,
      ),
      await panel(before, [{ ...from, colour: sourceColour }], `source label; view: ${from.view}`),
      await panel(after, [{ ...to, colour: outputColour }], `as written; view: ${to.view}`),
      await differencePanel({ before, after, from, to }),
    ];
    await writeFile(join(folder, "check", name), await drawSheet(panels, 2));
  }
}

async function differencePanel({
  before,
  after,
  from,
  to,
}: {
  readonly before: DecodedImage;
  readonly after: DecodedImage;
  readonly from: LabelDrawing;
  readonly to: LabelDrawing;
}): Promise<Buffer> {
  const difference = before.data.map((value, index) => Math.abs(value - after.data[index]));
  const most = difference.reduce((a, b) => Math.max(a, b), 0);
  const image = { ...before, data: difference.map((value) => Math.min(255, value * differenceGain)) };
  const apart = greatestDistance(from.outlines, to.outlines);
  const counts = `outlines: ${from.outlines.length} before, ${to.outlines.length} after`;
  const distance = apart === null ? counts : `${counts}, ${apart.toFixed(4)} px apart`;
  const layers = [
    { ...from, colour: sourceColour, names: false },
    { ...to, colour: outputColour, names: false, dashed: true },
  ];
  const caption = `largest difference of a pixel: ${most}; ${distance}\nview before: ${from.view}; after: ${to.view}`;
  return panel(image, layers, caption);
}

/** How far the box around a written outline is, at most, from that around the nearest one of the source. */
function greatestDistance(from: readonly Outline[], to: readonly Outline[]): number | null {
  if (from.length === 0 || to.length === 0) return null;
  const boxes = from.map(({ points }) => boundsOf(points));
  const distances = to.map(({ points }) => {
    const box = boundsOf(points);
    return Math.min(...boxes.map((other) => Math.max(...box.map((v, i) => Math.abs(v - other[i])))));
  });
  return Math.max(...distances);
}

function boundsOf(points: readonly number[]): number[] {
  const [xs, ys] = [0, 1].map((axis) => points.filter((_, index) => index % 2 === axis));
  const least = (values: readonly number[]) => values.reduce((a, b) => Math.min(a, b));
  const most = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b));
  return [least(xs), least(ys), most(xs), most(ys)];
}

interface Layer extends LabelDrawing {
  readonly colour: string;
  /** Whether the outlines are named; true by default. */
  readonly names?: boolean;
  readonly dashed?: boolean;
}

/** An image, scaled to the panel's width, with outlines over it and a caption beneath. */
async function panel(image: DecodedImage, layers: readonly Layer[], caption: string): Promise<Buffer> {
  const scale = panelWidth / image.width;
  const height = Math.max(1, Math.round(image.height * scale));
  const pixels = await sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } })
    .resize(panelWidth, height, { fit: "fill" })
    .png()
    .toBuffer();
  const captionText = await textPicture(caption, "white", panelWidth - 12, captionHeight - 6);
  const overlays: OverlayOptions[] = [
    { input: pixels, left: 0, top: 0 },
    { input: outlinePicture(layers, scale, height), left: 0, top: 0 },
    ...(await Promise.all(layers.map((layer) => namePlates(layer, scale, height)))).flat(),
    { input: captionText, left: 6, top: height + 4 },
  ];
  const create = {
    width: panelWidth,
    height: height + captionHeight,
    channels: 3 as const,
    background: captionColour,
  };
  return sharp({ create }).composite(overlays).png().toBuffer();
}

function outlinePicture(layers: readonly Layer[], scale: number, height: number): Buffer {
  const polygons = layers.flatMap(({ outlines, colour, dashed }) =>
    outlines.map(({ points }) => {
      const scaled = points.map((value) => (value * scale).toFixed(2)).join(" ");
      const line = dashed ? 'stroke-width="2" stroke-dasharray="7 7"' : 'stroke-width="3"';
      return `<polygon points="${scaled}" fill="none" stroke="${colour}" ${line}/>`;
    }),
  );
  const size = `width="${panelWidth}" height="${height}"`;
  return Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" ${size}>${polygons.join("")}</svg>`);
}

async function namePlates(layer: Layer, scale: number, height: number): Promise<OverlayOptions[]> {
  if (layer.names === false) return [];
  return Promise.all(
    layer.outlines.map(async ({ points, name }) => {
      const [left, top] = boundsOf(points).map((value) => Math.round(value * scale));
      const input = await textPicture(` ${name} `, "white", panelWidth, 24, layer.colour);
      const size = await sharp(input).metadata();
      const x = Math.max(0, Math.min(left, panelWidth - size.width));
      const y = Math.max(0, Math.min(top - size.height - 2, height - size.height));
      return { input, left: x, top: y };
    }),
  );
}

/** Text as a PNG of at most `width` x `height` pixels, on `background` where one is given. */
async function textPicture(
  text: string,
  colour: string,
  width: number,
  height: number,
  background?: string,
): Promise<Buffer> {
  const escaped = text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c] ?? c);
  const plate = background ? ` background="${background}"` : "";
  const picture = sharp({
    text: {
      // Pango refuses control characters.
      text: `<span foreground="${colour}"${plate}>${escaped.replace(/[^\P{Cc}\n]/gu, " ")}</span>`,
      font: "DejaVu Sans 13",
      fontfile: fontFile,
      // At 72 dpi a point is a pixel.
      dpi: 72,
      rgba: true,
      width,
      wrap: "char",
    },
  });
  const { data, info } = await picture.png().toBuffer({ resolveWithObject: true });
  const crop = { left: 0, top: 0, width: Math.min(info.width, width), height: Math.min(info.height, height) };
  return sharp(data).extract(crop).png().toBuffer();
}
