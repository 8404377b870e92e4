import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { z } from "zod";
import { parseWith } from "../config/index.js";
import { EchoDuetError } from "../errors.js";
import { ioError } from "../io/index.js";
import { acquireLock, tryLock } from "./run-lock.js";

/** Names of the files of a run. */
export const runFiles = {
  config: "config.yaml",
  info: "run.json",
  events: "events.jsonl",
  metrics: "metrics.csv",
  last: "last.safetensors",
  best: "best.safetensors",
  lock: "run.lock",
} as const;

/** Names of the files of a run in stages, beside which each stage has a run of its own. */
export const stagedFiles = { config: "stages.yaml", info: "stages.json", lock: runFiles.lock } as const;

/** The folder of stage `index` (from 0) within its run: `2-classification`. */
export function stageFolder(index: number, name: string): string {
  return `${index + 1}-${name}`;
}

/** Whether the folder `path` holds a run, or the beginnings of one. */
function holdsRun(path: string): boolean {
  const { config, info, events, last, best } = runFiles;
  const names = [config, info, events, last, best, stagedFiles.config, stagedFiles.info];
  return names.some((name) => existsSync(join(path, name)));
}

/**
 * The first of `out`, `out2`, `out3`, ... that holds no run, made and locked; `release` gives the lock back.
 * @throws EchoDuetError `io`, with the folder and the remedy, where it cannot be made
 */
export function claimFreeDirectory(out: string): { path: string; release: () => void } {
  const base = out.replace(/[/\\]+$/, "") || out;
  for (let number = 1; ; number++) {
    const path = number === 1 ? base : `${base}${number}`;
    makeFolder(path);
    if (holdsRun(path)) continue;
    const release = tryLock(resolve(path, runFiles.lock));
    if (release === undefined) continue;
    // Another process may have made a run, and ended, since the look above.
    if (!holdsRun(path)) return { path, release };
    release();
  }
}

/**
 * The directory `path` itself, made and locked; `release` gives the lock back.
 * @throws EchoDuetError `io`, with the remedy, where it cannot be made, holds a run or is another process's
 */
export function claimDirectory(path: string): { path: string; release: () => void } {
  makeFolder(path);
  const release = acquireLock(resolve(path, runFiles.lock));
  // Without its configuration it is what a killed process left, and none that could be resumed.
  if (!existsSync(join(path, runFiles.config))) return { path, release };
  release();
  throw new EchoDuetError(
    "io",
    `${path}: expected no run there, got one; go on with it (--resume ${path}), or choose another --out`,
  );
}

/** Makes the folder `path`, with those above it, where there is none. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw ioError(path, "created", error);
  }
}

/**
 * What the JSON file `file` holds, checked against `schema`.
 * @throws EchoDuetError `io` or `config` where it cannot be read or is damaged
 */
export function readJsonFile<S extends z.ZodType>(file: string, schema: S): z.output<S> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw ioError(file, "read", error);
  }
  try {
    return parseWith(schema, JSON.parse(text), file);
  } catch (cause) {
    if (cause instanceof EchoDuetError) throw cause;
    throw new EchoDuetError("config", `${file}: expected JSON, got a damaged file`, { cause });
  }
}
