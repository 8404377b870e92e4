import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { loadConfigFile, resolveStagedConfig } from "../config/index.js";
import { EchoDuetError } from "../errors.js";
import { readJsonFile, runFiles, stagedFiles, stageFolder } from "./run-files.js";
import { runInfoSchema } from "./run-info.js";

const finishedStageSchema = z.strictObject({
  name: z.string(),
  reason: z.enum(["completed", "early-stopping"]),
  epochs: z.int(),
  bestEpoch: z.int().nullable(),
  bestFitness: z.number().nullable(),
  /** Of the stage's latest validation. */
  metrics: z.record(z.string(), z.number().nullable()),
});
/** How a stage ended. */
export type FinishedStage = z.output<typeof finishedStageSchema>;

const stagedInfoSchema = runInfoSchema.extend({
  /** The stages that are done, in order. */
  finished: z.array(finishedStageSchema),
});
/** Circumstances of a run in stages and what is done of it, stored in `stages.json`. */
export type StagedInfo = z.output<typeof stagedInfoSchema>;

/** Whether `path` is the directory of a run in stages. */
export function holdsStages(path: string): boolean {
  return existsSync(join(path, stagedFiles.config));
}

/**
 * The directory of the last finished stage of the run in stages in `path`.
 * @throws EchoDuetError `io` where none is finished
 */
export function latestStage(path: string): string {
  const { finished } = readStagedInfo(path);
  const last = finished.at(-1);
  if (last !== undefined) return join(path, stageFolder(finished.length - 1, last.name));
  throw new EchoDuetError(
    "io",
    `${path}: expected a run with a finished stage, got none yet; train on with --resume ${path}, or give the folder of a stage`,
  );
}

/**
 * The directories of the stages of the run in stages in `path` that have begun, in order.
 * @throws EchoDuetError `io` or `config` where `stages.yaml` cannot be read or is damaged
 */
export function begunStages(path: string): string[] {
  const file = join(path, stagedFiles.config);
  return resolveStagedConfig(loadConfigFile(file), file)
    .stages.map(({ name }, index) => join(path, stageFolder(index, name)))
    .filter((stage) => existsSync(join(stage, runFiles.events)));
}

/**
 * What is done of the run in stages in `path`.
 * @throws EchoDuetError `io` or `config` where `stages.json` cannot be read or is damaged
 */
export function readStagedInfo(path: string): StagedInfo {
  return readJsonFile(join(path, stagedFiles.info), stagedInfoSchema);
}
