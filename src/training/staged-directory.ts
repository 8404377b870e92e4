import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { loadConfigFile, resolveStagedConfig, type StagedConfig } from "../config/index.js";
import { removeTemporaryFiles, writeFileAtomically } from "../io/index.js";
import { claimFreeDirectory, stagedFiles, stageFolder } from "./run-files.js";
import { describeRun, type RunOrigin } from "./run-info.js";
import { acquireLock } from "./run-lock.js";
import { type FinishedStage, readStagedInfo, type StagedInfo } from "./staged-info.js";

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
