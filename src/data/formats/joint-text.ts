import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, extname, join, sep } from "node:path";
import { EchoDuetError } from "../../errors.js";
import { type DataDescription, loadDataDescription, type SplitName } from "../description.js";
import { listImages, readLabelText } from "../frames.js";
import { imageExtensions, labelPathOf } from "../image-paths.js";
import { type ScannedLabel, scanLabel } from "../labels.js";
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
import {
  checkKeys,
  classTarget,
  mappedName,
  type NameMap,
  orderedNames,
  type SourceName,
  type Target,
} from "./name-maps.js";
import { nameInOutput } from "./output-names.js";

export interface TextSource {
  readonly dataYaml: string;
  /** The views, in the order of the labels' one-hot columns, where data.yaml declares none. */
  readonly views: readonly string[];
  readonly classMap: NameMap;
  readonly viewMap: NameMap;
}

/**
 * Reads a data.yaml and the label files of its images, in any of the forms of labels.ts.
 * @throws EchoDuetError as `loadDataDescription` and `listImages` do; `data` for a label file outside the data
 *   set's folder; `config` for views that data.yaml declares differently and for maps that name nothing; `io`
 */
export function readTextSource(source: TextSource, onProgress: ConvertProgress): SourceData {
  const description = loadDataDescription(source.dataYaml);
  const meaning = meaningOf(description, source);
  const ledger = new Ledger();
  const splits: { [S in SplitName]?: SourceFrame[] } = {};
  const labels = new Set<string>();
  for (const split of splitNames) {
    const entries = description.splits[split];
    if (!entries) continue;
    const images = listImages(description, split);
    refuseTwice(images, split, description);
    splits[split] = images.map((image, index) => {
      onProgress(`labels of ${split}`, index + 1, images.length);
      labels.add(labelPathOf(image));
      return readFrame(image, nameInOutput(image, description.root, entries), {
        description,
        meaning,
        ledger,
      });
    });
  }
  dropOrphans(labels, ledger);
  const { before, drops, changes } = ledger;
  return {
    ...meaning.output,
    extra: extraOf(description, meaning.output, ledger),
    splits,
    before,
    drops,
    changes,
  };
}

/** What the numbers of the labels mean. */
interface Meaning {
  readonly output: { readonly names: readonly string[]; readonly views: readonly string[] };
  /** By class index; null where neither data.yaml nor the map names it. */
  readonly classes: readonly (Target | null)[];
  /** Index in the output's views, by the source's. */
  readonly views: readonly number[];
}

function meaningOf(description: DataDescription, { views, classMap, viewMap }: TextSource): Meaning {
  const sourceViews = viewsOf(description, views);
  const { names } = description;
  // The map may name classes that data.yaml does not: labels can have more of them than it declares.
  const beyond = [...classMap.keys()].filter((key) => /^\d{1,4}$/.test(key)).map((key) => Number(key) + 1);
  const count = Math.max(names.length, ...beyond);
  const classNames = Array.from(
    { length: count },
    (_, key): SourceName => ({ key, name: names[key] ?? null }),
  );
  const viewNames = sourceViews.map((name, key): SourceName => ({ key, name }));
  checkKeys(classMap, classNames, "--class-map");
  checkKeys(viewMap, viewNames, "--view-map");
  const classes = classNames.map((name) => classTarget(name, classMap, new Set()));
  const meantViews = viewNames.map((name) => mappedName(name, viewMap) ?? name.name!);
  const meant = (kind: Target["kind"]): string[] =>
    classes.flatMap((target) => (target?.kind === kind ? [target.name] : []));
  const output = {
    names: orderedNames(names, meant("class")),
    views: orderedNames(sourceViews, [...meantViews, ...meant("view")]),
  };
  return { output, classes, views: meantViews.map((name) => output.views.indexOf(name)) };
}

function viewsOf({ file, views }: DataDescription, given: readonly string[]): readonly string[] {
  if (given.length === 0 || given.join() === views.join()) return views;
  if (views.length === 0) return given;
  const remedy = "leave --views out; --view-map gives the columns other names";
  const message = `--views: expected the views of ${file}, ${views.join(", ")}, got ${given.join(", ")}; ${remedy}`;
  throw new EchoDuetError("config", message);
}

function refuseTwice(images: readonly string[], split: SplitName, { file }: DataDescription): void {
  const twice = images.find((image, index) => index > 0 && image === images[index - 1]);
  if (twice === undefined) return;
  const message = `${twice}: expected once in the ${split} split, got it twice; check \`${split}\` in ${file}`;
  throw new EchoDuetError("data", message);
}

interface Reading {
  readonly description: DataDescription;
  readonly meaning: Meaning;
  readonly ledger: Ledger;
}

