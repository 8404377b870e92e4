import { readFileSync } from "node:fs";
import { LineCounter, parseDocument } from "yaml";
import { EchoDuetError } from "../errors.js";

/** The values of a configuration, not yet checked. */
export type ConfigValues = Record<string, unknown>;

/**
 * The mapping that the YAML file `path` holds, not yet checked (an empty file is an empty mapping).
 * @throws EchoDuetError `config`, with file and line, where it cannot be read, is no YAML or no mapping
 */
export function loadConfigFile(path: string): ConfigValues {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EchoDuetError("config", `${path}: cannot be read (${reason}); check the path`, { cause });
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    const { message, pos } = document.errors[0];
    const { line, col } = lines.linePos(pos[0]);
    throw new EchoDuetError("config", `${path}:${line}:${col}: expected YAML, got an error: ${message}`);
  }
  const values: unknown = document.toJS() ?? {};
  if (!isMapping(values)) {
    throw new EchoDuetError("config", `${path}:1: expected a mapping of options, such as "epochs: 100"`);
  }
  return values;
}

/**
 * `base` with the values of `overrides` in their place, nested mappings merged field by field; an override
 * of `undefined` leaves the base's value.
 */
export function mergeConfig(base: ConfigValues, overrides: ConfigValues): ConfigValues {
  const merged = { ...base };
  for (const [key, value] of Object.entries(overrides)) {
    const old = merged[key];
    if (value !== undefined)
      merged[key] = isMapping(old) && isMapping(value) ? mergeConfig(old, value) : value;
  }
  return merged;
}

function isMapping(value: unknown): value is ConfigValues {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
