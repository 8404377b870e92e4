import { z } from "zod";
import { EchoDuetError } from "../errors.js";
import { type TrainConfig, trainConfigSchema } from "./train-config.js";

/**
 * The training run that `input` describes, defaults filled in. Resolving a resolved configuration changes
 * nothing.
 * @param origin what the message names, such as the path of the configuration file
 * @throws EchoDuetError `config` that lists EVERY issue with its path, what was expected and what was found
 */
export function resolveTrainConfig(input: unknown, origin: string): TrainConfig {
  return parseWith(trainConfigSchema, input, origin);
}

/** `input` checked against `schema`; throws one `config` error with all issues. */
export function parseWith<S extends z.ZodType>(schema: S, input: unknown, origin: string): z.output<S> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const lines = describeIssues(result.error, input, schema);
  const text = lines.length === 1 ? ` ${lines[0]}` : `\n${lines.map((line) => `  ${line}`).join("\n")}`;
  throw new EchoDuetError("config", `${origin}:${text}`);
}

/** One line for each issue: its path, what was expected and the value found there. */
export function describeIssues(error: z.ZodError, input: unknown, schema?: z.ZodType): string[] {
  return error.issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") {
      const known = knownKeys(schema, issue.path);
      return issue.keys.map(
        (key) => `${joinPath([...issue.path, key])}: unknown option${suggest(key, known)}`,
      );
    }
    const value = valueAt(input, issue.path);
    const message = issue.message.replace(
      /^(Invalid input|Invalid option|Invalid number|Too small|Too big): /,
      "",
    );
    const found = value === undefined ? "" : `, got ${show(value)}`;
    const subject =
      issue.path.length > 0 ? `${joinPath(issue.path)}${message.startsWith("is ") ? "" : ":"} ` : "";
    return [`${subject}${message.replace(/, received [^,]*$/, "")}${found}`];
  });
}

function joinPath(path: readonly PropertyKey[]): string {
  return path.map(String).join(".");
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    // Texts such as "640x480" stand for objects: the whole text is then what was found.
    if (typeof value !== "object" || value === null || !(key in value)) {
      return typeof value === "object" ? undefined : value;
    }
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function show(value: unknown): string {
  const text = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** The names that the object schema at `path` knows. */
function knownKeys(schema: z.ZodType | undefined, path: readonly PropertyKey[]): string[] {
  let at = schema;
  for (const key of path) at = elementOf(at) ?? objectShape(at)?.[String(key)];
  return Object.keys(objectShape(at) ?? {});
}

/** The schema of an array's elements; undefined for every other schema. */
function elementOf(schema: z.ZodType | undefined): z.ZodType | undefined {
  const inner = schema && innermost(schema);
  return inner instanceof z.ZodArray ? (inner.element as z.ZodType) : undefined;
}

/** The fields of an object schema, seen through defaults; undefined for every other schema. */
export function objectShape(schema: z.ZodType | undefined): Record<string, z.ZodType> | undefined {
  const inner = schema && innermost(schema);
  return inner && "shape" in inner ? (inner.shape as Record<string, z.ZodType>) : undefined;
}

/** `schema` without its defaults, optionality and nullability. */
export function innermost(schema: z.ZodType): z.ZodType {
  const def = schema.def as { innerType?: z.ZodType };
  return def.innerType ? innermost(def.innerType) : schema;
}

/** `; did you mean X?` for the nearest known name within two edits. */
function suggest(key: string, known: readonly string[]): string {
  const near = known
    .map((name) => ({ name, distance: editDistance(key.toLowerCase(), name.toLowerCase()) }))
    .filter(({ distance }) => distance <= 2)
    .sort((a, b) => a.distance - b.distance);
  return near.length > 0 ? `; did you mean ${near[0].name}?` : "";
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}
