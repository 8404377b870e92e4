import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { EchoDuetError } from "../../errors.js";
import { type DecodedImage, decodeImage } from "../image.js";
import { type Luminance, THUMBNAIL, toLuminance } from "./luminance.js";
import { findTextAreas } from "./text-areas.js";

/** What one decoding of an image file says about it. */
export interface ImageFacts {
  /** Pixels as shown, EXIF orientation applied; 0 where the image cannot be decoded. */
  readonly width: number;
  readonly height: number;
  /** Of the file's bytes, lower-case hexadecimal; empty where the file cannot be read. */
  readonly sha256: string;
  /** 64-bit difference hash; see `differenceHash`. */
  readonly hash: bigint;
  /** [48, 54] uint8 luminance 0..255, the whole picture averaged over cells whatever its shape. */
  readonly thumbnail: Uint8Array;
  /** Mean of 0.299 R + 0.587 G + 0.114 B, 0..255, sampled as is the next. */
  readonly meanLuminance: number;
  /** Share 0..1 of the pixels that are clearly coloured: colour Doppler, its scale, and coloured marks. */
  readonly colouredShare: number;
  /** [x, y, w, h] in pixels of each line of burnt-in text, from the top; see `findTextAreas`. */
  readonly textAreas: readonly (readonly number[])[];
  /** Why the image cannot be decoded, null where it can; all else but `sha256` is then zero or empty. */
  readonly fault: string | null;
}

/** Largest minus smallest of R, G, B from which a pixel is coloured: above the tint of tinted grey maps. */
const COLOURED = 60;
/** Levels of luminance by which a cell must outshine its neighbour: above the noise of compressed black. */
const BRIGHTER = 1;

/** The facts of one image file; one that cannot be decoded has its `fault`. */
export async function measureImage(path: string): Promise<ImageFacts> {
  const sha256 = fileSha256(path);
  try {
    return { ...measurePixels(await decodeImage(path)), sha256, fault: null };
  } catch (error) {
    if (!(error instanceof EchoDuetError)) throw error;
    return { ...nothing(), sha256, fault: error.message };
  }
}

function fileSha256(path: string): string {
  try {
    return createHash("sha256").update(readFileSync(path)).digest("hex");
  } catch {
    // Decoding says what is wrong with the file.
    return "";
  }
}

function nothing(): Omit<ImageFacts, "sha256" | "fault"> {
  return {
    width: 0,
    height: 0,
    hash: 0n,
    thumbnail: new Uint8Array(THUMBNAIL.width * THUMBNAIL.height),
    meanLuminance: 0,
    colouredShare: 0,
    textAreas: [],
  };
}

/** The facts that the decoded pixels hold. */
export function measurePixels(image: DecodedImage): Omit<ImageFacts, "sha256" | "fault"> {
  const luminance = toLuminance(image);
  return {
    width: image.width,
    height: image.height,
    hash: differenceHash(luminance.thumbnail),
    thumbnail: luminance.thumbnail,
    ...sampleColours(image, luminance),
    textAreas: findTextAreas(luminance),
  };
}

/** Colour statistics of every third pixel of every other sampled row. */
function sampleColours(
  { data }: DecodedImage,
  { values, width, step, rows, stride }: Luminance,
): Pick<ImageFacts, "meanLuminance" | "colouredShare"> {
  let sum = 0;
  let coloured = 0;
  for (let y = 0; y < rows; y += 2) {
    let from = y * step * width * 3;
    for (let at = y * stride; at < y * stride + width; at += 3, from += 9) {
      // Black has no colour, and there is much of it.
      if (values[at] === 0) continue;
      sum += values[at];
      const red = data[from];
      const green = data[from + 1];
      const blue = data[from + 2];
      if (Math.max(red, green, blue) - Math.min(red, green, blue) >= COLOURED) coloured++;
    }
  }
  const samples = Math.ceil(rows / 2) * Math.ceil(width / 3);
  return { meanLuminance: sum / samples, colouredShare: coloured / samples };
}

/**
 * Difference hash of a thumbnail: on its 9 x 8 grid of means, row by row from the top left, the bit (highest
 * first) is 1 where a cell outshines its right neighbour. Alike pictures differ in few bits, whatever their
 * scale, brightness and compression.
 */
export function differenceHash(thumbnail: Uint8Array): bigint {
  const side = THUMBNAIL.width / 9;
  const words = [0, 0];
  for (let row = 0, bit = 0; row < 8; row++) {
    let left = cellSum(thumbnail, 0, row, side);
    for (let column = 1; column < 9; column++, bit++) {
      const right = cellSum(thumbnail, column, row, side);
      if (left - right > BRIGHTER * side * side) words[bit >> 5] |= 1 << (31 - (bit & 31));
      left = right;
    }
  }
  return (BigInt(words[0] >>> 0) << 32n) | BigInt(words[1] >>> 0);
}

function cellSum(thumbnail: Uint8Array, column: number, row: number, side: number): number {
  let sum = 0;
  for (let y = row * side; y < (row + 1) * side; y++) {
    for (let x = column * side; x < (column + 1) * side; x++) sum += thumbnail[y * THUMBNAIL.width + x];
  }
  return sum;
}
