import { type ConfigValues, mergeConfig, trainOptions } from "../../config/index.js";

/** Training options by dotted path, such as `optim.classification.lr0`. */
export type Settings = Readonly<Record<string, unknown>>;

const leaves = new Set(trainOptions.map(({ path }) => path.join(".")));

/** Nested values of options whose keys may be dotted paths: `{"ema.decay": 0}` is `{ema: {decay: 0}}`. */
export function nestPaths(options: Settings): ConfigValues {
  return Object.entries(options).reduce<ConfigValues>((nested, [path, value]) => {
    const inner = isMapping(value) ? nestPaths(value) : value;
    const outer = path.split(".").reduceRight<unknown>((rest, key) => ({ [key]: rest }), inner);
    return mergeConfig(nested, outer as ConfigValues);
  }, {});
}

/** The values of nested options by dotted path, sorted; what is one option (`taskWeights`) stays whole. */
export function flattenPaths(options: Settings): Settings {
  const flat = collect(nestPaths(options), "");
  return Object.fromEntries(flat.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function collect(values: Settings, prefix: string): [string, unknown][] {
  return Object.entries(values).flatMap(([key, value]): [string, unknown][] => {
    const path = `${prefix}${key}`;
    return isMapping(value) && !leaves.has(path) ? collect(value, `${path}.`) : [[path, value]];
  });
}

function isMapping(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
