import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { z } from "zod";
import { loadConfigFile, resolveStagedConfig, type StagedConfig } from "../config/index.js";
import { EchoDuetError } from "../errors.js";
import { removeTemporaryFiles, writeFileAtomically } from "../io/index.js";
import { describeRun, runInfoSchema, type RunOrigin } from "./run-directory.js";
import { claimFreeDirectory, readJsonFile, stagedFiles, stageFolder } from "./run-files.js";
import { acquireLock } from "./run-lock.js";

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
type StagedInfo = z.output<typeof stagedInfoSchema>;

/**
 * The directory of one training in stages, locked against other processes while it is open. Each stage is an
 * ordinary run in a folder of it. A stage counts as finished from the moment that `stages.json` says so.
 */
export class StagedDirectory {
  private constructor(
    /** The directory, as it was given, with the number that made it free. */
    readonly path: string,
    readonly config: StagedConfig,
    private current: StagedInfo,
    private readonly release: () => void,
  ) {}

  /**
   * Makes a run in stages in `config.out`, or in the next free directory, as `RunDirectory.create` does.
   * @throws EchoDuetError `io`, with the folder and the remedy, where it cannot be made or written
   */
  static create(config: StagedConfig, origin: RunOrigin): StagedDirectory {
    const { path, release } = claimFreeDirectory(config.out);
    try {
      removeTemporaryFiles(path, Object.values(stagedFiles));
      const info = { ...describeRun(origin), finished: [] };
      const run = new StagedDirectory(path, { ...config, out: path }, info, release);
      run.writeInfo();
      // Last, because it is what makes the directory a run that can be resumed.
      const text = stringify(run.config, { aliasDuplicateObjects: false });
      writeFileAtomically(join(path, stagedFiles.config), text);
      return run;
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * Opens the run in stages in `path` to go on with it.
   * @throws EchoDuetError `io` where another process trains in it; `config` or `io` where a file is damaged
   */
  static open(path: string): StagedDirectory {
    const release = acquireLock(resolve(path, stagedFiles.lock));
    try {
      removeTemporaryFiles(path, Object.values(stagedFiles));
      const file = join(path, stagedFiles.config);
      const config = { ...resolveStagedConfig(loadConfigFile(file), file), out: path };
      return new StagedDirectory(path, config, readStagedInfo(path), release);
    } catch (error) {
      release();
      throw error;
    }
  }

  get info(): StagedInfo {
    return this.current;
  }

  /** The directory of the run of stage `index` (from 0). */
  stage(index: number): string {
    return join(this.path, stageFolder(index, this.config.stages[index].name));
  }

  /** Puts on record that the next stage is finished. */
  finish(stage: FinishedStage): void {
    this.current = { ...this.current, finished: [...this.current.finished, stage] };
    this.writeInfo();
  }

  /** Gives the lock back. */
  close(): void {
    this.release();
  }

  private writeInfo(): void {
    writeFileAtomically(join(this.path, stagedFiles.info), `${JSON.stringify(this.current, null, 2)}\n`);
  }
}

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

function readStagedInfo(path: string): StagedInfo {
  return readJsonFile(join(path, stagedFiles.info), stagedInfoSchema);
}
