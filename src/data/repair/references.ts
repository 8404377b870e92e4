import { dirname, join, resolve } from "node:path";
import { type Document, isScalar, isSeq, parseDocument } from "yaml";
import type { DataDescription } from "../description.js";
import { type DataFile, slashedFrom } from "./data-files.js";
import { cutLines, joinLines, textOf, withoutLines, withText } from "./lines.js";

/** Where a copy of a data set lies, and which of its images are left out. */
export interface CopyOf {
  readonly description: DataDescription;
  /** The copy's folder. */
  readonly out: string;
  /** Names of images. */
  readonly dropped: ReadonlySet<string>;
}

/**
 * A .txt list for the copy: lines of dropped images removed, and those that would mean a file elsewhere,
 * such as absolute paths, written from the list's own folder. Every other line stays as it is.
 */
export function listForCopy(list: DataFile, contents: Buffer, { description, out, dropped }: CopyOf): Buffer {
  const [from, to] = [dirname(list.path), dirname(join(out, list.name))];
  const removed = new Set<number>();
  const lines = cutLines(contents).map((line, index) => {
    const text = textOf(line);
    if (text === "") return line;
    const name = slashedFrom(description.root, resolve(from, text));
    if (dropped.has(name)) removed.add(index);
    const place = join(out, name);
    return resolve(to, text) === place ? line : withText(line, `./${slashedFrom(to, place)}`);
  });
  return joinLines(withoutLines(lines, removed));
}

/**
 * The data.yaml for the copy: dropped images taken out of its splits, `path` and the splits' entries written
 * anew where they would mean a place elsewhere. Where all of it holds in the copy, the text stays as it is;
 * else comments do.
 */
export function descriptionForCopy(
  file: DataFile,
  contents: Buffer,
  { description, out, dropped }: CopyOf,
): Buffer {
  const { root } = description;
  const folder = dirname(join(out, file.name));
  const document = parseDocument(contents.toString("utf8"));
  const values = document.toJS() as { path?: string | null } & Record<string, string | string[] | null>;
  let changed = false;
  if (resolve(folder, values.path ?? ".") !== out) {
    document.set("path", slashedFrom(folder, out) || ".");
    changed = true;
  }
  for (const split of ["train", "val", "test"]) {
    const value = values[split] ?? [];
    const entries = Array.isArray(value) ? value : [value];
    const wanted = entries.map((entry) => {
      const name = slashedFrom(root, resolve(root, entry));
      if (dropped.has(name)) return null;
      return resolve(out, entry) === join(out, name) ? entry : name || ".";
    });
    if (wanted.every((entry, index) => entry === entries[index])) continue;
    changed = true;
    setEntries(document, split, wanted);
  }
  if (!changed) return contents;
  return Buffer.from(document.toString({ lineWidth: 0, flowCollectionPadding: false }), "utf8");
}

/** The entries of a split, null for one to delete; entry by entry, so that the comments beside them stay. */
function setEntries(document: Document.Parsed, split: string, wanted: readonly (string | null)[]): void {
  const node: unknown = document.get(split, true);
  const kept = wanted.filter((entry) => entry !== null);
  if (isScalar(node) && kept.length > 0) document.set(split, kept[0]);
  else if (isScalar(node)) document.delete(split);
  else if (!isSeq(node)) document.set(split, document.createNode(kept));
  else {
    // From the end, so that what is deleted moves nothing that is still to come.
    for (let index = wanted.length - 1; index >= 0; index--) {
      const entry = wanted[index];
      if (entry === null) node.delete(index);
      else node.set(index, entry);
    }
  }
}
