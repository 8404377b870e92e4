import { existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { EchoDuetError } from "../../errors.js";
import { ioError, removeTemporaryFiles, writeFileAtomically } from "../../io/index.js";
import { acquireLock } from "../../training/index.js";
import { sweepFiles } from "./layout.js";
import { readPlan } from "./open-sweep.js";
import type { SweepPlan } from "./plan.js";

/**
 * Makes the directory of a sweep, or takes the one that is there to go on with it, and locks it; returns what
 * gives the lock back. A plan may have more runs than the one that is there, never fewer.
 * @throws EchoDuetError `io` where another process goes through the sweep or the file system refuses; `config` where
 *   the directory holds runs that the plan does not
 */
export function claimSweep(directory: string, plan: SweepPlan): () => void {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw ioError(directory, "created", error);
  }
  const release = acquireLock(resolve(directory, sweepFiles.lock));
  try {
    removeTemporaryFiles(directory, Object.values(sweepFiles));
    if (existsSync(join(directory, sweepFiles.plan))) requireSame(directory, readPlan(directory), plan);
    writeFileAtomically(join(directory, sweepFiles.plan), stringify(plan, { aliasDuplicateObjects: false }));
    return release;
  } catch (error) {
    release();
    throw error;
  }
}

function requireSame(directory: string, there: SweepPlan, plan: SweepPlan): void {
  const planned = new Map(plan.runs.map(({ id, name }) => [id, name]));
  const gone = there.runs.filter(({ id, name }) => planned.get(id) !== name);
  if (gone.length === 0) return;
  const names = gone.slice(0, 3).map(({ name }) => name);
  throw new EchoDuetError(
    "config",
    `${directory}: expected the sweep that it holds, or one with more runs, got one without ${gone.length} of its ${there.runs.length} runs ` +
      `(${names.join("; ")}${gone.length > names.length ? "; ..." : ""}); restore the file, or give another --out`,
  );
}
