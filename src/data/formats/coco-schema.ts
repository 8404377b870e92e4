import { inspect } from "node:util";
import { z } from "zod";
import { EchoDuetError } from "../../errors.js";
import { readJsonArrays } from "./json-arrays.js";

const id = z.union([z.int(), z.string().min(1)], { error: "expected an id: an integer or a text" });
const side = z.int("expected a whole number of pixels").positive("expected at least 1 pixel");
const numbers = z.array(z.number("expected a finite number"));

const image = z.object({
  id,
  file_name: z
    .string("expected a file name")
    .min(1, "expected a file name, got an empty text")
    .refine((name) => !name.includes("\0"), "expected a file name, got one with a NUL"),
  width: side,
  height: side,
  view: z.string("expected the name of a view").nullish(),
  category_id: id.nullish(),
});

const annotation = z.object({
  id: id.nullish(),
  image_id: id,
  category_id: id,
  bbox: numbers
    .refine((box) => box.length === 0 || box.length === 4, "expected four numbers: x, y, width, height")
    .nullish(),
  segmentation: z
    .union([z.array(numbers), z.looseObject({ counts: z.union([z.string(), z.array(z.unknown())]) })], {
      error: "expected polygons, each a list of numbers x1, y1, x2, y2, ..., or run lengths with `counts`",
    })
    .nullish(),
  iscrowd: z.union([z.literal(0), z.literal(1), z.boolean()], { error: "expected 0 or 1" }).nullish(),
});

const category = z.object({
  id,
  name: z.string("expected a name").min(1, "expected a name, got an empty text"),
  supercategory: z.string("expected a text").nullish(),
});

/** An entry of a COCO file with its JSON path. */
export type At<T> = T & { readonly path: string };
/** An image of a COCO file; `view` and `category_id` are ways of telling its view. */
export type CocoImage = At<z.infer<typeof image>>;
/** An annotation of a COCO file, coordinates in pixels. */
export type CocoAnnotation = At<z.infer<typeof annotation>>;
/** A category of a COCO file. */
export type CocoCategory = At<z.infer<typeof category>>;

/** What is read of a COCO instances file. */
export interface CocoFile {
  readonly file: string;
  readonly images: readonly CocoImage[];
  readonly annotations: readonly CocoAnnotation[];
  readonly categories: readonly CocoCategory[];
}

const schemas = { images: image, annotations: annotation, categories: category };
const keys = Object.keys(schemas) as (keyof typeof schemas)[];
/** Enough to see what is wrong; a converter's mistake is in every entry. */
const mostProblems = 20;

/**
 * Reads the `images`, `annotations` and `categories` of a COCO instances file and checks their form; other
 * keys are ignored. What the entries refer to is not checked here.
 * @throws EchoDuetError `data` with the first problems, each with file, JSON path and id, and for images or
 *   categories that share an id or categories that share a name; `io` where the file cannot be read
 */
export function readCoco(file: string): CocoFile {
  const found = {
    images: [] as CocoImage[],
    annotations: [] as CocoAnnotation[],
    categories: [] as CocoCategory[],
  };
  const problems: string[] = [];
  for (const { key, index, value } of readJsonArrays(file, keys)) {
    const path = `${key}[${index}]`;
    const parsed = schemas[key as keyof typeof schemas].safeParse(value);
    if (parsed.success) found[key as "images"].push(Object.assign(parsed.data as CocoImage, { path }));
    else problems.push(...parsed.error.issues.map((issue) => describeIssue(file, path, value, issue)));
    if (problems.length >= mostProblems) break;
  }
  if (problems.length > 0) throw new EchoDuetError("data", problems.slice(0, mostProblems).join("\n"));
  for (const key of ["images", "categories"] as const) {
    if (found[key].length > 0) continue;
    const message = `${file}: ${key}: expected at least one entry, got none; a COCO instances file has images, annotations and categories`;
    // Images alone may have no annotation, but a file without categories says nothing about any.
    if (key === "images" || found.annotations.length > 0) throw new EchoDuetError("data", message);
  }
  distinct(file, "id", found.images, (entry) => entry.id);
  distinct(file, "id", found.categories, (entry) => entry.id);
  distinct(file, "name", found.categories, (entry) => entry.name);
  return { file, ...found };
}

function describeIssue(file: string, path: string, value: unknown, issue: z.core.$ZodIssue): string {
  const steps = issue.path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`))
    .join("");
  const named = typeof value === "object" && value !== null && "id" in value ? value.id : undefined;
  const whose =
    typeof named === "number" || typeof named === "string" ? ` (id ${shorten(String(named))})` : "";
  const found = issue.path.reduce<unknown>(
    (inner, step) => (typeof inner === "object" && inner !== null ? Reflect.get(inner, step) : undefined),
    value,
  );
  // Not JSON.stringify, whose stack a deeply nested value overflows.
  const got = found === undefined ? "nothing" : shorten(inspect(found, { depth: 1, breakLength: Infinity }));
  return `${file}: ${path}${steps}${whose}: ${issue.message}, got ${got}`;
}

function distinct<T extends { path: string }>(
  file: string,
  what: string,
  entries: readonly T[],
  keyOf: (entry: T) => number | string,
): void {
  const first = new Map<number | string, string>();
  for (const entry of entries) {
    const value = keyOf(entry);
    const earlier = first.get(value);
    if (earlier !== undefined) {
      const message = `expected an own ${what}, got ${shorten(String(value))}, which ${earlier} has`;
      throw new EchoDuetError("data", `${file}: ${entry.path}: ${message}`);
    }
    first.set(value, entry.path);
  }
}

const shorten = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}...` : text);
