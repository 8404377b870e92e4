import { createHash } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { EchoDuetError } from "../errors.js";

/** Where this process prepares a new `path`: in the same folder, so that a rename moves it there. */
export function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
}

/**
 * Writes `contents` to `path` so that `path` is at every moment the old file or the new one, whole: all bytes
 * go to a temporary file in the same folder, which is flushed to the disk and then renamed. A process that is
 * killed leaves at most the temporary file (`removeTemporaryFiles`).
 *
 * `write-file-atomic` is not used here because it takes one `write` call for the whole file, and a disk that
 * fills up in the middle of it makes that a short write without an error.
 * @throws EchoDuetError `io` that names the file and the remedy
 */
export function writeFileAtomically(path: string, contents: string | Uint8Array): void {
  const temporary = temporaryPath(path);
  try {
    const file = openSync(temporary, "w");
    try {
      writeFileSync(file, contents);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    try {
      rmSync(temporary, { force: true });
    } catch {
      // The first error is the one to tell.
    }
    throw ioError(path, "written", error);
  }
  flushFolder(dirname(path));
}

/** Makes a rename in `folder` last through a loss of power, where the platform can. */
function flushFolder(folder: string): void {
  try {
    const handle = openSync(folder, "r");
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch {
    // Windows opens no folders; the rename itself is atomic there too.
  }
}

/** Removes the temporary files that killed processes left of the files `names` in `folder`, which is locked. */
export function removeTemporaryFiles(folder: string, names: readonly string[]): void {
  for (const entry of readdirSync(folder)) {
    const name = /^\.(.+)\.\d+\.tmp$/.exec(entry)?.[1];
    if (name !== undefined && names.includes(name)) rmSync(join(folder, entry), { force: true });
  }
}

const remedies: Record<string, string> = {
  ENOSPC: "free some disk space",
  EDQUOT: "the disk quota is used up: free some space",
  EACCES: "check its permissions, or choose another folder",
  EPERM: "check its permissions, or choose another folder",
  EROFS: "the file system is read-only: choose another folder",
  ENOENT: "check the path",
  ENOTDIR: "a part of its path is a file: choose another folder",
  EEXIST: "a file of that name is in the way: choose another folder",
  EISDIR: "a folder of that name is in the way",
};

/**
 * The file system's refusal as an EchoDuetError `io`: `FILE: cannot be written (ENOSPC: ...); free some disk
 * space`. `action` is a participle: written, read, created.
 */
export function ioError(path: string, action: string, cause: unknown): EchoDuetError {
  if (cause instanceof EchoDuetError) return cause;
  const code = errnoOf(cause);
  const reason = cause instanceof Error ? cause.message : String(cause);
  const remedy = code === undefined ? undefined : remedies[code];
  return new EchoDuetError("io", `${path}: cannot be ${action} (${reason})${remedy ? `; ${remedy}` : ""}`, {
    cause,
  });
}

/** The file system's error code, such as `ENOENT`, where `error` has one. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/**
 * SHA-256 of the file `path`, in lower-case hexadecimal; the file is read piece by piece.
 * @throws EchoDuetError `io` where it cannot be read
 */
export function sha256File(path: string): string {
  const hash = createHash("sha256");
  const piece = new Uint8Array(1 << 20);
  try {
    const file = openSync(path, "r");
    try {
      for (let read = readSync(file, piece); read > 0; read = readSync(file, piece)) {
        hash.update(piece.subarray(0, read));
      }
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw ioError(path, "read", error);
  }
  return hash.digest("hex");
}
