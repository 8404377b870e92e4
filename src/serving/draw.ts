import { createRequire } from "node:module";
import sharp from "sharp";
import { EchoDuetError } from "../errors.js";

/** An RGB image, [height, width, 3] uint8. */
export interface DrawableImage {
  width: number;
  height: number;
  data: Uint8Array;
}

/** A box to draw: [x1, y1, x2, y2] in pixels of the image. */
export interface DrawnBox {
  box: readonly [number, number, number, number] | readonly number[];
  name: string;
}

/** What to draw over an image. */
export interface DrawOptions {
  detections: readonly (DrawnBox & { confidence: number })[];
  truth?: readonly DrawnBox[];
  /** The predicted view and its probability. */
  view?: { name: string; probability: number } | null;
  trueView?: string | null;
}

type Colour = readonly [red: number, green: number, blue: number];

const PREDICTED: Colour = [235, 40, 40];
const TRUE: Colour = [30, 200, 60];
const WHITE: Colour = [255, 255, 255];
const CAPTION: Colour = [32, 32, 32];
// The font comes with the program: a machine without any font installed draws the same labels.
const FONT_FILE = createRequire(import.meta.url).resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");

/**
 * A PNG of the image with the true boxes in green, the predicted ones in red with name and confidence, and,
 * where there is a view, a caption strip beneath the image with the predicted view, its probability and the
 * true view in green. Labels stay inside the image, cut off where it is smaller than they are.
 *
 * Throws a shape error where `data` does not hold width * height * 3 bytes.
 */
export async function drawPredictions(image: DrawableImage, options: DrawOptions): Promise<Buffer> {
  const expected = image.width * image.height * 3;
  if (image.data.length !== expected) {
    throw new EchoDuetError(
      "shape",
      `drawPredictions: data expects ${image.width} x ${image.height} x 3 = ${expected} bytes, got ${image.data.length}`,
    );
  }
  const style = styleFor(image);
  const canvas = { ...image, data: Uint8Array.from(image.data) };
  const truth = options.truth ?? [];
  const found = [...options.detections].sort((a, b) => a.confidence - b.confidence);
  for (const { box } of truth) drawBox(canvas, box, TRUE, style.line);
  for (const { box } of found) drawBox(canvas, box, PREDICTED, style.line);
  for (const { box, name } of truth) await drawLabel(canvas, box, name, TRUE, "below", style);
  for (const { box, name, confidence } of found) {
    await drawLabel(canvas, box, `${name} ${confidence.toFixed(2)}`, PREDICTED, "above", style);
  }
  const whole = await withCaption(canvas, options, style);
  return sharp(whole.data, { raw: { width: whole.width, height: whole.height, channels: 3 } })
    .png()
    .toBuffer();
}

/** A PNG contact sheet of pictures (in any format that sharp reads), row by row, each centred in its cell. */
export async function drawSheet(pictures: readonly Buffer[], columns: number): Promise<Buffer> {
  if (pictures.length === 0 || !Number.isInteger(columns) || columns < 1) {
    throw new EchoDuetError(
      "shape",
      `drawSheet: expected at least one picture and one column, got ${pictures.length} pictures and ${columns} columns`,
    );
  }
  const gap = 4;
  const sizes = await Promise.all(pictures.map((picture) => sharp(picture).metadata()));
  const cellWidth = Math.max(...sizes.map((size) => size.width));
  const cellHeight = Math.max(...sizes.map((size) => size.height));
  const across = Math.min(columns, pictures.length);
  const down = Math.ceil(pictures.length / columns);
  const layers = pictures.map((input, i) => ({
    input,
    left: gap + (i % columns) * (cellWidth + gap) + Math.floor((cellWidth - sizes[i]!.width) / 2),
    top: gap + Math.floor(i / columns) * (cellHeight + gap) + Math.floor((cellHeight - sizes[i]!.height) / 2),
  }));
  const create = {
    width: gap + across * (cellWidth + gap),
    height: gap + down * (cellHeight + gap),
    channels: 3 as const,
    background: { r: CAPTION[0], g: CAPTION[1], b: CAPTION[2] },
  };
  return sharp({ create }).composite(layers).removeAlpha().png().toBuffer();
}

interface Style {
  /** Width of a box's line and height of the font, pixels. */
  line: number;
  font: number;
}

function styleFor({ width, height }: DrawableImage): Style {
  const side = Math.sqrt(width * height);
  return {
    line: Math.max(1, Math.round(side / 200)),
    font: Math.max(9, Math.min(64, Math.round(side / 24))),
  };
}

/** The outline of a box, drawn inwards from its edge pixels; edges outside the image lie on its border. */
function drawBox(canvas: DrawableImage, box: readonly number[], colour: Colour, line: number): void {
  const [x1, y1, x2, y2] = pixelBox(canvas, box);
  fill(canvas, [x1, y1, x2, Math.min(y2, y1 + line)], colour);
  fill(canvas, [x1, Math.max(y1, y2 - line), x2, y2], colour);
  fill(canvas, [x1, y1, Math.min(x2, x1 + line), y2], colour);
  fill(canvas, [Math.max(x1, x2 - line), y1, x2, y2], colour);
}

