import { readFileSync } from "node:fs";
import { type DataDescription, loadDataDescription } from "../data/index.js";
import { type ConvertOptions, readJsonArrays, type WrittenFrame } from "../data/formats/index.js";

/** What one label shows, to be drawn: outlines in pixels of the image, and its view in words. */
export interface LabelDrawing {
  readonly outlines: readonly Outline[];
  readonly view: string;
}

/** A closed outline, x1, y1, x2, y2, ... in pixels, and the name of what it surrounds. */
export interface Outline {
  readonly points: readonly number[];
  readonly name: string;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Reads the source's label of a frame, given the size of its image. */
export type SourceLabels = (frame: WrittenFrame, size: Size) => LabelDrawing;

/**
 * The labels of some frames as their source has them, its own numbers and names unmapped. The conversion's
 * readers are not used, so that a fault of theirs shows in a picture.
 */
export function sourceLabels(
  source: ConvertOptions["source"],
  frames: readonly WrittenFrame[],
): SourceLabels {
  if (source.kind === "coco") return cocoLabels(frames);
  const { names, views } = loadDataDescription(source.dataYaml);
  const declared = { names, views: views.length > 0 ? views : source.views };
  return ({ source: { origin } }, size) => textLabel(readIfThere(origin.file), declared, size);
}

/** The label of an output file, with the names of its data.yaml. */
export function outputLabel(file: string, description: DataDescription, size: Size): LabelDrawing {
  return textLabel(readIfThere(file), description, size);
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

type Names = Pick<DataDescription, "names" | "views">;

function textLabel(text: string, { names, views }: Names, size: Size): LabelDrawing {
  const outlines: Outline[] = [];
  const said: string[] = [];
  for (const line of text.split("\n").filter((row) => row.trim() !== "")) {
    const values = line
      .replace(/[[\],]/g, " ")
      .trim()
      .split(/\s+/)
      .map(Number);
    const ones = values.filter((value) => value === 1).length;
    const oneHot = ones === 1 && values.every((value) => value === 0 || value === 1);
    if (values.length >= 5 && values.length % 2 === 1 && !oneHot && !line.includes("[")) {
      const name = `${values[0]} ${names[values[0]] ?? "?"}`;
      outlines.push({ points: inPixels(values.slice(1), size), name });
    } else {
      const index = values.length > 1 || views.length === 1 ? values.indexOf(1) : values[0];
      said.push(`${line.trim()} (${views[index] ?? "?"})`);
    }
  }
  return { outlines, view: said.join(" and ") || "none" };
}

function inPixels(values: readonly number[], { width, height }: Size): number[] {
  const pixels = values.map((value, index) => value * (index % 2 === 0 ? width : height));
  if (pixels.length > 4) return pixels;
  const [x, y, w, h] = pixels;
  return corners(x - w / 2, y - h / 2, w, h);
}

const corners = (x: number, y: number, w: number, h: number): number[] => [
  x,
  y,
  x + w,
  y,
  x + w,
  y + h,
  x,
  y + h,
];

/** What is used of a COCO file's entries, which the conversion has checked by now. */
interface RawEntry {
  readonly id?: number | string;
  readonly name?: string;
  readonly view?: string | null;
  readonly image_id?: number | string;
  readonly category_id?: number | string | null;
  readonly bbox?: readonly number[] | null;
  readonly segmentation?: readonly (readonly number[])[] | object | null;
}

function cocoLabels(frames: readonly WrittenFrame[]): SourceLabels {
  const files = [...new Set(frames.map(({ source }) => source.origin.file))];
  const entries = new Map(files.map((file) => [file, entriesOf(file, frames)]));
  return ({ source: { origin } }) => {
    const { images, annotations, categories } = entries.get(origin.file)!;
    const nameOf = (id: RawEntry["category_id"]) =>
      `${id} ${categories.find((c) => c.id === id)?.name ?? "?"}`;
    const image = images.find(({ id }) => id === origin.imageId)!;
    const views = [image.view, image.category_id].flatMap((said, index) =>
      said === undefined || said === null || said === "" ? [] : [index === 0 ? String(said) : nameOf(said)],
    );
    const outlines: Outline[] = [];
    for (const { category_id, bbox, segmentation } of annotations.filter(
      (a) => a.image_id === origin.imageId,
    )) {
      const name = nameOf(category_id);
      const rings: readonly (readonly number[])[] = Array.isArray(segmentation) ? segmentation : [];
      if (rings.length > 0) outlines.push(...rings.map((points) => ({ points, name })));
      else if (bbox?.length) outlines.push({ points: corners(bbox[0], bbox[1], bbox[2], bbox[3]), name });
      else views.push(name);
    }
    return { outlines, view: views.join(" and ") || "none" };
  };
}

function entriesOf(
  file: string,
  frames: readonly WrittenFrame[],
): Record<"images" | "annotations" | "categories", RawEntry[]> {
  const wanted = new Set(frames.map(({ source }) => source.origin.imageId));
  const found = { images: [] as RawEntry[], annotations: [] as RawEntry[], categories: [] as RawEntry[] };
  for (const { key, value } of readJsonArrays(file, Object.keys(found))) {
    const entry = value as RawEntry;
    if (key === "categories") found.categories.push(entry);
    if (key === "images" && wanted.has(entry.id ?? null)) found.images.push(entry);
    if (key === "annotations" && wanted.has(entry.image_id ?? null)) found.annotations.push(entry);
  }
  return found;
}
