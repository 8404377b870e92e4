import { readFileSync, realpathSync, type Stats, statSync } from "node:fs";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { isMap, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { EchoDuetError } from "../errors.js";

/** The splits of a data set; `valid` on a command line is another word for `val`. */
export type SplitName = "train" | "val" | "test";

/** A data set as its data.yaml describes it. Paths are absolute. */
export interface DataDescription {
  /** The data.yaml itself. */
  readonly file: string;
  /** The folder that `path` names, or that of the data.yaml. */
  readonly root: string;
  /** Detection classes, in index order; empty where the data has views alone. */
  readonly names: readonly string[];
  /** Image-level classes, in the order of the one-hot columns; empty where the data has none. */
  readonly views: readonly string[];
  /** Regular expressions on an image's file name; the first capture group is the id. */
  readonly groups: { readonly patient?: RegExp; readonly video?: RegExp };
  /** The classes that each view can show, by the views' and the classes' names; null where not declared. */
  readonly rules: Readonly<Record<string, readonly string[]>> | null;
  /** What an image without boxes is for detection: a negative example, or left out of its loss. */
  readonly unlabelled: "negative" | "mask";
  /** Folders of images, .txt lists of image files, or image files, of each split. */
  readonly splits: { readonly [S in SplitName]?: readonly string[] };
}

const knownKeys = ["path", "train", "val", "test", "names", "nc", "views", "groups", "rules", "unlabelled"];
const groupKeys = ["patient", "video"];

// A bare `0` or `yes` in YAML is no string, but a name all the same.
const className = z.union([z.string().min(1), z.number(), z.boolean()]).transform(String);

const classNames = z
  .union([z.array(className), z.record(z.string(), className)], {
    error: "expected a list of names or a map from index to name",
  })
  .transform((value, context) => {
    if (Array.isArray(value)) return value;
    const count = Object.keys(value).length;
    const names = Array.from({ length: count }, (_, index) => value[String(index)]);
    if (names.includes(undefined as never)) {
      const got = Object.keys(value).join(", ");
      context.addIssue({ code: "custom", message: `expected the indices 0..${count - 1}, got ${got}` });
      return z.NEVER;
    }
    return names;
  })
  .superRefine((names, context) => {
    const seen = new Set<string>();
    const repeated = names.find((name) => seen.size === seen.add(name).size);
    if (repeated !== undefined) {
      context.addIssue({ code: "custom", message: `expected distinct names, got "${repeated}" twice` });
    }
  });

const entryForm = "expected a folder, a .txt list of images, an image, or a list of those";
const splitEntries = z
  .union([z.string().min(1, entryForm), z.array(z.string().min(1, entryForm)).min(1, entryForm)], {
    error: entryForm,
  })
  .transform((value) => (Array.isArray(value) ? value : [value]))
  .nullish();

const idPattern = z.string().transform((source, context) => {
  try {
    // The alternative with nothing in it always matches, so the match shows how many groups there are.
    if (new RegExp(`${source}|`).exec("")?.length === 1) {
      context.addIssue({
        code: "custom",
        message: `expected a capture group for the id, got ${source}; write for example '^(p\\d+)'`,
      });
      return z.NEVER;
    }
    return new RegExp(source);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    context.addIssue({ code: "custom", message: `expected a regular expression, got ${source}: ${reason}` });
    return z.NEVER;
  }
});

const schema = z.strictObject({
  path: z.string().nullish(),
  train: splitEntries,
  val: splitEntries,
  test: splitEntries,
  names: classNames.nullish(),
  nc: z.int().nullish(),
  views: classNames.nullish(),
  groups: z.strictObject({ patient: idPattern.optional(), video: idPattern.optional() }).nullish(),
  rules: z
    .record(z.string().min(1), z.array(className), {
      error: "expected a map from a view to the list of classes that it can show",
    })
    .nullish(),
  unlabelled: z.enum(["negative", "mask"]).nullish(),
  // Keys that Ultralytics' tools write or read and that mean nothing here.
  download: z.unknown().optional(),
  yaml_file: z.unknown().optional(),
});

interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/**
 * Reads and checks a data.yaml. Ultralytics' keys keep their meaning (`path`, relative to the file's own
 * folder; `train`, `val`, `test`; `names`; `nc`); `views`, `groups`, `rules` and `unlabelled` are EchoDuet's. Data
 * with `views` may leave out `names`: they have no boxes then.
 * Whether a split's folder exists is checked when the split is read, since many a data.yaml names a test
 * split that was never downloaded.
 * @throws EchoDuetError `data` with every problem found, each with its line and path.
 */
export function loadDataDescription(yamlPath: string): DataDescription {
  const file = resolve(yamlPath);
  const { value, lineOf } = parseYaml(file);
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw problemsError(file, parsed.error.issues.map(toProblem), lineOf);
  }
  const { path, nc, groups, rules, unlabelled, train, val, test } = parsed.data;
  const names = parsed.data.names ?? [];
  const views = parsed.data.views ?? [];
  const root = resolve(dirname(file), path ?? ".");
  const problems: Problem[] = [];
  if (names.length === 0 && views.length === 0) {
    const message = "expected at least one name, got none; only data with `views` may leave it out";
    problems.push({ path: ["names"], message });
  }
  if (typeof nc === "number" && nc !== names.length) {
    problems.push({ path: ["nc"], message: `expected ${names.length}, the number of names, got ${nc}` });
  }
  problems.push(...ruleProblems(rules ?? {}, names, views));
  if (!isFolder(root)) {
    problems.push({ path: ["path"], message: `expected an existing folder, got ${root}` });
  }
  const splits: { [S in SplitName]?: string[] } = {};
  for (const [split, entries] of Object.entries({ train, val, test }) as [SplitName, string[] | null][]) {
    if (entries) splits[split] = entries.map((entry) => resolveInside(root, entry, split, problems));
  }
  if (Object.keys(splits).length === 0) {
    problems.push({ path: [], message: "expected at least one of train, val and test, got none" });
  }
  if (problems.length > 0) throw problemsError(file, problems, lineOf);
  return {
    file,
    root,
    names,
    views,
    groups: groups ?? {},
    rules: rules ?? null,
    unlabelled: unlabelled ?? "negative",
    splits,
  };
}

