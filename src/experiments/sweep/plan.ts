import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { z } from "zod";
import { mergeConfig, resolveTrainConfig, type TrainConfig, trainConfigSchema } from "../../config/index.js";
import { EchoDuetError } from "../../errors.js";
import { type Arm, expandArms } from "./arms.js";
import { nestPaths } from "./option-paths.js";
import { type LoadedSweepFile, type SweepFile, sweepFileSchema } from "./sweep-file.js";

const settingsSchema = z.record(z.string(), z.unknown());

const plannedRunSchema = z.strictObject({
  /** Hash of the resolved configuration and of the data as they were asked for; folders do not count. */
  id: z.string(),
  /** Name of its folder. */
  name: z.string(),
  arm: z.string(),
  /** Of its arm; null without families. */
  family: z.string().nullable().default(null),
  settings: settingsSchema,
  seed: z.int(),
  /** From 1; null without folds. */
  fold: z.int().nullable(),
  /** Absolute path of its data.yaml. */
  data: z.string(),
  epochs: z.int(),
  fraction: z.number(),
  /** Names of the stages that it belongs to. */
  stages: z.array(z.string()),
});
/** A run as the sweep plans it. */
export type PlannedRun = z.output<typeof plannedRunSchema>;

/** What `sweep.yaml` of a sweep's directory holds. */
export const sweepPlanSchema = z.strictObject({
  version: z.literal(1),
  name: z.string(),
  /** Of every run, where its settings, seed, data, epochs and fraction are not others. */
  base: trainConfigSchema,
  /** In their order; `keep` is null in the last one. */
  stages: z.array(
    z.strictObject({ name: z.string(), keep: z.union([z.int(), z.record(z.string(), z.int())]).nullable() }),
  ),
  runs: z.array(plannedRunSchema),
  /** The file that was asked for, defaults filled in. */
  asked: sweepFileSchema,
});
/** A sweep, resolved: which runs there may be, and how they are chosen from. */
export type SweepPlan = z.output<typeof sweepPlanSchema>;

/** The data of a run: its data.yaml, and what its id says of it. */
export interface FoldData {
  /** From 1; null without folds. */
  readonly fold: number | null;
  /** Absolute path of the data.yaml. */
  readonly data: string;
  /** The data as they were asked for, wherever they lie. */
  readonly reference: string;
}

/**
 * The runs of a sweep: arms x stages x seeds x folds. A configuration that two stages share is one run.
 * @param folds from `foldsOf`
 * @throws EchoDuetError `config` as `expandArms` does
 */
export function planSweep(file: LoadedSweepFile, folds: readonly FoldData[]): SweepPlan {
  const { asked, path } = file;
  const base = withAbsolutePaths(file.base);
  const stages = asked.stages.length > 0 ? asked.stages : [{ name: "all" }];
  const runs = new Map<string, PlannedRun>();
  for (const stage of stages) {
    for (const arm of expandArms(file)) {
      for (const seed of stage.seeds ?? asked.seeds) {
        for (const fold of folds.filter(
          ({ fold }) => fold === null || (stage.folds?.includes(fold) ?? true),
        )) {
          const run = plannedRun({ file, base, stage, isOnly: stages.length === 1, arm, seed, fold });
          const known = runs.get(run.id);
          if (known && known.arm !== arm.name) throw sameRuns(path, known.arm, arm.name, stage.name);
          runs.set(run.id, known ? { ...known, stages: [...known.stages, stage.name] } : run);
        }
      }
    }
  }
  return {
    version: 1,
    name: asked.name,
    base,
    stages: stages.map(({ name, keep }) => ({ name, keep: keep ?? null })),
    runs: [...runs.values()],
    asked,
  };
}

/**
 * The configuration that a run trains with, in its folder `out`.
 * @throws EchoDuetError `config` where it is none
 */
export function configOf(base: TrainConfig, run: PlannedRun, out: string): TrainConfig {
  const { settings, seed, data, epochs, fraction, name } = run;
  const merged = mergeConfig(mergeConfig(base, nestPaths(settings)), { seed, data, epochs, fraction, out });
  const config = withAbsolutePaths(resolveTrainConfig(merged, name));
  // All cores would be those of the machine at hand, and the last bits of a run with them.
  return { ...config, threads: config.threads === 0 ? 1 : config.threads };
}

interface RunParts {
  readonly file: LoadedSweepFile;
  readonly base: TrainConfig;
  readonly stage: SweepFile["stages"][number];
  readonly isOnly: boolean;
  readonly arm: Arm;
  readonly seed: number;
  readonly fold: FoldData;
}

function plannedRun({ file, base, stage, isOnly, arm, seed, fold }: RunParts): PlannedRun {
  const own = resolveTrainConfig(mergeConfig(base, nestPaths(arm.settings)), `${file.path}: ${arm.name}`);
  const foldPart = fold.fold === null ? [] : [`fold=${fold.fold}`];
  const run: PlannedRun = {
    id: "",
    name: [...(isOnly ? [] : [stage.name]), arm.name, `seed=${seed}`, ...foldPart].join(","),
    arm: arm.name,
    family: arm.family,
    settings: { ...arm.settings },
    seed,
    fold: fold.fold,
    data: fold.data,
    epochs: stage.epochs ?? own.epochs,
    fraction: stage.fraction ?? own.fraction,
    stages: [stage.name],
  };
  return { ...run, id: idOf(configOf(file.base, run, "-"), file, fold) };
}

/** Folders in the hash are those that were asked for, so that an id is the same wherever the files lie. */
function idOf(config: TrainConfig, { base }: LoadedSweepFile, { reference }: FoldData): string {
  const asAsked = (key: (typeof pathKeys)[number]) =>
    config[key] === absolute(base[key]) ? base[key] : config[key];
  const weights = Object.fromEntries(pathKeys.map((key) => [key, asAsked(key)]));
  const text = JSON.stringify({ ...config, ...weights, data: reference, out: null });
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

const pathKeys = ["weights", "detectionWeights", "classificationWeights"] as const;

/** A run may go on from another working directory. */
function withAbsolutePaths(config: TrainConfig): TrainConfig {
  const weights = Object.fromEntries(pathKeys.map((key) => [key, absolute(config[key])]));
  return { ...config, ...weights, data: resolve(config.data) };
}

function absolute(path: unknown): string | null {
  return typeof path === "string" ? resolve(path) : null;
}

function sameRuns(path: string, a: string, b: string, stage: string): EchoDuetError {
  return new EchoDuetError(
    "config",
    `${path}: expected arms that differ in every stage, got ${a} and ${b} with the same configuration in ${stage}; ` +
      "leave epochs and fraction to the stages",
  );
}