function readFrame(imagePath: string, name: string, reading: Reading): SourceFrame {
  const { description, meaning, ledger } = reading;
  ledger.found("image");
  const file = labelPathOf(imagePath);
  const origin = { file, imageId: null };
  const text = readLabelText(file, description);
  if (text === null) return { imagePath, name, label: null, origin };
  const context = { file, classes: meaning.classes.length, views: meaning.views.length };
  const scanned = scanLabel(text, context);
  const faulty = dropFaults(scanned, file, ledger);
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  const shapes: Shape[] = [];
  const views: ViewStatement[] = [];
  for (const { line, class: label, vertices } of scanned.boxes) {
    if (faulty.has(line)) continue;
    const place = placeOf(file, line);
    ledger.found(vertices > 0 ? "polygon" : "box");
    const target = meaning.classes[label];
    if (target?.kind === "view") {
      ledger.change(
        place,
        `class ${label} means the view ${target.name}; its place in the image is not kept`,
      );
      views.push({ place, view: meaning.output.views.indexOf(target.name) });
    } else if (target) {
      // As the line has them: the scanned box has rounding errors at the image's edge put right.
      const values = lines[line - 1].trim().split(/\s+/).slice(1).map(Number);
      shapes.push({ class: meaning.output.names.indexOf(target.name), values });
    } else {
      ledger.drop(
        vertices > 0 ? "polygon" : "box",
        place,
        `neither data.yaml nor --class-map names class ${label}`,
      );
    }
  }
  for (const { line, index } of scanned.views) {
    if (faulty.has(line)) continue;
    ledger.found("view");
    views.push({ place: placeOf(file, line), view: meaning.views[index] });
  }
  return {
    imagePath,
    name,
    label: { shapes, view: agreedView(views, meaning.output.views, ledger) },
    origin,
  };
}

/** Drops the lines with a fault, each with its first one; a repeated view is left to `agreedView`. */
function dropFaults(
  { boxes, views, faults }: ScannedLabel,
  file: string,
  ledger: Ledger,
): ReadonlySet<number> {
  const dropped = new Set<number>();
  for (const { line, kind, message } of faults) {
    if (kind === "view-repeated" || dropped.has(line)) continue;
    dropped.add(line);
    const box = boxes.find((found) => found.line === line);
    const isView = kind.startsWith("view-") || views.some((found) => found.line === line);
    const item = box ? (box.vertices > 0 ? "polygon" : "box") : isView ? "view" : "other";
    ledger.found(item);
    ledger.drop(item, placeOf(file, line), message);
  }
  return dropped;
}

function placeOf(file: string, line: number | null): Place {
  return { file, line, path: null, id: null };
}

/** Drops the label files of the labels folders that no image has. */
function dropOrphans(read: ReadonlySet<string>, ledger: Ledger): void {
  const folders = new Set([...read].map((label) => dirname(label)));
  for (const folder of [...folders].sort()) {
    // Beside images, a .txt may be anything: a list of images, notes.
    if (!folder.split(sep).includes("labels") || !existsSync(folder)) continue;
    for (const entry of readdirSync(folder).sort()) {
      const file = join(folder, entry);
      // Annotation tools leave their list of classes among the labels.
      if (extname(entry) !== ".txt" || entry === "classes.txt" || read.has(file) || hasImage(file)) continue;
      ledger.found("other");
      ledger.drop(
        "other",
        placeOf(file, null),
        "no image has this label file; restore the image or remove the file",
      );
    }
  }
}

/** Whether there is an image, of a split or not, that a label file belongs to. */
function hasImage(label: string): boolean {
  const marker = `${sep}labels${sep}`;
  const at = label.lastIndexOf(marker);
  const image = `${label.slice(0, at)}${sep}images${sep}${label.slice(at + marker.length)}`;
  const stem = join(dirname(image), basename(image, ".txt"));
  return imageExtensions.some(
    (extension) => existsSync(stem + extension) || existsSync(stem + extension.toUpperCase()),
  );
}

/** groups, rules and unlabelled as data.yaml has them; rules of names that are gone go as well. */
function extraOf(
  description: DataDescription,
  { names, views }: Meaning["output"],
  ledger: Ledger,
): Record<string, unknown> {
  const { patient, video } = description.groups;
  const groups = { ...(patient && { patient: patient.source }), ...(video && { video: video.source }) };
  const declared = Object.entries(description.rules ?? {});
  const rules = declared
    .filter(([view]) => views.length === 0 || views.includes(view))
    .map(([view, classes]) => [view, classes.filter((name) => names.includes(name))] as const);
  const countOf = (list: readonly (readonly [string, readonly string[]])[]) =>
    list.reduce((n, [, c]) => n + 1 + c.length, 0);
  if (countOf(rules) < countOf(declared)) {
    ledger.change(
      placeOf(description.file, null),
      "rules: views and classes that the output does not have are left out",
    );
  }
  return {
    ...(Object.keys(groups).length > 0 && { groups }),
    ...(rules.length > 0 && { rules: Object.fromEntries(rules) }),
    ...(description.unlabelled === "mask" && { unlabelled: "mask" }),
  };
}
