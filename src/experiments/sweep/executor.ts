import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import type { TrainConfig } from "../../config/index.js";
import { ioError, writeFileAtomically } from "../../io/index.js";
import { runFiles } from "../../training/index.js";
import { sweptRunFiles } from "./layout.js";

/** A run to train: a new one as configured, or one to go on with. */
export interface Job {
  readonly directory: string;
  readonly config: TrainConfig;
}

/** How a job ended. */
export interface JobEnd {
  /** Exit code; null where a signal ended it, or it could not be started. */
  readonly code: number | null;
  readonly signal: string | null;
  /** What it said of its end; empty where it said nothing. */
  readonly message: string;
}

/** A job in progress. */
export interface RunningJob {
  /** Process id on this machine; null where it has none here. */
  readonly pid: number | null;
  /** Resolves when it has ended; never rejects. */
  readonly ended: Promise<JobEnd>;
  /** Asks it to save a checkpoint and end. */
  interrupt(): void;
}

/**
 * Where runs are trained. Whatever it is, a job trains in the run's directory, under its lock, so that how a run
 * stands is read from there and two jobs of one run never both train.
 */
export interface Executor {
  /** @throws EchoDuetError `io` where the file system refuses */
  start(job: Job): RunningJob;
}

/**
 * Trains in processes of this machine. They have process groups of their own and write to files, so they outlive
 * the sweep where that is killed.
 */
export class LocalProcesses implements Executor {
  /** @param program the command line that `train` and its options are added to */
  constructor(private readonly program: readonly [string, ...string[]]) {}

  start({ directory, config }: Job): RunningJob {
    const log = join(directory, sweptRunFiles.log);
    const args = this.#arguments(directory, config);
    const [command, ...first] = this.program;
    let output: number;
    try {
      output = openSync(log, "a");
    } catch (error) {
      throw ioError(log, "opened", error);
    }
    try {
      const before = statSync(log).size;
      const child = spawn(command, [...first, "train", ...args], {
        detached: true,
        stdio: ["ignore", "ignore", output],
      });
      return {
        pid: child.pid ?? null,
        ended: endOf(child, () => messageIn(log, before)),
        interrupt: () => child.kill("SIGTERM"),
      };
    } finally {
      closeSync(output);
    }
  }

  #arguments(directory: string, config: TrainConfig): string[] {
    if (existsSync(join(directory, runFiles.config))) return ["--resume", directory];
    try {
      mkdirSync(directory, { recursive: true });
    } catch (error) {
      throw ioError(directory, "created", error);
    }
    const asked = join(directory, sweptRunFiles.asked);
    writeFileAtomically(asked, stringify(config));
    return ["--config", asked, "--in-place"];
  }
}

function endOf(child: ChildProcess, message: () => string): Promise<JobEnd> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ code: null, signal: null, message: error.message }));
    child.once("close", (code, signal) => resolve({ code, signal, message: message() }));
  });
}

/** The program's last message in what a process added to its log. */
function messageIn(log: string, from: number): string {
  try {
    const text = readFileSync(log).subarray(from).toString("utf8");
    const at = text.lastIndexOf("echoduet: ");
    return at < 0 ? "" : text.slice(at + "echoduet: ".length).trimEnd();
  } catch {
    return ""; // the message is for people; that the job ended is known without it
  }
}
