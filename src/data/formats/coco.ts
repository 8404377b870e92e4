import { statSync } from "node:fs";
import { basename, extname, resolve } from "node:path";
import sharp from "sharp";
import { EchoDuetError } from "../../errors.js";
import { liesInside, type SplitName } from "../description.js";
import { imageExtensions } from "../image-paths.js";
import { isPlaceless, kindOf, shapeOf } from "./coco-geometry.js";
import {
  type CocoAnnotation,
  type CocoCategory,
  type CocoFile,
  type CocoImage,
  readCoco,
} from "./coco-schema.js";
import {
  agreedView,
  type ConvertProgress,
  Ledger,
  type Place,
  type Shape,
  type SourceData,
  type SourceFrame,
  splitNames,
  type ViewStatement,
} from "./dataset.js";
import { forEachOf } from "./for-each-of.js";
import { checkKeys, classTarget, mappedName, type NameMap, orderedNames, type Target } from "./name-maps.js";
import { nameInOutput } from "./output-names.js";

/** The COCO file of a split, and the folder that its `file_name`s start at. */
export interface CocoSplit {
  readonly file: string;
  readonly images: string;
}

export interface CocoSource {
  readonly splits: { readonly [S in SplitName]?: CocoSplit };
  /** Categories that are views, in the order of the output's views. */
  readonly views: readonly string[];
  readonly classMap: NameMap;
  readonly viewMap: NameMap;
}

/**
 * Reads COCO instances files, one a split. Classes are the categories by ascending id; views are told by
 * categories that `views` names or whose supercategory is `view`: an annotation of such a category, or an
 * image's own `category_id`, or its `view` with a view's name. Box annotations and single polygons are kept,
 * other segmentations become their `bbox`.
 * @throws EchoDuetError `data` for a file that is no such JSON, a `file_name` outside its folder of images or
 *   listed twice; `config` for maps and views that name nothing; `io` where a file cannot be read
 */
export async function readCocoSource(source: CocoSource, onProgress: ConvertProgress): Promise<SourceData> {
  const ledger = new Ledger();
  const files: { readonly split: SplitName; readonly coco: CocoFile; readonly images: string }[] = [];
  for (const split of splitNames) {
    const given = source.splits[split];
    if (!given) continue;
    onProgress(`reading ${basename(given.file)}`, 0, 1);
    files.push({ split, coco: readCoco(resolve(given.file)), images: resolve(given.images) });
    onProgress(`reading ${basename(given.file)}`, 1, 1);
  }
  const meaning = meaningOf(
    files.map(({ coco }) => coco),
    source,
  );
  const splits: { [S in SplitName]?: SourceFrame[] } = {};
  for (const { split, coco, images } of files) {
    const sizes = await imageSizes(coco, images, (done, total) =>
      onProgress(`images of ${split}`, done, total),
    );
    splits[split] = new SplitReader(coco, images, sizes, meaning, source, ledger).frames();
  }
  const { names, views } = meaning;
  const { before, drops, changes } = ledger;
  return { names, views, extra: {}, splits, before, drops, changes };
}

/** What the categories of all files mean, by file and id, and the names of the output. */
interface Meaning {
  readonly names: readonly string[];
  readonly views: readonly string[];
  readonly targets: ReadonlyMap<CocoFile, ReadonlyMap<number | string, Target>>;
}

function meaningOf(files: readonly CocoFile[], { views, classMap, viewMap }: CocoSource): Meaning {
  const categories = files.flatMap((coco) => coco.categories.toSorted(byId));
  checkKeys(classMap, categories.map(sourceName), "--class-map");
  checkViews(files, categories, views);
  const declared = new Set(views);
  for (const { name, supercategory } of categories) {
    if (/^views?$/i.test(supercategory ?? "")) declared.add(name);
  }
  const viewNames = [...declared].map((name) => ({ key: name, name }));
  checkKeys(
    viewMap,
    [...viewNames, ...categories.filter(({ name }) => declared.has(name)).map(sourceName)],
    "--view-map",
  );
  const targetOf = (category: CocoCategory): Target => {
    const target = classTarget(sourceName(category), classMap, declared)!;
    const renamed =
      target.kind === "view"
        ? mappedName({ ...sourceName(category), name: target.name }, viewMap)
        : undefined;
    return renamed === undefined ? target : { kind: "view", name: renamed };
  };
  const targets = new Map(
    files.map((coco) => [
      coco,
      new Map(coco.categories.map((category) => [category.id, targetOf(category)])),
    ]),
  );
  const meant = (kind: Target["kind"]): string[] =>
    categories
      .map(targetOf)
      .filter((target) => target.kind === kind)
      .map(({ name }) => name);
  const givenViews = views.map((name) => viewMap.get(name) ?? name);
  return {
    names: orderedNames(
      categories.map(({ name }) => name),
      meant("class"),
    ),
    views: orderedNames(views, [...givenViews, ...meant("view")]),
    targets,
  };
}

