import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { EchoDuetError } from "../errors.js";
import { ioError } from "../io/index.js";
import { runFiles } from "./run-files.js";
import { holdsStages, latestStage } from "./staged-info.js";

/**
 * The weights file that `--weights PATH` means: `path` itself where it is a file, else the best checkpoint of
 * the run in it, else the last one; of a run in stages, that of its last finished stage.
 * @throws EchoDuetError `io` where there is none
 */
export function findWeights(path: string): string {
  try {
    if (!statSync(path).isDirectory()) return path;
  } catch (error) {
    throw ioError(path, "read", error);
  }
  const run = holdsStages(path) ? latestStage(path) : path;
  const found = [runFiles.best, runFiles.last]
    .map((name) => join(run, name))
    .find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new EchoDuetError(
    "io",
    `${run}: expected a run with ${runFiles.best} or ${runFiles.last}, got neither; give a weights file, or train longer`,
  );
}
