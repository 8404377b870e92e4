import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { EchoDuetError } from "../../errors.js";
import { sha256File } from "../../io/index.js";
import { liesInside } from "../description.js";
import { type ImageTally, writeFolder } from "./copy.js";
import { type FileProgress, fingerprintOf, isImageName, sha256Of } from "./data-files.js";
import { bytesOf, droppedFolder, logName, type RepairLog, readLog } from "./log.js";

/** What a revert did. */
export interface RevertSummary {
  readonly out: string;
  /** The data.yaml of the copy. */
  readonly data: string;
  /** Files written, those among them that the repair had changed, and those that it had dropped. */
  readonly files: { readonly out: number; readonly restored: number; readonly returned: number };
  readonly images: Readonly<ImageTally>;
}

/**
 * Undoes a repair in a further copy: every file is byte for byte what it was before. The repaired folder is
 * only read; files in it that the repair did not write are left out. data.yaml and lists, too, are what they
 * were: absolute paths in them mean the place where the data once lay.
 * @throws EchoDuetError `data` where the folder's files are not those that the repair left, `io` as
 * `repairData`
 */
export function revertRepair(
  folder: string,
  out: string,
  options: { readonly onProgress?: FileProgress } = {},
): RevertSummary {
  const from = resolve(folder);
  const to = resolve(out);
  const log = readLog(from);
  const { texts, images, copies } = contentsOf(log, from, options.onProgress);
  checkResult(log, from);
  const tally = writeFolder(to, from, (writer) => {
    for (const name of log.folders) writer.folder(name);
    for (const [name, contents] of texts) writer.text(name, contents);
    for (const [name, path] of copies) writer.copy(name, path);
    for (const [name, path] of images) writer.image(name, path);
  });
  return {
    out: to,
    data: join(to, log.data),
    files: {
      out: texts.size + images.size + copies.size,
      restored: log.changed.length,
      returned: log.dropped.length,
    },
    images: tally,
  };
}

/** What the restored folder holds: texts from the log, images and other files from the repaired folder. */
interface Restored {
  readonly texts: ReadonlyMap<string, Buffer>;
  readonly images: ReadonlyMap<string, string>;
  readonly copies: ReadonlyMap<string, string>;
}

function contentsOf(log: RepairLog, from: string, onProgress: FileProgress = () => {}): Restored {
  const texts = new Map(log.changed.map(({ file, before }) => [file, bytesOf(before)]));
  const images = new Map<string, string>();
  const copies = new Map<string, string>();
  const files = Object.entries(log.files);
  for (const [index, [name, hash]] of files.entries()) {
    const path = verified(from, name, hash);
    if (!texts.has(name)) (isImageName(name) ? images : copies).set(name, path);
    onProgress(index + 1, files.length);
  }
  for (const { file, before } of log.dropped) {
    if ("sha256" in before)
      images.set(file, verified(from, `${droppedFolder}/${before.sha256}`, before.sha256));
    else texts.set(file, bytesOf(before));
  }
  for (const name of [...texts.keys(), ...images.keys(), ...log.folders]) inside(from, name);
  return { texts, images, copies };
}

/** The path of a file of the repaired folder, which must be what the repair left. */
function verified(from: string, name: string, hash: string): string {
  const path = inside(from, name);
  if (!existsSync(path)) {
    throw new EchoDuetError("data", `${path}: expected the file that the repair left, got none; restore it`);
  }
  if (sha256File(path) === hash) return path;
  const remedy = "a revert would lose that change: keep a copy and restore the file";
  throw new EchoDuetError(
    "data",
    `${path}: expected the file as the repair left it, got a changed one; ${remedy}`,
  );
}

/** A log from elsewhere must not lead out of its folder. */
function inside(from: string, name: string): string {
  const path = join(from, name);
  if (liesInside(from, path)) return path;
  throw new EchoDuetError("data", `${join(from, logName)}: expected files inside ${from}, got ${name}`);
}

/** A log whose parts do not fit each other would restore something else than there was. */
function checkResult({ files, changed, dropped, fingerprint }: RepairLog, from: string): void {
  const hashes = new Map(Object.entries(files));
  for (const { file, before } of changed) hashes.set(file, sha256Of(bytesOf(before)));
  for (const { file, before } of dropped) {
    hashes.set(file, "sha256" in before ? before.sha256 : sha256Of(bytesOf(before)));
  }
  const found = fingerprintOf(hashes);
  if (found.images === fingerprint.images && found.texts === fingerprint.texts) return;
  const message = `${join(from, logName)}: expected a log whose files make up the original data, got an edited one`;
  throw new EchoDuetError("data", `${message}; restore it`);
}
