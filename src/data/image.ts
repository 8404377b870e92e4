import { existsSync } from "node:fs";
import sharp from "sharp";
import { EchoDuetError } from "../errors.js";

/** A decoded image: RGB uint8, rows of pixels, channels innermost ([height, width, 3]). */
export interface DecodedImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Width and height of the network's input in pixels. */
export interface InputSize {
  readonly width: number;
  readonly height: number;
}

/** How a source image lies in the network's input. */
export interface Letterbox {
  readonly sourceWidth: number;
  readonly sourceHeight: number;
  /** Size of the network's input. */
  readonly width: number;
  readonly height: number;
  /** min(width / sourceWidth, height / sourceHeight). */
  readonly scale: number;
  /** Columns of padding on the left, rows of padding at the top. */
  readonly padX: number;
  readonly padY: number;
  /** Size of the scaled image inside the padding. */
  readonly newWidth: number;
  readonly newHeight: number;
}

/** A letterboxed image: planar RGB uint8 [3, height, width] with its geometry. */
export interface LetterboxedImage extends Letterbox {
  readonly data: Uint8Array;
}

/** Corners x1, y1, x2, y2 in pixels. */
export type BoxXyxy = readonly [number, number, number, number];

const padValue = 114;

/**
 * Decodes an image file as OpenCV's colour reader does: EXIF orientation applied, alpha dropped, grey and
 * 16-bit images brought to 8-bit RGB, colour profiles ignored.
 * @throws EchoDuetError `data` that names the file where it is missing, no image, corrupt or truncated.
 */
export async function decodeImage(path: string): Promise<DecodedImage> {
  try {
    // JPEG decoders report broken pixel data as warnings and go on with grey or shifted blocks.
    const image = sharp(path, { failOn: "warning", autoOrient: true, ignoreIcc: true });
    const { data, info } = await image
      .removeAlpha()
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`${info.channels} channels after conversion to RGB`);
    return { width: info.width, height: info.height, data };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n")[0].trim() : String(cause);
    const message = existsSync(path)
      ? `${path}: expected a whole image, got one that cannot be decoded (${reason}); replace or remove the file`
      : `${path}: expected an image file, got nothing there; restore it or remove it from the split`;
    throw new EchoDuetError("data", message, { cause });
  }
}

/**
 * The geometry of a letterbox: scale r = min(width / w, height / h), scaled size (w r, h r) rounded half to
 * even, the padding shared between both sides with its odd pixel on the right and at the bottom.
 */
export function letterboxGeometry(source: InputSize, input: InputSize): Letterbox {
  const scale = Math.min(input.width / source.width, input.height / source.height);
  const newWidth = Math.max(1, roundHalfToEven(source.width * scale));
  const newHeight = Math.max(1, roundHalfToEven(source.height * scale));
  return {
    sourceWidth: source.width,
    sourceHeight: source.height,
    width: input.width,
    height: input.height,
    scale,
    padX: Math.floor((input.width - newWidth) / 2),
    padY: Math.floor((input.height - newHeight) / 2),
    newWidth,
    newHeight,
  };
}

/**
 * Scales an image into the network's input, bilinear at half-pixel centres without anti-aliasing, and pads
 * with grey 114. Weights and rounding are the 11-bit fixed point of OpenCV's bilinear resize of 8-bit
 * images, so that weights trained elsewhere see the pixels that they know.
 */
export function letterbox(image: DecodedImage, input: InputSize): LetterboxedImage {
  const geometry = letterboxGeometry(image, input);
  const data = new Uint8Array(3 * input.width * input.height).fill(padValue);
  if (geometry.newWidth === image.width && geometry.newHeight === image.height) {
    copyPlanes(image, geometry, data);
  } else {
    resizePlanes(image, geometry, data);
  }
  return { ...geometry, data };
}

/** A box in source pixels as a box in network pixels. */
export function toNetworkBox(geometry: Letterbox, [x1, y1, x2, y2]: BoxXyxy): BoxXyxy {
  // The ratio of the rounded sizes, not `scale`: it is where the pixels really went.
  const ratioX = geometry.newWidth / geometry.sourceWidth;
  const ratioY = geometry.newHeight / geometry.sourceHeight;
  return [
    x1 * ratioX + geometry.padX,
    y1 * ratioY + geometry.padY,
    x2 * ratioX + geometry.padX,
    y2 * ratioY + geometry.padY,
  ];
}

