import { z } from "zod";
import {
  byteCountSchema,
  loadConfigFile,
  parseWith,
  resolveTrainConfig,
  type TrainConfig,
} from "../../config/index.js";
import { EchoDuetError } from "../../errors.js";
import { nestPaths } from "./option-paths.js";

/**
 * What runs are compared by: the fitness, `tasks` (mAP@.5, balanced accuracy, or for a run that does both tasks their
 * mean), or a metric of the validation; of `ece` less is better.
 */
export const selectionMetrics = [
  ...["fitness", "tasks", "map50", "map50_95", "precision", "recall", "f1"],
  ...["accuracy", "balancedAccuracy", "macroF1", "auroc", "ece"],
] as const;

const count = (least: number) => z.int().min(least);
const options = z.record(z.string(), z.unknown(), { error: "expected a mapping of training options" });
const folderName = z.string().regex(/^[\w][\w.+=,-]*$/, "expected a name of letters, digits and . _ - + = ,");
const distinct = <T extends z.ZodType<number | string>>(item: T) =>
  z
    .array(item)
    .min(1)
    .refine((items) => new Set(items).size === items.length, "expected each value once");

const range = z
  .tuple([z.number(), z.number()], { error: "expected [least, greatest]" })
  .refine(([least, greatest]) => least < greatest, "expected the least value before the greatest");

/** How the values of a random search are drawn: exactly one of the three. */
const distributionSchema = z
  .strictObject({
    uniform: range.optional(),
    logUniform: range.refine(([least]) => least > 0, "expected values above 0").optional(),
    choice: z.array(z.unknown()).min(1).optional(),
  })
  .refine(
    (given) => Object.values(given).filter((value) => value !== undefined).length === 1,
    "expected exactly one of uniform, logUniform and choice",
  );
/** How the values of an option are drawn. */
export type Distribution = z.output<typeof distributionSchema>;

const stageSchema = z.strictObject({
  name: folderName,
  /** By default all of the sweep's. */
  seeds: distinct(count(0)).optional(),
  /** Numbers of folds, from 1; by default all. */
  folds: distinct(count(1)).optional(),
  /** By default the run's own. */
  fraction: z.number().gt(0).max(1).optional(),
  epochs: count(1).optional(),
  /** Arms that go on to the next stage, of all or of each family; the last stage has none. */
  keep: z
    .union([count(1), z.record(z.string(), count(0))], {
      error: "expected a count, or a count for each family",
    })
    .optional(),
});

const halvingSchema = z.strictObject({
  /** Epochs after which the arms of the first stage are compared, ascending. */
  at: distinct(count(1)).refine(
    (epochs) => epochs.every((epoch, i) => i === 0 || epoch > epochs[i - 1]),
    "expected ascending epochs",
  ),
  /** Share of the arms that go on each time, at least one. */
  keep: z.number().gt(0).lt(1).default(0.5),
});

/** What `experiments.yaml` may hold. */
export const sweepFileSchema = z.strictObject({
  name: folderName,
  /** Training options, as in a file of `train --config`. */
  base: options,
  /** Options over the base's, by name. */
  arms: z.record(folderName, options).default({}),
  /** Names of arms, each with all of its grid and samples, by the family in which they are compared. */
  families: z.record(folderName, distinct(z.string())).default({}),
  /** Lists of values by option (`optim.classification.lr0`); every combination is an arm. */
  grid: z.record(z.string(), z.array(z.unknown()).min(1)).default({}),
  /** Values drawn by option; every sample is an arm. */
  random: z
    .strictObject({
      samples: count(1),
      seed: count(0).default(0),
      options: z.record(z.string(), distributionSchema),
    })
    .nullable()
    .default(null),
  /** Combinations to leave out: those that have all the values of an entry. */
  exclude: z.array(options).default([]),
  seeds: distinct(count(0).max(2 ** 32 - 1)).default([0]),
  /** Patient-wise folds of the base's data, or a data.yaml a fold. */
  folds: z
    .union(
      [
        z.strictObject({ count: count(3), seed: count(0).default(0), images: z.boolean().default(true) }),
        distinct(z.string().min(1)),
      ],
      { error: "expected {count, seed, images} or a list of data.yaml files" },
    )
    .nullable()
    .default(null),
  metric: z.enum(selectionMetrics).default("fitness"),
  budget: z
    .strictObject({
      /** Threads of all runs together; by default the cores of the machine. */
      cores: count(1).nullable().default(null),
      /** Resident memory of all runs together (bytes). */
      memory: byteCountSchema.nullable().default(null),
      /** Longest estimated time of the whole (hours). */
      hours: z.number().positive().nullable().default(null),
    })
    .prefault({}),
  stages: z.array(stageSchema).default([]),
  halving: halvingSchema.nullable().default(null),
});

/** A sweep as it was asked for, defaults filled in. */
export type SweepFile = z.output<typeof sweepFileSchema>;
/** A validation metric, or the fitness. */
export type SelectionMetric = SweepFile["metric"];

