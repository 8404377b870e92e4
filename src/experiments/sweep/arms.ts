import { createHash } from "node:crypto";
import { basename } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { mergeConfig, resolveTrainConfig } from "../../config/index.js";
import { EchoDuetError } from "../../errors.js";
import { randomStream } from "../../tensor/index.js";
import { flattenPaths, nestPaths, type Settings } from "./option-paths.js";
import type { Distribution, LoadedSweepFile, SweepFile } from "./sweep-file.js";

/** One setting of the options under comparison; its runs differ in seed and fold. */
export interface Arm {
  /** Readable, and the name of a folder. */
  readonly name: string;
  /** What it has over the base. */
  readonly settings: Settings;
  /** The family that its named arm is in; null without families. */
  readonly family: string | null;
}

/** Digits that a drawn number keeps, so that names tell the value itself. */
const drawnDigits = 4;
const longestName = 100;

/**
 * The arms of a sweep: each named arm with each combination of the grid and each random sample, without those
 * excluded. Which arms there are does not depend on the order of keys in the file.
 * @throws EchoDuetError `config` for a value that the schema of a training refuses, for arms that are the same,
 *   and where everything is excluded
 */
export function expandArms(file: LoadedSweepFile): Arm[] {
  const { asked, path } = file;
  checkValues(file);
  const named = Object.entries(asked.arms).map(([name, options]) => ({ name, options }));
  const arms = (named.length > 0 ? named : [{ name: "", options: {} }]).flatMap(({ name, options }) =>
    product(asked.grid).flatMap((point) =>
      samples(asked).map((sample) => ({
        name: [name, nameOf({ ...point, ...sample })].filter((part) => part !== "").join(",") || "base",
        settings: flattenPaths(mergeConfig(nestPaths(options), nestPaths({ ...point, ...sample }))),
        family: Object.entries(asked.families).find(([, arms]) => arms.includes(name))?.[0] ?? null,
      })),
    ),
  );
  const kept = arms.filter(({ settings }) => !asked.exclude.some((entry) => matches(settings, entry)));
  if (kept.length === 0)
    throw new EchoDuetError("config", `${path}: exclude: expected arms to be left, got none`);
  requireDistinct(kept, file);
  return distinctNames(kept);
}

/** Every value of every option is one that a training takes: all are checked before anything is trained. */
function checkValues({ asked, base, path }: LoadedSweepFile): void {
  const check = (place: string, options: Settings): void => {
    resolveTrainConfig(mergeConfig(base, nestPaths(options)), `${path}: ${place}`);
  };
  for (const [name, options] of Object.entries(asked.arms)) check(`arms.${name}`, options);
  for (const [option, values] of Object.entries(asked.grid)) {
    for (const [i, value] of values.entries()) check(`grid.${option}.${i}`, { [option]: value });
  }
  for (const [option, distribution] of Object.entries(asked.random?.options ?? {})) {
    const { uniform, logUniform, choice } = distribution;
    for (const value of choice ?? uniform ?? logUniform ?? []) {
      check(`random.options.${option}`, { [option]: value });
    }
  }
  for (const [i, options] of asked.exclude.entries()) check(`exclude.${i}`, options);
}

/** Every combination of one value an option; one empty one of no option. */
function product(grid: SweepFile["grid"]): Settings[] {
  return Object.entries(grid).reduce<Settings[]>(
    (points, [option, values]) =>
      points.flatMap((point) => values.map((value) => ({ ...point, [option]: value }))),
    [{}],
  );
}

/** The samples of a random search; one that is drawn again counts once. */
function samples({ random }: SweepFile): Settings[] {
  if (random === null) return [{}];
  const drawn = Array.from({ length: random.samples }, (_, sample) =>
    Object.fromEntries(
      Object.entries(random.options).map(([option, distribution]) => [
        option,
        draw(distribution, random.seed, option, sample),
      ]),
    ),
  );
  return drawn.filter((one, i) => drawn.findIndex((other) => isDeepStrictEqual(one, other)) === i);
}

/** A stream for each option and sample: adding either leaves the other draws as they were. */
function draw({ uniform, logUniform, choice }: Distribution, seed: number, option: string, sample: number) {
  const stream = randomStream(seed, "sweep", option, sample);
  if (choice) return choice[stream.integer(choice.length)];
  const [least, greatest] = (uniform ?? logUniform)!;
  const value = uniform
    ? stream.uniform(least, greatest)
    : Math.exp(stream.uniform(Math.log(least), Math.log(greatest)));
  return Number(value.toPrecision(drawnDigits));
}

function matches(settings: Settings, entry: Settings): boolean {
  return Object.entries(flattenPaths(entry)).every(([path, value]) =>
    isDeepStrictEqual(settings[path], value),
  );
}

/** Arms that would train alike are a mistake: they would count twice in a comparison. */
function requireDistinct(arms: readonly Arm[], { base, path }: LoadedSweepFile): void {
  const seen = new Map<string, string>();
  for (const { name, settings } of arms) {
    const config = JSON.stringify(
      resolveTrainConfig(mergeConfig(base, nestPaths(settings)), `${path}: ${name}`),
    );
    const twin = seen.get(config);
    if (twin !== undefined) {
      throw new EchoDuetError(
        "config",
        `${path}: expected arms that differ, got the same configuration as ${twin} and as ${name}; leave one out`,
      );
    }
    seen.set(config, name);
  }
}

function nameOf(settings: Settings): string {
  return Object.entries(settings)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, value]) => `${path}=${textOf(value)}`)
    .join(",");
}

function textOf(value: unknown): string {
  const text = Array.isArray(value)
    ? value.map(textOf).join("-")
    : typeof value === "object" && value !== null
      ? Object.values(value).map(textOf).join("-")
      : basename(String(value));
  return text.replace(/[^\w.+-]/g, "_");
}

/** Long names are cut, and names that some file system takes for the same get a hash of their settings. */
function distinctNames(arms: readonly Arm[]): Arm[] {
  const short = arms.map(({ name }) => name.slice(0, longestName).toLowerCase());
  return arms.map((arm, i) => {
    const isAlone = short.indexOf(short[i]) === i && short.lastIndexOf(short[i]) === i;
    if (isAlone && arm.name.length <= longestName) return arm;
    const hash = createHash("sha256").update(JSON.stringify(arm.settings)).digest("hex").slice(0, 8);
    return { ...arm, name: `${arm.name.slice(0, longestName)}-${hash}` };
  });
}
