import { join } from "node:path";

/** Names of the files of a sweep's directory; everything in it is found from the directory alone. */
export const sweepFiles = {
  plan: "sweep.yaml",
  journal: "state.jsonl",
  table: "table.csv",
  lock: "sweep.lock",
} as const;

/** Names of the files that a sweep adds to a run's directory. */
export const sweptRunFiles = {
  /** The configuration that it is started with. */
  asked: "asked.yaml",
  /** What its processes printed on standard error. */
  log: "output.log",
} as const;

/** The directory of the run `name`. */
export function runDirectoryOf(sweep: string, name: string): string {
  return join(sweep, "runs", name);
}
