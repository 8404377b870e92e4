import { mkdir, mkdtemp, readdir, readFile, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { EchoDuetError } from "../../errors.js";
import { type ResolvedSimulation, SPLITS, type Split } from "./options.js";

/** Raised whenever the pictures of one seed change, so that an older folder is not taken for a new one. */
const REVISION = 5;
/** The file in a simulated data set that tells how it was made. */
export const RECORD = "simulation.json";

/** What a simulation wrote, as far as it depends on the options alone. */
export interface SimulationCounts {
  images: number;
  splits: Record<Split, { patients: string[]; images: number; labels: number }>;
  /** Pictures of each view and of each regurgitant valve, as they truly are. */
  views: Record<string, number>;
  valves: Record<string, number>;
  /** Faults by code, as truth.json lists them. */
  faults: Record<string, number>;
}

interface SimulationRecord {
  revision: number;
  options: ResolvedSimulation;
  summary: SimulationCounts;
}

/** The text of the record. */
export function recordText(options: ResolvedSimulation, summary: SimulationCounts): string {
  const record: SimulationRecord = { revision: REVISION, options, summary };
  return `${JSON.stringify(record, null, 2)}\n`;
}

/**
 * Has `fill` write into a temporary folder beside `out` and renames that, or removes it where anything fails.
 * Temporary folders that killed processes left are removed first.
 */
export async function writeWhole<T>(out: string, fill: (folder: string) => Promise<T>): Promise<T> {
  await mkdir(dirname(out), { recursive: true });
  const prefix = `.${basename(out)}.partial-`;
  await removeAbandoned(dirname(out), prefix);
  const temporary = await mkdtemp(join(dirname(out), `${prefix}${process.pid}-`));
  try {
    const result = await fill(temporary);
    // An empty folder may stand in the way, and not every system renames onto one.
    await rmdir(out).catch(() => undefined);
    await rename(temporary, out);
    return result;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

async function removeAbandoned(folder: string, prefix: string): Promise<void> {
  for (const entry of await readdir(folder)) {
    if (!entry.startsWith(prefix)) continue;
    const process = Number(/^\d+(?=-)/.exec(entry.slice(prefix.length))?.[0] ?? Number.NaN);
    if (Number.isNaN(process) || isRunning(process)) continue;
    await rm(join(folder, entry), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process may not be signalled, but is there.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * The summary of the complete simulation of these options in `out`, or undefined where `out` is free.
 * Throws an io error where the folder holds anything else, or not all of it.
 */
export async function existingSimulation(
  out: string,
  options: ResolvedSimulation,
): Promise<SimulationCounts | undefined> {
  const entries = await readdir(out).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === "ENOENT") return [];
    throw new EchoDuetError("io", `${out}: expected a folder to write to, got ${error.message}`, {
      cause: error,
    });
  });
  if (entries.length === 0) return undefined;
  const remedy = "remove it or name another folder";
  if (!entries.includes(RECORD)) {
    throw new EchoDuetError(
      "io",
      `${out}: expected an empty folder or an earlier simulation, got ${entries.length} other entries (${entries[0]}); ${remedy}`,
    );
  }
  const record = await readRecord(join(out, RECORD), remedy);
  const wanted = JSON.stringify({ revision: REVISION, options });
  const found = JSON.stringify({ revision: record.revision, options: record.options });
  if (wanted !== found) {
    throw new EchoDuetError(
      "io",
      `${out}: expected a simulation of ${wanted}, got one of ${found}; ${remedy}`,
    );
  }
  await checkComplete(out, record, remedy);
  return record.summary;
}

async function readRecord(path: string, remedy: string): Promise<SimulationRecord> {
  try {
    const record: SimulationRecord = JSON.parse(await readFile(path, "utf8"));
    if (record.options && record.summary) return record;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EchoDuetError("io", `${path}: expected a simulation's record, got ${reason}; ${remedy}`, {
      cause,
    });
  }
  throw new EchoDuetError("io", `${path}: expected a simulation's record, got other JSON; ${remedy}`);
}

async function checkComplete(out: string, { summary }: SimulationRecord, remedy: string): Promise<void> {
  for (const split of SPLITS) {
    for (const kind of ["images", "labels"] as const) {
      const folder = join(out, split, kind);
      const found = (await readdir(folder).catch(() => [])).length;
      const expected = summary.splits[split][kind];
      if (found === expected) continue;
      throw new EchoDuetError("io", `${folder}: expected ${expected} files, got ${found}; ${remedy}`);
    }
  }
}
