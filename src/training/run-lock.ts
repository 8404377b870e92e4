import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { EchoDuetError } from "../errors.js";
import { errnoOf, ioError, temporaryPath } from "../io/index.js";

/** Locks that this process holds, by path: its own id in another lock file is a recycled one. */
const held = new Set<string>();

/**
 * Takes the lock file `path` and returns the function that gives it back (also done when the process exits);
 * undefined where another process holds it. The lock of a process that is no longer alive is taken over. A
 * lock of another computer counts as held, since nobody here can tell.
 * @throws EchoDuetError `io` where the file system refuses
 */
export function tryLock(path: string): (() => void) | undefined {
  if (!createLock(path) && !(removeStaleLock(path) && createLock(path))) return undefined;
  held.add(path);
  const release = (): void => {
    process.removeListener("exit", release);
    if (held.delete(path)) rmSync(path, { force: true });
  };
  process.once("exit", release);
  return release;
}

/**
 * `tryLock`, or an error.
 * @throws EchoDuetError `io` that names the holder, or where the file system refuses
 */
export function acquireLock(path: string): () => void {
  const release = tryLock(path);
  if (release !== undefined) return release;
  const holder = describeHolder(readLock(path) ?? "");
  throw new EchoDuetError(
    "io",
    `${path}: expected a free directory, got one in use by ${holder}; ` +
      "wait for it, or delete this file if that process is gone",
  );
}

/** Who holds the lock file `path`, as far as one can tell; null where nobody does. */
export function lockHolder(path: string): string | null {
  const text = readLock(path);
  if (text === undefined || !mayBeAlive(path, text)) return null;
  return describeHolder(text);
}

function describeHolder(text: string): string {
  const { pid, host } = parseHolder(text);
  return pid === undefined ? "another process" : `process ${String(pid)} on ${String(host)}`;
}

/** Makes the lock file with this process in it; false where there is one. */
function createLock(path: string): boolean {
  const holder = { pid: process.pid, host: hostname(), started: new Date().toISOString() };
  try {
    writeFileSync(path, `${JSON.stringify(holder)}\n`, { flag: "wx" });
    return true;
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw ioError(path, "created", error);
  }
}

/** Removes the lock file of a dead process; false where its holder is, or may be, alive. */
function removeStaleLock(path: string): boolean {
  const text = readLock(path);
  if (text === undefined) return true;
  if (mayBeAlive(path, text)) return false;
  // Two processes may find the same stale lock. The rename lets one of them have it, and what was renamed is
  // looked at again in case the other has put its own lock there in the meantime.
  const aside = temporaryPath(path);
  try {
    renameSync(path, aside);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return true;
    throw ioError(path, "taken over", error);
  }
  if (readLock(aside) !== text) {
    renameSync(aside, path);
    return false;
  }
  rmSync(aside, { force: true });
  return true;
}

function readLock(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw ioError(path, "read", error);
  }
}

function parseHolder(text: string): { pid?: unknown; host?: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {}; // its writer was killed between making and filling it
  }
}

function mayBeAlive(path: string, text: string): boolean {
  const { pid, host } = parseHolder(text);
  if (typeof pid !== "number") return false;
  if (host !== hostname()) return true;
  if (pid === process.pid) return held.has(path);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === "EPERM"; // alive, and somebody else's
  }
}
