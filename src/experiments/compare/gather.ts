import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { loadConfigFile, resolveTrainConfig, type TrainConfig } from "../../config/index.js";
import { EchoDuetError } from "../../errors.js";
import { readRunInfo, runFiles } from "../../training/index.js";
import { shortNames } from "../curves/run-history.js";
import { sweepFiles } from "../sweep/layout.js";
import { openSweep, type Sweep } from "../sweep/open-sweep.js";
import { readRunFacts } from "../sweep/run-facts.js";

/** A run that is to be compared, trained or not. */
export interface ComparedRun {
  readonly name: string;
  readonly directory: string;
  /** Name of its arm in a sweep; null for a run that was given by itself. */
  readonly arm: string | null;
  readonly seed: number;
  /** Its data.yaml. */
  readonly data: string;
  readonly config: TrainConfig;
  readonly state: "finished" | "failed" | "unfinished";
  /** Why it failed, else null. */
  readonly failure: string | null;
}

/** What `compare` was given. */
export interface Gathered {
  readonly runs: readonly ComparedRun[];
  /** null for a list of runs. */
  readonly sweep: Sweep | null;
}

/**
 * The runs in the folders `paths`, or those of the last stage of the sweep that the only one of them holds; runs
 * whose arm did not go on are left out.
 * @throws EchoDuetError `config` where a run is given twice; `io` for a folder that is no run
 */
export function gatherRuns(paths: readonly string[]): Gathered {
  if (paths.length === 1 && existsSync(join(paths[0], sweepFiles.plan))) {
    const sweep = openSweep(paths[0]);
    const runs = sweep.runs.filter(({ isFinal }) => isFinal);
    return { sweep, runs: runs.map((run) => ({ ...run, data: run.dataYaml, state: stateOf(run.state) })) };
  }
  const full = paths.map((path) => resolve(path));
  const twice = full.find((path, i) => full.indexOf(path) !== i);
  if (twice !== undefined) {
    throw new EchoDuetError("config", `${twice}: expected each run once, got it twice; leave one out`);
  }
  const names = shortNames(full);
  return { sweep: null, runs: full.map((path, i) => readRun(path, names[i])) };
}

function readRun(directory: string, name: string): ComparedRun {
  const path = join(directory, runFiles.config);
  if (!existsSync(path)) {
    const message = `expected the folder of a run, or of one sweep alone, got no ${basename(path)} there`;
    throw new EchoDuetError("io", `${directory}: ${message}; check the path`);
  }
  const config = resolveTrainConfig(loadConfigFile(path), path);
  const { state, failure } = readRunFacts(directory);
  return {
    name,
    directory,
    arm: null,
    seed: config.seed,
    data: readRunInfo(directory).data.path,
    config,
    state: stateOf(state),
    failure,
  };
}

function stateOf(state: string): ComparedRun["state"] {
  return state === "finished" || state === "failed" ? state : "unfinished";
}