/** A box in network pixels as a box in source pixels, clipped to the source image. */
export function toSourceBox(geometry: Letterbox, [x1, y1, x2, y2]: BoxXyxy): BoxXyxy {
  const ratioX = geometry.newWidth / geometry.sourceWidth;
  const ratioY = geometry.newHeight / geometry.sourceHeight;
  const x = (value: number): number => clamp((value - geometry.padX) / ratioX, geometry.sourceWidth);
  const y = (value: number): number => clamp((value - geometry.padY) / ratioY, geometry.sourceHeight);
  return [x(x1), y(y1), x(x2), y(y2)];
}

function clamp(value: number, high: number): number {
  return Math.min(Math.max(value, 0), high);
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function copyPlanes(image: DecodedImage, { width, height, padX, padY }: Letterbox, out: Uint8Array): void {
  const plane = width * height;
  for (let y = 0; y < image.height; y++) {
    let from = y * image.width * 3;
    let to = (y + padY) * width + padX;
    for (let x = 0; x < image.width; x++, to++) {
      out[to] = image.data[from++];
      out[to + plane] = image.data[from++];
      out[to + 2 * plane] = image.data[from++];
    }
  }
}

interface Taps {
  /** Indices of the two source samples of each output sample. */
  readonly first: Int32Array;
  readonly second: Int32Array;
  /** Weight of the second sample in 1/2048; the first has the rest. */
  readonly weight: Int32Array;
}

function bilinearTaps(sourceLength: number, length: number): Taps {
  const taps = {
    first: new Int32Array(length),
    second: new Int32Array(length),
    weight: new Int32Array(length),
  };
  const step = sourceLength / length;
  for (let i = 0; i < length; i++) {
    // OpenCV holds positions in float32, which now and then decides the last bit of a weight.
    const position = Math.fround((i + 0.5) * step - 0.5);
    const floor = Math.floor(position);
    const inside = floor >= 0 && floor < sourceLength - 1;
    taps.first[i] = Math.min(Math.max(floor, 0), sourceLength - 1);
    taps.second[i] = inside ? floor + 1 : taps.first[i];
    taps.weight[i] = inside ? roundHalfToEven((position - floor) * 2048) : 0;
  }
  return taps;
}

function resizePlanes(image: DecodedImage, geometry: Letterbox, out: Uint8Array): void {
  const { width, height, newWidth, newHeight, padX, padY } = geometry;
  const columns = bilinearTaps(image.width, newWidth);
  const rows = bilinearTaps(image.height, newHeight);
  const plane = width * height;
  // Source rows scaled across, kept while the next output row still needs them.
  let upper = new Int32Array(newWidth * 3);
  let lower = new Int32Array(newWidth * 3);
  let upperRow = -1;
  let lowerRow = -1;
  for (let y = 0; y < newHeight; y++) {
    if (rows.first[y] === lowerRow) {
      [upper, lower] = [lower, upper];
      [upperRow, lowerRow] = [lowerRow, upperRow];
    }
    if (rows.first[y] !== upperRow) scaleRow(image, rows.first[y], columns, upper);
    if (rows.second[y] !== lowerRow) scaleRow(image, rows.second[y], columns, lower);
    upperRow = rows.first[y];
    lowerRow = rows.second[y];
    const below = rows.weight[y];
    const above = 2048 - below;
    let to = (y + padY) * width + padX;
    for (let from = 0; from < newWidth * 3; to++) {
      out[to] = blend(upper[from], lower[from++], above, below);
      out[to + plane] = blend(upper[from], lower[from++], above, below);
      out[to + 2 * plane] = blend(upper[from], lower[from++], above, below);
    }
  }
}

/** One source row scaled across: values times 2048. */
function scaleRow(image: DecodedImage, row: number, columns: Taps, out: Int32Array): void {
  const { data } = image;
  const start = row * image.width * 3;
  for (let x = 0, to = 0; x < columns.first.length; x++) {
    const right = columns.weight[x];
    const left = 2048 - right;
    const a = start + columns.first[x] * 3;
    const b = start + columns.second[x] * 3;
    out[to++] = data[a] * left + data[b] * right;
    out[to++] = data[a + 1] * left + data[b + 1] * right;
    out[to++] = data[a + 2] * left + data[b + 2] * right;
  }
}

/** Two samples (times 2048) blended down to 8 bits, in the steps of OpenCV's 16-bit arithmetic. */
function blend(a: number, b: number, above: number, below: number): number {
  return ((((a >> 4) * above) >> 16) + (((b >> 4) * below) >> 16) + 2) >> 2;
}

/** Leaves the processor to the other threads: one image at a time, and none kept. */
export function decodeOneAtATime(): void {
  sharp.concurrency(1);
  sharp.cache(false);
}