/** A sweep's file with its base configuration resolved. */
export interface LoadedSweepFile {
  readonly path: string;
  readonly asked: SweepFile;
  readonly base: TrainConfig;
}

/** Options that a sweep sets by itself, and where it takes them from. */
const own = { out: "runs lie in the sweep's directory", seed: "list it under seeds" };
const ownOfArms = { ...own, data: "list data.yaml files under folds" };

/**
 * The sweep that the YAML file `path` asks for.
 * @throws EchoDuetError `config` that lists every issue with its path
 */
export function loadSweepFile(path: string): LoadedSweepFile {
  const asked = parseWith(sweepFileSchema, loadConfigFile(path), path);
  const base = resolveTrainConfig(nestPaths(asked.base), `${path}: base`);
  const issues = [
    ...reserved("base", asked.base, own),
    ...Object.entries(asked.arms).flatMap(([name, arm]) => reserved(`arms.${name}`, arm, ownOfArms)),
    ...reserved("grid", asked.grid, ownOfArms),
    ...reserved("random.options", asked.random?.options ?? {}, ownOfArms),
    ...familyIssues(asked),
    ...stageIssues(asked),
    ...halvingIssues(asked, base),
  ];
  if (issues.length > 0) {
    throw new EchoDuetError("config", `${path}:\n${issues.map((issue) => `  ${issue}`).join("\n")}`);
  }
  return { path, asked, base };
}

function reserved(
  place: string,
  given: Readonly<Record<string, unknown>>,
  places: Readonly<Record<string, string>>,
): string[] {
  return Object.keys(given).flatMap((key) =>
    key in places ? [`${place}.${key}: expected no such option here; ${places[key]}`] : [],
  );
}

/** Families share no arm, and where there are any, each arm is in one. */
function familyIssues({ arms, families }: SweepFile): string[] {
  const listed = Object.values(families).flat();
  const unknown = listed.filter((name) => !(name in arms));
  const twice = listed.filter((name, i) => listed.indexOf(name) !== i);
  const without = listed.length === 0 ? [] : Object.keys(arms).filter((name) => !listed.includes(name));
  return [
    ...unknown.map((name) => `families: expected names of arms, got ${name}`),
    ...twice.map((name) => `families: expected each arm in one family, got ${name} in two`),
    ...without.map((name) => `families: expected every arm in a family, got none for ${name}`),
  ];
}

/** A count for each family, where a stage's `keep` names families. */
function keepIssues(
  at: string,
  keep: SweepFile["stages"][number]["keep"],
  families: readonly string[],
): string[] {
  if (typeof keep !== "object") return [];
  const named = Object.keys(keep);
  return [
    ...named
      .filter((name) => !families.includes(name))
      .map((name) => `${at}.keep: expected families (${families.join(", ") || "none"}), got ${name}`),
    ...families
      .filter((name) => !named.includes(name))
      .map((name) => `${at}.keep: expected a count for each family, got none for ${name}`),
    ...(Object.values(keep).some((count) => count > 0) || named.length === 0
      ? []
      : [`${at}.keep: expected an arm to go on, got 0 for each family`]),
  ];
}

/** What the schema cannot see: how stages fit each other, seeds and folds. */
function stageIssues({ stages, seeds, folds, families }: SweepFile): string[] {
  const foldCount = folds === null ? 0 : Array.isArray(folds) ? folds.length : folds.count;
  const names = stages.map(({ name }) => name);
  return stages.flatMap((stage, i) => {
    const at = `stages.${i}`;
    const issues: string[] = [];
    const isLast = i === stages.length - 1;
    if (names.indexOf(stage.name) !== i)
      issues.push(`${at}.name: expected each name once, got ${stage.name}`);
    if (isLast && stage.keep !== undefined) issues.push(`${at}.keep: expected none in the last stage`);
    if (!isLast && stage.keep === undefined) issues.push(`${at}.keep: is required before another stage`);
    issues.push(...keepIssues(at, stage.keep, Object.keys(families)));
    for (const seed of stage.seeds ?? []) {
      if (!seeds.includes(seed))
        issues.push(`${at}.seeds: expected some of ${seeds.join(", ")}, got ${seed}`);
    }
    for (const fold of stage.folds ?? []) {
      if (fold > foldCount) issues.push(`${at}.folds: expected at most ${foldCount}, got ${fold}`);
    }
    return issues;
  });
}

function halvingIssues({ halving, stages }: SweepFile, base: TrainConfig): string[] {
  const epochs = stages[0]?.epochs ?? base.epochs;
  const { every } = base.validation;
  return (halving?.at ?? []).flatMap((epoch, i) => [
    ...(epoch < epochs ? [] : [`halving.at.${i}: expected less than the ${epochs} epochs, got ${epoch}`]),
    ...(epoch % every === 0
      ? []
      : [`halving.at.${i}: expected an epoch with a validation (every ${every}), got ${epoch}`]),
  ]);
}