/** Whole pixels [x1, x2) x [y1, y2) within the image, at least one each way. */
function pixelBox(
  { width, height }: DrawableImage,
  box: readonly number[],
): [number, number, number, number] {
  const clamp = (value: number, high: number): number => Math.min(high, Math.max(0, Math.round(value)));
  const x1 = clamp(box[0]!, width - 1);
  const y1 = clamp(box[1]!, height - 1);
  return [x1, y1, Math.max(x1 + 1, clamp(box[2]!, width)), Math.max(y1 + 1, clamp(box[3]!, height))];
}

function fill(canvas: DrawableImage, [x1, y1, x2, y2]: readonly number[], colour: Colour): void {
  for (let y = y1!; y < y2!; y++) {
    for (let x = x1!; x < x2!; x++) canvas.data.set(colour, (y * canvas.width + x) * 3);
  }
}

/**
 * White text on a plate of the box's colour. Predictions are labelled above their box and the truth below, so
 * that neither hides the other; without room there, the plate lies inside the box.
 */
async function drawLabel(
  canvas: DrawableImage,
  box: readonly number[],
  text: string,
  colour: Colour,
  side: "above" | "below",
  style: Style,
): Promise<void> {
  const mask = await textMask(text, style.font);
  const pad = Math.max(1, Math.round(style.font / 6));
  const [plateWidth, plateHeight] = [mask.width + 2 * pad, mask.height + 2 * pad];
  const [x1, y1, , y2] = pixelBox(canvas, box);
  const left = Math.max(0, Math.min(x1, canvas.width - plateWidth));
  const outside = side === "above" ? y1 - plateHeight : y2;
  const inside = side === "above" ? y1 : y2 - plateHeight;
  const fits = outside >= 0 && outside + plateHeight <= canvas.height;
  const top = Math.max(0, Math.min(fits ? outside : inside, canvas.height - plateHeight));
  const right = Math.min(canvas.width, left + plateWidth);
  const bottom = Math.min(canvas.height, top + plateHeight);
  fill(canvas, [left, top, right, bottom], colour);
  blendText(canvas, mask, left + pad, top + pad, WHITE);
}

/** The image with the caption strip beneath it, or the image itself where there is nothing to say. */
async function withCaption(image: DrawableImage, options: DrawOptions, style: Style): Promise<DrawableImage> {
  const parts: { text: string; colour: Colour }[] = [];
  if (options.view) {
    const percent = (100 * options.view.probability).toFixed(1);
    parts.push({ text: `${options.view.name} ${percent} %`, colour: WHITE });
  }
  if (options.trueView) parts.push({ text: `true ${options.trueView}`, colour: TRUE });
  if (parts.length === 0) return image;
  const pad = Math.max(2, Math.round(style.font / 3));
  const placed: { mask: TextMask; colour: Colour; x: number; y: number }[] = [];
  let [x, y, lineHeight] = [pad, pad, 0];
  for (const { text, colour } of parts) {
    const mask = await textMask(text, style.font);
    if (x > pad && x + mask.width + pad > image.width) [x, y, lineHeight] = [pad, y + lineHeight + pad, 0];
    placed.push({ mask, colour, x, y });
    x += mask.width + 2 * pad;
    lineHeight = Math.max(lineHeight, mask.height);
  }
  const height = image.height + y + lineHeight + pad;
  const out = { width: image.width, height, data: new Uint8Array(image.width * height * 3) };
  out.data.set(image.data);
  fill(out, [0, image.height, image.width, height], CAPTION);
  for (const { mask, colour, x, y } of placed) blendText(out, mask, x, image.height + y, colour);
  return out;
}

/** Coverage 0..255 of rendered text, [height, width]. */
interface TextMask {
  width: number;
  height: number;
  coverage: Uint8Array;
}

async function textMask(text: string, fontPixels: number): Promise<TextMask> {
  const markup = text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c] ?? c);
  const { data, info } = await sharp({
    // At 72 dpi a point is a pixel.
    text: { text: markup, font: `DejaVu Sans ${fontPixels}`, fontfile: FONT_FILE, dpi: 72 },
  })
    .extractChannel(0)
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, coverage: data };
}

function blendText(canvas: DrawableImage, mask: TextMask, left: number, top: number, colour: Colour): void {
  for (let y = 0; y < mask.height && top + y < canvas.height; y++) {
    for (let x = 0; x < mask.width && left + x < canvas.width; x++) {
      const alpha = mask.coverage[y * mask.width + x]! / 255;
      const at = ((top + y) * canvas.width + left + x) * 3;
      for (let c = 0; c < 3; c++) {
        canvas.data[at + c] = Math.round(canvas.data[at + c]! * (1 - alpha) + colour[c]! * alpha);
      }
    }
  }
}
