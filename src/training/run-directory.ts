import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { loadConfigFile, resolveTrainConfig, type TrainConfig } from "../config/index.js";
import { EchoDuetError } from "../errors.js";
import type { HostTensor } from "../tensor/index.js";
import { removeTemporaryFiles, writeFileAtomically } from "../io/index.js";
import {
  type Checkpoint,
  type NewCheckpointMetadata,
  readCheckpoint,
  writeCheckpoint,
} from "./checkpoint.js";
import {
  AppendedLog,
  type CsvValue,
  formatCsvLine,
  formatEvent,
  readEvents,
  type TrainingEvent,
} from "./events.js";
import { claimDirectory, claimFreeDirectory, runFiles } from "./run-files.js";
import { describeRun, type RunInfo, type RunOrigin, readRunInfo } from "./run-info.js";
import { acquireLock } from "./run-lock.js";
import { TensorBoardLog } from "./tensorboard.js";

/** An opened run and the checkpoint to go on from; null where it was stopped before its first one. */
export interface ResumedRun {
  readonly run: RunDirectory;
  readonly checkpoint: Checkpoint | null;
}

/**
 * The directory of one training run, locked against other processes while it is open.
 *
 * `last.safetensors` is the run's state: events and metrics after it are cut off on resuming, so that a
 * resumed run's logs read as an uninterrupted one's do. A best checkpoint must therefore be saved BEFORE the
 * last one of the same step: a kill in between repeats the step and saves the same best again.
 */
export class RunDirectory {
  private readonly events: AppendedLog;
  private readonly metrics: AppendedLog;
  private readonly tensorBoard: TensorBoardLog;
  private metricsHeader: string | undefined;
  private closed = false;

  private constructor(
    /** The directory, as it was given, with the number that made it free. */
    readonly path: string,
    readonly config: TrainConfig,
    readonly info: RunInfo,
    private readonly release: () => void,
    /** Lengths in bytes to cut the logs of an earlier process back to. */
    kept?: Checkpoint["metadata"]["logs"],
  ) {
    this.events = new AppendedLog(this.file("events"));
    this.metrics = new AppendedLog(this.file("metrics"));
    if (kept) this.rewind(kept);
    this.tensorBoard = TensorBoardLog.rewrite(path, info.created, readEvents(this.file("events")));
  }

  /**
   * Makes a run in `out`, or where that holds a run or another process is making one, in `out2`, `out3`, ...;
   * `config.yaml` gets the directory's real name as `out`.
   * @throws EchoDuetError `io`, with the folder and the remedy, where it cannot be made or written
   */
  static create(out: string, config: TrainConfig, origin: RunOrigin): RunDirectory {
    const { path, release } = claimFreeDirectory(out);
    return RunDirectory.begin(path, release, config, origin);
  }

  /**
   * Makes a run in `out` itself, over the beginnings of one that was killed while it was made.
   * @throws EchoDuetError `io` as `create`, and where there is a run, or another process trains
   */
  static createAt(out: string, config: TrainConfig, origin: RunOrigin): RunDirectory {
    const { path, release } = claimDirectory(out);
    return RunDirectory.begin(path, release, config, origin);
  }

  private static begin(
    path: string,
    release: () => void,
    config: TrainConfig,
    origin: RunOrigin,
  ): RunDirectory {
    try {
      removeTemporaryFiles(path, Object.values(runFiles));
      const placed = { ...config, out: path };
      const info = describeRun(origin);
      writeFileAtomically(join(path, runFiles.info), `${JSON.stringify(info, null, 2)}\n`);
      // Last, because it is what makes the directory a run that can be resumed.
      writeFileAtomically(join(path, runFiles.config), stringify(placed));
      return new RunDirectory(path, placed, info, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * Opens the run in `path` to go on with it: takes its lock, reads its last checkpoint, removes temporary
   * files of killed writers, cuts the logs back to the checkpoint and writes the TensorBoard file anew.
   * @throws EchoDuetError `io` where there is no run or another process trains in it; `checkpoint` or
   *   `config` where a file of it is damaged
   */
  static open(path: string): ResumedRun {
    if (!existsSync(join(path, runFiles.config))) {
      throw new EchoDuetError(
        "io",
        `${path}: expected a run, got no ${runFiles.config} there; check the path`,
      );
    }
    const release = acquireLock(resolve(path, runFiles.lock));
    try {
      removeTemporaryFiles(path, Object.values(runFiles));
      const configPath = join(path, runFiles.config);
      const config = { ...resolveTrainConfig(loadConfigFile(configPath), configPath), out: path };
      const last = join(path, runFiles.last);
      const checkpoint = existsSync(last) ? readCheckpoint(last) : null;
      const kept = checkpoint?.metadata.logs ?? { events: 0, metrics: 0 };
      const run = new RunDirectory(path, config, readRunInfo(path), release, kept);
      return { run, checkpoint };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Path of one of the run's files. */
  file(name: keyof typeof runFiles): string {
    return join(this.path, runFiles[name]);
  }

  /** Appends `event` to `events.jsonl`, and its numbers to the TensorBoard file. */
  event(event: TrainingEvent): void {
    const time = new Date();
    this.events.append(formatEvent(event, time));
    this.tensorBoard.append({ time: time.toISOString(), ...event });
  }

  /**
   * Appends a row to `metrics.csv`, whose header comes from the first row.
   * @throws EchoDuetError `io` where a later row has other columns, or the file system refuses
   */
  metricsRow(row: Readonly<Record<string, CsvValue>>): void {
    const header = formatCsvLine(Object.keys(row));
    if (this.metricsHeader === undefined) {
      this.metrics.append(header);
      this.metricsHeader = header;
    } else if (header !== this.metricsHeader) {
      throw new EchoDuetError(
        "io",
        `${this.file("metrics")}: expected the columns ${this.metricsHeader}, got ${header}`,
      );
    }
    this.metrics.append(formatCsvLine(Object.values(row)));
  }

  /**
   * Writes the last or best checkpoint, atomically, with the logs' lengths in it. The event that tells of it
   * comes after.
   * @throws as `writeCheckpoint`
   */
  saveCheckpoint(
    which: "last" | "best",
    tensors: ReadonlyMap<string, HostTensor>,
    metadata: Omit<NewCheckpointMetadata, "logs">,
  ): void {
    const logs = { events: this.events.position(), metrics: this.metrics.position() };
    writeCheckpoint(this.file(which), tensors, { ...metadata, logs });
  }

  /** Closes the logs and gives the lock back; does nothing the second time. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.events.close();
    this.metrics.close();
    this.tensorBoard.close();
    this.release();
  }

  private rewind(kept: Checkpoint["metadata"]["logs"]): void {
    this.events.rewindTo(kept.events);
    this.metrics.rewindTo(kept.metrics);
    const text = readFileSync(this.file("metrics"), "utf8");
    this.metricsHeader = text === "" ? undefined : text.slice(0, text.indexOf("\n"));
  }
}
