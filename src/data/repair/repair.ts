import { join, resolve } from "node:path";
import { EchoDuetError } from "../../errors.js";
import { scanData } from "../audit/scan.js";
import { loadDataDescription } from "../description.js";
import { type ImageTally, writeFolder } from "./copy.js";
import {
  allFiles,
  type DataFile,
  type DataFiles,
  dataFilesOf,
  type FileProgress,
  fingerprintOf,
  hashFiles,
  readBytes,
  sha256Of,
} from "./data-files.js";
import { type Edits, editsOf } from "./edits.js";
import { cutLines, textOf } from "./lines.js";
import { droppedFolder, loggedContents, logName, type RepairCounts, type RepairLog } from "./log.js";
import { type RepairPlan, readPlan } from "./plan-file.js";
import { descriptionForCopy, listForCopy } from "./references.js";

/** What a repair did. */
export interface RepairSummary {
  readonly out: string;
  /** The data.yaml of the copy. */
  readonly data: string;
  readonly log: string;
  /** Actions carried out, by code. */
  readonly actions: Readonly<Record<string, number>>;
  /** Switched-on actions on lines and files that another action removes. */
  readonly moot: number;
  readonly counts: RepairCounts;
  readonly images: Readonly<ImageTally>;
}

/**
 * Applies a plan to a copy of its data. The source is only read. Images are hard-linked where the file
 * system can, else copied; a text file that no action touches is copied byte for byte, and of the others only
 * the touched lines change. Files that no split reaches are left out. `repair.json` in the copy tells each
 * action and holds what a revert needs.
 * @throws EchoDuetError `config` for a plan that is not valid, `data` for a plan for other data, `io` where
 * `out` holds anything, lies in the data or cannot be written
 */
export function repairData(
  planFile: string,
  out: string,
  options: { readonly onProgress?: FileProgress } = {},
): RepairSummary {
  const plan = readPlan(planFile);
  const description = loadDataDescription(plan.data);
  const scan = scanData(description);
  const files = dataFilesOf(scan);
  refuseOwnNames(files);
  const edits = editsOf(plan, scan, files);
  const hashes = hashFiles(allFiles(files), options.onProgress);
  checkFingerprint(plan, hashes);
  const folder = resolve(out);
  const texts = changedTexts(files, edits, { description, out: folder, dropped: edits.dropped });
  const counts = countChanges(files, edits);
  const log = logOf(plan, files, edits, hashes, texts, counts);
  const images = writeFolder(folder, description.root, (writer) => {
    for (const name of files.folders) writer.folder(name);
    for (const { name, path } of files.images) {
      if (!edits.dropped.has(name)) writer.image(name, path);
    }
    for (const { name, path } of [files.description, ...files.lists, ...files.labels]) {
      const text = texts.get(name);
      if (text !== undefined) writer.text(name, text);
      else if (!edits.dropped.has(name)) writer.copy(name, path);
    }
    const kept = new Map<string, string>();
    for (const { name, path } of files.images) if (edits.dropped.has(name)) kept.set(hashes.get(name)!, path);
    for (const [hash, path] of kept) writer.keep(`${droppedFolder}/${hash}`, path);
    writer.text(logName, `${JSON.stringify(log, null, 2)}\n`);
  });
  return {
    out: folder,
    data: join(folder, files.description.name),
    log: join(folder, logName),
    actions: countByCode(edits),
    moot: plan.actions.filter(({ apply }) => apply).length - edits.applied.length,
    counts,
    images,
  };
}

function refuseOwnNames(files: DataFiles): void {
  const taken = allFiles(files).find(({ name }) => name === logName || name.startsWith(`${droppedFolder}/`));
  if (!taken) return;
  const message = `${taken.path}: expected another name than that of a repair's own log; rename it`;
  throw new EchoDuetError("data", message);
}

function checkFingerprint(
  { fingerprint, file, data }: RepairPlan,
  hashes: ReadonlyMap<string, string>,
): void {
  const found = fingerprintOf(hashes);
  const changed = [
    ...(found.images === fingerprint.images ? [] : ["images"]),
    ...(found.texts === fingerprint.texts ? [] : ["label files, lists or data.yaml"]),
  ];
  if (changed.length === 0) return;
  throw new EchoDuetError(
    "data",
    `${file}: expected the data that the plan was made for, got other ${changed.join(" and ")} in ${data}; make a new plan`,
  );
}

/** The texts of the copy that are other than the source's, by name. */
function changedTexts(
  files: DataFiles,
  edits: Edits,
  copy: Parameters<typeof listForCopy>[2],
): Map<string, Buffer> {
  const texts = new Map(edits.labels);
  const put = (file: DataFile, make: typeof listForCopy): void => {
    const before = readBytes(file.path);
    const after = make(file, before, copy);
    if (!after.equals(before)) texts.set(file.name, after);
  };
  for (const list of files.lists) put(list, listForCopy);
  put(files.description, descriptionForCopy);
  return texts;
}

function countChanges(files: DataFiles, { dropped, labels, applied }: Edits): RepairCounts {
  const filled = (contents: Buffer): number =>
    cutLines(contents).filter((line) => textOf(line) !== "").length;
  let [before, after] = [0, 0];
  for (const { name, path } of files.labels) {
    const lines = filled(readBytes(path));
    const edited = labels.get(name);
    before += lines;
    if (!dropped.has(name)) after += edited ? filled(edited) : lines;
  }
  const added = applied.filter(({ line, now }) => line === undefined && now === null).length;
  const droppedOf = (list: readonly DataFile[]): number =>
    list.filter(({ name }) => dropped.has(name)).length;
  const [frames, labelFiles] = [droppedOf(files.images), droppedOf(files.labels)];
  return {
    frames: { in: files.images.length, dropped: frames, out: files.images.length - frames },
    labelFiles: {
      in: files.labels.length,
      dropped: labelFiles,
      changed: labels.size,
      out: files.labels.length - labelFiles,
    },
    lines: { in: before, removed: before + added - after, added, out: after },
  };
}

function logOf(
  plan: RepairPlan,
  files: DataFiles,
  { applied, dropped }: Edits,
  hashes: ReadonlyMap<string, string>,
  texts: ReadonlyMap<string, Buffer>,
  counts: RepairCounts,
): RepairLog {
  const images = new Set(files.images.map(({ name }) => name));
  const paths = new Map(allFiles(files).map(({ name, path }) => [name, path]));
  const before = (name: string) => loggedContents(readBytes(paths.get(name)!));
  const kept = allFiles(files).filter(({ name }) => !dropped.has(name));
  return {
    version: 1,
    data: files.description.name,
    source: files.description.path,
    plan: { file: plan.file, sha256: plan.sha256 },
    counts,
    actions: applied.map(({ code, file, line, now, becomes, why }) => {
      return { code, file, ...(line !== undefined && { line }), before: now, after: becomes, why };
    }),
    fingerprint: plan.fingerprint,
    changed: [...texts.keys()].map((file) => ({ file, before: before(file) })),
    dropped: [...dropped].map((file) => ({
      file,
      before: images.has(file) ? { sha256: hashes.get(file)! } : before(file),
    })),
    folders: [...files.folders],
    files: Object.fromEntries(
      kept.map(({ name }) => {
        const text = texts.get(name);
        return [name, text ? sha256Of(text) : hashes.get(name)!];
      }),
    ),
  };
}

function countByCode({ applied }: Edits): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { code } of applied) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}
