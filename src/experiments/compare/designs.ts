import { resolveTrainConfig, type TrainConfig } from "../../config/index.js";
import { flattenPaths, type Settings } from "../sweep/option-paths.js";
import type { ComparedRun } from "./gather.js";

/** Runs of one configuration, which differ in seed and data alone. */
export interface Design {
  readonly name: string;
  /** Training options by dotted path, without those of `incidental`. */
  readonly settings: Settings;
  readonly runs: readonly ComparedRun[];
}

/** What a run has to say of where and how it ran, not of the design: paths, seed, and what cannot change results but for last bits. */
const incidental = [
  ...["data", "seed", "out", "allowLeakage"],
  ...["device", "threads", "branchThreads", "cacheBytes", "workers"],
] as const;

/**
 * The runs by design: the arms of a sweep, else the configurations, in the order of the first run of each. A
 * configuration is named by its model and those of its settings that are not the default and not all the
 * designs'.
 */
export function groupDesigns(runs: readonly ComparedRun[]): Design[] {
  const groups = new Map<string, ComparedRun[]>();
  for (const run of runs) {
    const key = JSON.stringify([run.arm, settingsOf(run.config)]);
    const group = groups.get(key);
    if (group) group.push(run);
    else groups.set(key, [run]);
  }
  const designs = [...groups.values()].map((group) => ({
    name: "",
    settings: settingsOf(group[0].config),
    runs: group,
  }));
  return designs.map((design) => ({ ...design, name: design.runs[0].arm ?? nameOf(design, designs) }));
}

/** Options of a design that are neither the default nor common to all designs; the model, which has no default, is none. */
export function ownOptions({ settings }: Design, designs: readonly Design[]): string[] {
  const defaults = settingsOf(resolveTrainConfig({ data: "-", model: "-" }, "defaults"));
  return Object.keys(settings).filter(
    (path) =>
      path !== "model" &&
      textOf(settings[path]) !== textOf(defaults[path]) &&
      designs.some((other) => textOf(other.settings[path]) !== textOf(settings[path])),
  );
}

/** The options in which two designs differ. */
export function differingOptions(a: Design, b: Design): string[] {
  const paths = new Set([...Object.keys(a.settings), ...Object.keys(b.settings)]);
  return [...paths].filter((path) => textOf(a.settings[path]) !== textOf(b.settings[path]));
}

/** A setting as text. */
export function textOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return Object.values(value).map(textOf).join(",");
}

function nameOf(design: Design, designs: readonly Design[]): string {
  const own = ownOptions(design, designs).map((path) => `${path}=${textOf(design.settings[path])}`);
  return [textOf(design.settings.model), ...own].join(" ");
}

function settingsOf(config: TrainConfig): Settings {
  const rest = Object.entries(config).filter(([key]) => !(incidental as readonly string[]).includes(key));
  return flattenPaths(Object.fromEntries(rest));
}
