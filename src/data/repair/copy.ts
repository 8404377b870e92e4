import {
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { EchoDuetError } from "../../errors.js";
import { errnoOf, ioError } from "../../io/index.js";
import { liesInside } from "../description.js";

/** How many images came into a copy as hard links, which take no space, and how many as files of their own. */
export interface ImageTally {
  linked: number;
  copied: number;
}

/** A folder in the making. Names are paths from it, with forward slashes. */
export interface FolderWriter {
  readonly images: ImageTally;
  readonly folder: (name: string) => void;
  readonly text: (name: string, contents: Buffer | string) => void;
  /** Copies a file. */
  readonly copy: (name: string, from: string) => void;
  /** Links an image where the file system can, else copies it. */
  readonly image: (name: string, from: string) => void;
  /** As `image`, for one that is no part of the data any more and is not counted. */
  readonly keep: (name: string, from: string) => void;
}

/**
 * Makes a folder whole or not at all: `write` fills a temporary folder beside it, which is then renamed.
 * @param source the folder that the copy is of, which must not hold `out`
 * @throws EchoDuetError `io` where `out` holds anything, lies in `source` or cannot be written; what `write`
 * throws
 */
export function writeFolder(out: string, source: string, write: (writer: FolderWriter) => void): ImageTally {
  refuseOccupied(out, source);
  let temporary: string | undefined;
  try {
    mkdirSync(dirname(out), { recursive: true });
    temporary = mkdtempSync(join(dirname(out), `.${basename(out)}.partial-`));
    const writer = writerOf(temporary);
    write(writer);
    // An empty folder may stand in the way, and not every system renames onto one.
    if (existsSync(out)) rmdirSync(out);
    renameSync(temporary, out);
    return writer.images;
  } catch (cause) {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
    // The file system's refusals alone: an error without a code is a bug.
    throw errnoOf(cause) === undefined ? cause : ioError(out, "written", cause);
  }
}

function refuseOccupied(out: string, source: string): void {
  if (liesInside(resolve(source), resolve(out))) {
    const message = `${out}: expected a folder outside the data (${source}), got one inside it; name another`;
    throw new EchoDuetError("io", message);
  }
  let entries: string[];
  try {
    entries = readdirSync(out);
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return;
    throw ioError(out, "written", cause);
  }
  if (entries.length === 0) return;
  const got = `got ${entries.length} entries (${entries.sort()[0]})`;
  throw new EchoDuetError(
    "io",
    `${out}: expected a new or an empty folder, ${got}; remove it or name another`,
  );
}

function writerOf(root: string): FolderWriter {
  const images: ImageTally = { linked: 0, copied: 0 };
  const made = new Set<string>();
  const place = (name: string): string => {
    const path = join(root, name);
    makeFolder(dirname(path));
    return path;
  };
  const makeFolder = (path: string): void => {
    if (made.has(path)) return;
    mkdirSync(path, { recursive: true });
    made.add(path);
  };
  const copy = (name: string, from: string): void => {
    copyFileSync(from, place(name), constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  };
  return {
    images,
    folder: (name) => makeFolder(join(root, name)),
    text: (name, contents) => writeFileSync(place(name), contents, { flag: "wx" }),
    copy,
    keep: (name, from) => {
      if (!link(from, place(name))) copy(name, from);
    },
    image: (name, from) => {
      if (link(from, place(name))) images.linked++;
      else {
        copy(name, from);
        images.copied++;
      }
    },
  };
}

/** Whether the file system took a hard link; across file systems, and on some, it does not. */
function link(from: string, to: string): boolean {
  try {
    // A link to a symbolic link would be one itself, and point nowhere from its new place.
    linkSync(realpathSync(from), to);
    return true;
  } catch {
    return false;
  }
}