const sourceName = ({ id, name }: CocoCategory) => ({ key: id, name });

function byId(a: CocoCategory, b: CocoCategory): number {
  if (typeof a.id === "number" && typeof b.id === "number") return a.id - b.id;
  const [left, right] = [String(a.id), String(b.id)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function checkViews(
  files: readonly CocoFile[],
  categories: readonly CocoCategory[],
  views: readonly string[],
): void {
  const known = new Set(categories.map(({ name }) => name));
  for (const { images } of files) for (const { view } of images) if (view) known.add(view);
  const stray = views.find((view) => !known.has(view));
  if (stray === undefined) return;
  const message = `--views: expected names of categories (${[...known].join(", ")}), got ${stray}`;
  throw new EchoDuetError("config", message);
}

/** Width and height of each image file, EXIF orientation applied; a text where there is none to be had. */
async function imageSizes(
  { images }: CocoFile,
  folder: string,
  onProgress: (done: number, total: number) => void,
): Promise<readonly ({ readonly width: number; readonly height: number } | string)[]> {
  return forEachOf(
    images,
    async ({ file_name }) => {
      const path = resolve(folder, file_name);
      if (!liesInside(folder, path)) return "outside";
      const extension = extname(path).toLowerCase();
      if (!imageExtensions.includes(extension))
        return `expected ${imageExtensions.join(" ")}, got ${file_name}`;
      if (basename(path).startsWith(".")) return `expected a name without a leading dot, got ${file_name}`;
      if (!isFile(path)) return `expected the image ${path}, got nothing there`;
      try {
        const { autoOrient } = await sharp(path).metadata();
        return { width: autoOrient.width, height: autoOrient.height };
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message.split("\n")[0].trim() : String(cause);
        return `expected an image in ${path}, got a file that cannot be read (${reason})`;
      }
    },
    onProgress,
  );
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Turns the images of one COCO file into frames. */
class SplitReader {
  readonly #targets: ReadonlyMap<number | string, Target>;
  readonly #annotations = new Map<number | string, CocoAnnotation[]>();

  constructor(
    readonly coco: CocoFile,
    readonly folder: string,
    readonly sizes: readonly ({ readonly width: number; readonly height: number } | string)[],
    readonly meaning: Meaning,
    readonly source: CocoSource,
    readonly ledger: Ledger,
  ) {
    this.#targets = meaning.targets.get(coco)!;
    for (const annotation of coco.annotations) {
      const group = this.#annotations.get(annotation.image_id);
      if (group) group.push(annotation);
      else this.#annotations.set(annotation.image_id, [annotation]);
    }
  }

  frames(): SourceFrame[] {
    const seen = new Map<string, string>();
    const frames = this.coco.images.flatMap((image, index) => {
      this.ledger.found("image");
      const imagePath = this.#imagePath(image, seen);
      const fault = this.#fault(image, this.sizes[index]);
      const annotations = this.#annotations.get(image.id) ?? [];
      this.#annotations.delete(image.id);
      if (fault === null) return [this.#frame(image, imagePath, annotations)];
      this.ledger.drop("image", this.#place(image), fault);
      for (const annotation of annotations)
        this.#dropUnread(annotation, `its image ${image.file_name} is dropped`);
      for (const place of this.#ownViews(image)) {
        this.ledger.found("view");
        this.ledger.drop("view", place, `its image ${image.file_name} is dropped`);
      }
      return [];
    });
    for (const [imageId, orphans] of this.#annotations) {
      for (const orphan of orphans) this.#dropUnread(orphan, `no image has the id ${imageId}`);
    }
    return frames;
  }

  #imagePath(image: CocoImage, seen: Map<string, string>): string {
    const imagePath = resolve(this.folder, image.file_name);
    const place = `${this.coco.file}: ${image.path}.file_name (id ${image.id})`;
    if (!liesInside(this.folder, imagePath)) {
      const message = `expected an image inside ${this.folder}, got ${image.file_name}; give another --images folder`;
      throw new EchoDuetError("data", `${place}: ${message}`);
    }
    const earlier = seen.get(imagePath);
    if (earlier !== undefined) {
      throw new EchoDuetError(
        "data",
        `${place}: expected each file once, got ${image.file_name}, as ${earlier} has`,
      );
    }
    seen.set(imagePath, image.path);
    return imagePath;
  }

  #fault(image: CocoImage, size: { width: number; height: number } | string): string | null {
    if (typeof size === "string") return size;
    if (size.width === image.width && size.height === image.height) return null;
    const got = `${size.width} x ${size.height} in the file ${image.file_name}`;
    return `expected the image's size, ${image.width} x ${image.height}, got ${got}: its boxes would be misplaced`;
  }

  #frame(image: CocoImage, imagePath: string, annotations: readonly CocoAnnotation[]): SourceFrame {
    const shapes: Shape[] = [];
    const views = this.#imageViews(image);
    for (const annotation of annotations) {
      const target = this.#targets.get(annotation.category_id);
      if (target?.kind === "view") views.push(this.#viewOf(annotation, target));
      else this.#readShape(annotation, image, target, shapes);
    }
    return {
      imagePath,
      name: nameInOutput(imagePath, this.folder, []),
      label: { shapes, view: agreedView(views, this.meaning.views, this.ledger) },
      origin: { file: this.coco.file, imageId: image.id },
    };
  }

  /** Places of what the image itself says of its view. */
  #ownViews(image: CocoImage): Place[] {
    const fields = (["view", "category_id"] as const).filter((field) => (image[field] ?? "") !== "");
    return fields.map((field) => ({ ...this.#place(image), path: `${image.path}.${field}` }));
  }

  #imageViews(image: CocoImage): ViewStatement[] {
    return this.#ownViews(image).flatMap((place) => {
      this.ledger.found("view");
      const byCategory = place.path?.endsWith(".category_id");
      const target = byCategory ? this.#targets.get(image.category_id!) : undefined;
      const name = byCategory ? target?.name : (this.source.viewMap.get(image.view!) ?? image.view!);
      const view = byCategory && target?.kind !== "view" ? -1 : this.meaning.views.indexOf(name ?? "");
      if (view >= 0) return [{ place, view }];
      const got = byCategory ? (target?.name ?? `the category ${image.category_id}`) : image.view;
      const known = this.meaning.views.join(", ") || "none known";
      this.ledger.drop("view", place, `expected a view (${known}), got ${got}; name the views with --views`);
      return [];
    });
  }

  #viewOf(annotation: CocoAnnotation, target: Target): ViewStatement {
    const place = this.#place(annotation);
    const placeless = isPlaceless(annotation);
    this.ledger.found(placeless ? "view" : kindOf(annotation));
    if (!placeless)
      this.ledger.change(place, `means the view ${target.name}; its place in the image is not kept`);
    return { place, view: this.meaning.views.indexOf(target.name) };
  }

  #readShape(
    annotation: CocoAnnotation,
    image: CocoImage,
    target: Target | undefined,
    shapes: Shape[],
  ): void {
    const kind = kindOf(annotation);
    const place = this.#place(annotation);
    this.ledger.found(kind);
    if (!target) {
      this.ledger.drop(kind, place, `no category has the id ${annotation.category_id}`);
      return;
    }
    if (isPlaceless(annotation)) {
      const remedy = `if ${target.name} is a view, name it with --views`;
      this.ledger.drop(kind, place, `expected a \`bbox\` or a segmentation, got neither; ${remedy}`);
      return;
    }
    const shape = shapeOf(annotation, image);
    if (typeof shape === "string") {
      this.ledger.drop(kind, place, shape);
      return;
    }
    if (shape.note !== null) this.ledger.change(place, shape.note);
    shapes.push({ class: this.meaning.names.indexOf(target.name), values: shape.values });
  }

  #dropUnread(annotation: CocoAnnotation, reason: string): void {
    const target = this.#targets.get(annotation.category_id);
    const kind = target?.kind === "view" && isPlaceless(annotation) ? "view" : kindOf(annotation);
    this.ledger.found(kind);
    this.ledger.drop(kind, this.#place(annotation), reason);
  }

  #place({ path, id }: CocoImage | CocoAnnotation): Place {
    return { file: this.coco.file, line: null, path, id: id ?? null };
  }
}
