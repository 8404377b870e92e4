import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import sharp from "sharp";

/** A label of an image in pixels: a box x, y, width, height, or the vertices of a polygon. */
export interface PixelShape {
  readonly category: string;
  readonly box?: readonly number[];
  readonly polygon?: readonly number[];
}

/** An image of a COCO file with everything that the file says of it. */
export interface CocoEntry {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly shapes?: readonly PixelShape[];
  readonly view?: string;
}

/**
 * A COCO instances file as JSON text, written with no code of src: categories in the given order with the ids
 * 1, 2, ..., the view as an annotation without a place.
 */
export function cocoText(entries: readonly CocoEntry[], categories: readonly string[]): string {
  const idOf = (name: string) => categories.indexOf(name) + 1;
  let annotationId = 100;
  const annotations = entries.flatMap(({ shapes = [], view }, index) => [
    ...shapes.map(({ category, box, polygon }) => ({
      id: annotationId++,
      image_id: index + 1,
      category_id: idOf(category),
      ...(box && { bbox: box }),
      ...(polygon && { segmentation: [polygon] }),
      iscrowd: 0,
    })),
    ...(view ? [{ id: annotationId++, image_id: index + 1, category_id: idOf(view) }] : []),
  ]);
  const images = entries.map(({ name, width, height }, index) => ({
    id: index + 1,
    file_name: name,
    width,
    height,
  }));
  const named = categories.map((name, index) => ({ id: index + 1, name, supercategory: "heart" }));
  return JSON.stringify({ info: { year: 2020 }, images, annotations, categories: named });
}

/** Writes a small picture of one shade, in the format of its extension. */
export async function writePicture(path: string, width: number, height: number, shade = 90): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  await sharp({ create: { width, height, channels: 3, background: { r: shade, g: 40, b: 200 } } }).toFile(
    path,
  );
}

/** Writes text files below a folder. */
export function writeTexts(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}
