import { join } from "node:path";
import type { Audit } from "../audit/audit.js";
import { compareCodeUnits } from "../audit/order.js";
import { allFiles, dataFilesOf, fingerprintOf, hashFiles, readBytes } from "./data-files.js";
import { cutLines, textOf } from "./lines.js";
import { type DataFingerprint, type Proposal, type RepairCode, repairCodes, type Undecided } from "./plan.js";
import { type LineReader, proposeLines } from "./propose-boxes.js";
import { proposeDrops } from "./propose-drops.js";
import { proposeViews } from "./propose-views.js";

/**
 * The repairs that an audit suggests; nothing is changed. The data is the audit's: it must not have changed
 * since.
 * @throws EchoDuetError as `dataFilesOf`, `io` for a file that cannot be read
 */
export function proposeRepairs({ report, scan, evidence }: Pick<Audit, "report" | "scan" | "evidence">): {
  proposal: Proposal;
  fingerprint: DataFingerprint;
} {
  const known = evidence.images?.images.flatMap(({ name, facts }) =>
    /^[0-9a-f]{64}$/.test(facts.sha256) ? [[name, facts.sha256] as const] : [],
  );
  const hashes = hashFiles(allFiles(dataFilesOf(scan)), undefined, new Map(known));
  const read = lineReader(scan.description.root);
  const views = proposeViews(evidence, read);
  const actions = [...proposeDrops(evidence, hashes), ...proposeLines(evidence, read), ...views.actions];
  const beyond = report.findings
    .filter(({ code }) => !(repairCodes as readonly string[]).includes(code))
    .map(({ code, count, unit, remedy }) => `${code}, ${count} ${unit}: ${remedy}`);
  return {
    proposal: { actions: sorted(actions), undecided: sorted(views.undecided), beyond },
    fingerprint: fingerprintOf(hashes),
  };
}

/** Reads lines of label files; the file read last is kept, since its other lines come next. */
function lineReader(root: string): LineReader {
  let last = "";
  let lines: string[] = [];
  return (file, line) => {
    if (file !== last) {
      lines = cutLines(readBytes(join(root, ...file.split("/")))).map(textOf);
      last = file;
    }
    return lines[line - 1];
  };
}

function sorted<T extends Undecided & { readonly line?: number }>(items: readonly T[]): T[] {
  const rank = (code: RepairCode): number => repairCodes.indexOf(code);
  return [...items].sort(
    (a, b) =>
      rank(a.code) - rank(b.code) || compareCodeUnits(a.file, b.file) || (a.line ?? 0) - (b.line ?? 0),
  );
}
