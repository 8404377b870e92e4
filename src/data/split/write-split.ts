import { mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { Document } from "yaml";
import { EchoDuetError } from "../../errors.js";
import { errnoOf, ioError, temporaryPath, writeFileAtomically } from "../../io/index.js";
import type { DataDescription } from "../description.js";
import type { FrameRecord } from "../frames.js";
import { type Assignment, type SplitLists, splitLists } from "./split-frames.js";
import { summariseSplit } from "./summary.js";

/** Where a split goes, and what its data.yaml says of its making. */
export interface WriteSplitOptions {
  /** A folder of its own; by default `splits/NAME` beside the data. */
  readonly out?: string;
  /** Default: `patient-seed0`, with folds `patient-seed0-folds5`. */
  readonly name?: string;
  /** The command line, for the comment on top of data.yaml. */
  readonly command?: string;
}

/** A split on the disk. */
export interface WrittenSplit {
  readonly folder: string;
  /** The data.yaml of the split, or of each fold in turn. */
  readonly dataYamls: readonly string[];
  /** False where a folder with the same split was there already; nothing was written then. */
  readonly created: boolean;
}

/**
 * Writes an assignment as lists of files; no image is copied or moved. Beside the data that is
 * `splits/NAME/` with `train.txt`, `val.txt`, `test.txt`, a `data.yaml` that names them and `split.json`;
 * with `out`, a data.yaml with the data's absolute path and the images inline. Folds have a folder each.
 * All of it is written to a temporary folder, which is then renamed.
 * @throws EchoDuetError `config` for a name that is no folder's, `io` where the folder is there with another
 * split, or cannot be written, `data` for a file name that a list cannot hold.
 */
export function writeSplit(
  description: DataDescription,
  assignment: Assignment,
  options: WriteSplitOptions = {},
): WrittenSplit {
  const folder = folderOf(description, assignment, options);
  const files = splitFiles(description, assignment, folder, options);
  const dataYamls = [...files.keys()]
    .filter((file) => file.endsWith("data.yaml"))
    .map((f) => join(folder, f));
  const there = existing(folder);
  if (there !== null && !isSame(files, there)) {
    const remedy =
      options.out === undefined ? "give another --name, or remove it" : "give another --out, or remove it";
    throw new EchoDuetError("io", `${folder}: expected no folder, got one with other contents; ${remedy}`);
  }
  if (there === null) create(folder, files, options);
  return { folder, dataYamls, created: there === null };
}

function folderOf(
  { root }: DataDescription,
  { options: { by, seed, folds } }: Assignment,
  { out, name }: WriteSplitOptions,
): string {
  if (out !== undefined) {
    if (name === undefined) return resolve(out);
    throw new EchoDuetError(
      "config",
      `name: expected either a name or an out folder, got ${name} and ${out}`,
    );
  }
  const chosen = name ?? `${by}-seed${seed}${folds === undefined ? "" : `-folds${folds}`}`;
  if (!/^[^\\/:*?"<>|.][^\\/:*?"<>|]*$/.test(chosen)) {
    throw new EchoDuetError("config", `name: expected the name of a folder, got ${JSON.stringify(chosen)}`);
  }
  return join(root, "splits", chosen);
}

/** Contents by path in the folder, with forward slashes. */
function splitFiles(
  description: DataDescription,
  assignment: Assignment,
  folder: string,
  { out, command }: WriteSplitOptions,
): Map<string, string> {
  const files = new Map<string, string>();
  for (const lists of splitLists(assignment)) {
    const prefix = lists.name === null ? "" : `${lists.name}/`;
    const comment = commentOf(assignment, lists, command);
    const own = join(folder, lists.name ?? "");
    const entries = new Map<string, string | string[]>();
    for (const split of ["train", "val", "test"] as const) {
      if (lists[split].length === 0) continue;
      if (out === undefined) {
        files.set(`${prefix}${split}.txt`, listText(lists[split], own, description.root));
        entries.set(split, slashed(relative(description.root, join(own, `${split}.txt`))));
      } else {
        entries.set(
          split,
          lists[split].map(({ name }) => name),
        );
      }
    }
    const path = out === undefined ? slashed(relative(own, description.root)) : description.root;
    files.set(`${prefix}data.yaml`, yamlText({ description, path, entries, comment }));
  }
  files.set("split.json", `${JSON.stringify(summariseSplit(assignment), null, 2)}\n`);
  return files;
}

/** One line an image, from the list's own folder; YOLOv5 replaces a leading `./` by that folder. */
function listText(frames: readonly FrameRecord[], folder: string, root: string): string {
  const up = slashed(relative(folder, root));
  return frames
    .map(({ name, imagePath }) => {
      if (/[\r\n]|\s$/.test(name)) {
        const message = `expected a file name without line breaks and space at its end, got ${JSON.stringify(name)}`;
        throw new EchoDuetError("data", `${imagePath}: ${message}; rename the file`);
      }
      return `./${up}/${name}\n`;
    })
    .join("");
}

function commentOf({ parts, objective, options }: Assignment, lists: SplitLists, command?: string): string {
  const sizes = (["train", "val", "test"] as const).map((split) => `${split} ${lists[split].length}`);
  const balance = `missing classes and views ${objective.lacks}, deviation ${objective.deviation.toFixed(6)}`;
  const groups = parts.map(({ name, groups }) => `${name} ${groups.length}`).join(", ");
  return [
    ` Made by ${command ?? "echoduet"}, seed ${options.seed}.`,
    ` Frames: ${sizes.join(", ")}. Groups by ${options.by}: ${groups}.`,
    ` Balance: ${balance}; split.json tells it by class and view.`,
  ].join("\n");
}

function yamlText({
  description: { names, views, groups, unlabelled, rules },
  path,
  entries,
  comment,
}: {
  description: DataDescription;
  path: string;
  entries: ReadonlyMap<string, string | string[]>;
  comment: string;
}): string {
  const document = new Document({ path, ...Object.fromEntries(entries) });
  document.commentBefore = comment;
  const set = (key: string, value: unknown, flow = false): void =>
    document.set(key, document.createNode(value, { flow }));
  if (names.length > 0) set("names", names, true);
  if (views.length > 0) set("views", views, true);
  const patterns = Object.entries(groups).map(([id, pattern]) => [id, pattern.source]);
  if (patterns.length > 0) set("groups", Object.fromEntries(patterns));
  if (rules !== null) set("rules", rules);
  set("unlabelled", unlabelled);
  return document.toString({ lineWidth: 0 });
}

/** Paths in a folder that is there, null where none is or it is empty. */
function existing(folder: string): Map<string, string> | null {
  const status = statSync(folder, { throwIfNoEntry: false });
  if (!status) return null;
  if (!status.isDirectory()) throw new EchoDuetError("io", `${folder}: expected a folder, got a file`);
  try {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    if (entries.length === 0) return null;
    const paths = entries.filter((entry) => !entry.isDirectory()).map((e) => join(e.parentPath, e.name));
    return new Map(paths.map((path) => [slashed(relative(folder, path)), path]));
  } catch (cause) {
    throw ioError(folder, "read", cause);
  }
}

/** Whether the files on the disk are those to write, comments aside: another command may give the same split. */
function isSame(files: ReadonlyMap<string, string>, there: ReadonlyMap<string, string>): boolean {
  const plain = (text: string): string => text.replace(/^#.*\n/gm, "");
  return (
    files.size === there.size &&
    [...files].every(([name, text]) => {
      const path = there.get(name);
      return path !== undefined && plain(readFileSync(path, "utf8")) === plain(text);
    })
  );
}

function create(folder: string, files: ReadonlyMap<string, string>, { out }: WriteSplitOptions): void {
  if (out === undefined) refuseReadOnly(folder);
  const temporary = temporaryPath(folder);
  try {
    mkdirSync(temporary, { recursive: true });
    for (const [name, text] of files) {
      const path = join(temporary, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileAtomically(path, text);
    }
    // An empty folder of that name is in nobody's way, but not every system renames over one.
    if (statSync(folder, { throwIfNoEntry: false })) rmdirSync(folder);
    renameSync(temporary, folder);
  } catch (cause) {
    rmSync(temporary, { recursive: true, force: true });
    throw out === undefined ? besideDataError(folder, cause) : ioError(folder, "created", cause);
  }
}

/** A folder that nobody may write to is left alone even where the administrator could. */
function refuseReadOnly(folder: string): void {
  const splits = statSync(dirname(folder), { throwIfNoEntry: false });
  const mode = (splits ?? statSync(dirname(dirname(folder)))).mode;
  if ((mode & 0o222) === 0) throw readOnlyError(folder, "one without the right to write");
}

function besideDataError(folder: string, cause: unknown): EchoDuetError {
  const code = errnoOf(cause);
  const readOnly = code === "EACCES" || code === "EPERM" || code === "EROFS";
  return readOnly ? readOnlyError(folder, code, cause) : ioError(folder, "created", cause);
}

function readOnlyError(folder: string, got: string, cause?: unknown): EchoDuetError {
  const message = `${folder}: expected a data folder that can be written to, got ${got}`;
  return new EchoDuetError("io", `${message}; give a folder outside the data with --out DIR`, { cause });
}

function slashed(path: string): string {
  return path.split(sep).join("/");
}