/**
 * The split that a word names: `train`, `val` (or `valid`), `test`.
 * @throws EchoDuetError `config` for any other word.
 */
export function resolveSplit(word: string): SplitName {
  if (word === "valid") return "val";
  if (word === "train" || word === "val" || word === "test") return word;
  throw new EchoDuetError("config", `split: expected train, val, valid or test, got "${word}"`);
}

function parseYaml(file: string): {
  value: unknown;
  lineOf: (path: readonly PropertyKey[]) => number | null;
} {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    const message = `${file}: expected a readable data.yaml, got ${cause instanceof Error ? cause.message : cause}`;
    throw new EchoDuetError("data", message, { cause });
  }
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, logLevel: "error" });
  const [fault] = document.errors;
  if (fault) {
    const reason = fault.message.split("\n")[0].replace(/ at line \d+, column \d+:?$/, "");
    throw new EchoDuetError(
      "data",
      `${file}:${counter.linePos(fault.pos[0]).line}: not valid YAML: ${reason}`,
    );
  }
  let value: unknown;
  try {
    value = document.toJS();
  } catch (cause) {
    // Aliases of nothing, and aliases that expand to more than anybody wrote by hand.
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EchoDuetError("data", `${file}: not valid YAML: ${reason}`, { cause });
  }
  if (!isMap(document.contents)) {
    throw new EchoDuetError(
      "data",
      `${file}: expected a map with the keys ${knownKeys.join(", ")}, got ${value}`,
    );
  }
  // The deepest node on the path that exists: a missing key is reported at its parent.
  const lineOf = (path: readonly PropertyKey[]): number | null => {
    for (let depth = path.length; depth > 0; depth--) {
      const node: unknown = document.getIn(path.slice(0, depth), true);
      const range = (node as { range?: [number, number, number] } | undefined)?.range;
      if (range) return counter.linePos(range[0]).line;
    }
    return null;
  };
  return { value, lineOf };
}

function toProblem(issue: z.core.$ZodIssue): Problem {
  if (issue.code === "unrecognized_keys") {
    const known = issue.path.length > 0 ? groupKeys : knownKeys;
    const path = [...issue.path, issue.keys[0]];
    return { path, message: `unknown key ${issue.keys.join(", ")}; known keys are ${known.join(", ")}` };
  }
  return { path: issue.path, message: issue.message };
}

function problemsError(
  file: string,
  problems: readonly Problem[],
  lineOf: (path: readonly PropertyKey[]) => number | null,
): EchoDuetError {
  const lines = problems.map(({ path, message }) => {
    const line = lineOf(path);
    const place = line === null ? file : `${file}:${line}`;
    return path.length > 0 ? `${place}: ${path.map(String).join(".")}: ${message}` : `${place}: ${message}`;
  });
  return new EchoDuetError("data", lines.join("\n"));
}

/** Views and classes that rules name without data.yaml declaring them. Undeclared views may be any. */
function ruleProblems(
  rules: Readonly<Record<string, readonly string[]>>,
  names: readonly string[],
  views: readonly string[],
): Problem[] {
  return Object.entries(rules).flatMap(([view, classes]) => {
    const problems: Problem[] = [];
    if (views.length > 0 && !views.includes(view)) {
      problems.push({
        path: ["rules", view],
        message: `expected one of the views ${views.join(", ")}, got ${view}`,
      });
    }
    const unknown = classes.find((name) => !names.includes(name));
    if (unknown !== undefined) {
      const message = `expected classes of \`names\` (${names.join(", ")}), got ${unknown}`;
      problems.push({ path: ["rules", view], message });
    }
    return problems;
  });
}

/**
 * Whether a path lies in a folder, by name and with its symbolic links followed: a link inside the data may
 * point elsewhere. A path with nothing there is judged by its name.
 */
export function liesInside(root: string, path: string): boolean {
  if (!isBelow(root, path)) return false;
  try {
    return isBelow(realpathSync.native(root), realpathSync.native(path));
  } catch {
    return true;
  }
}

function isBelow(root: string, path: string): boolean {
  const fromRoot = relative(root, path);
  return !(/^\.\.([\\/]|$)/.test(fromRoot) || isAbsolute(fromRoot));
}

/** The entry's absolute path; notes a problem where it lies outside the data set's folder. */
function resolveInside(root: string, entry: string, split: SplitName, problems: Problem[]): string {
  const path = resolve(root, entry);
  if (!liesInside(root, path)) {
    const remedy = "move the data there, or let `path` name the folder above";
    problems.push({ path: [split], message: `expected a place inside ${root}, got ${entry}; ${remedy}` });
  }
  return path;
}

function isFolder(path: string): boolean {
  return statusOf(path)?.isDirectory() ?? false;
}

/** What lies at a path, links followed; undefined for nothing, and for a path that no file can have. */
export function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
