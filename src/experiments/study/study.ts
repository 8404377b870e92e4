import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { z } from "zod";
import { parseWith } from "../../config/index.js";
import { runAudit } from "../../data/audit/index.js";
import { auditPage } from "../../data/audit/page/index.js";
import { loadDataDescription } from "../../data/index.js";
import { collectFrames } from "../../data/split/index.js";
import { EchoDuetError } from "../../errors.js";
import { ioError, writeFileAtomically } from "../../io/index.js";
import { type CompareReport, compare, finalReportFile } from "../compare/index.js";
import { writeReports } from "../report/index.js";
import {
  type Executor,
  type PreparedSweep,
  prepareSweep,
  runSweep,
  type SweepStatus,
} from "../sweep/index.js";
import { type PricedProtocol, priceProtocols } from "./choose-protocol.js";
import type { Protocol } from "./protocols.js";
import { earnestConfig } from "./recommended.js";
import { studyFile } from "./study-file.js";

const askedSchema = z.strictObject({
  version: z.literal(1),
  data: z.string(),
  weights: z.string().nullable(),
  scale: z.string(),
  hours: z.number(),
  cores: z.int(),
});

/** Files and folders of a study. */
export const studyFiles = {
  asked: "study.json",
  auditJson: "audit.json",
  auditPage: "audit.html",
  sweepFile: "study.yaml",
  sweep: "sweep",
  reports: { en: "report.html", "zh-TW": "report.zh-TW.html" },
  recommended: "recommended.yaml",
} as const;

/** How comparison and reports score. */
const scoring = { resamples: 1000, device: "cpu", threads: 1 } as const;

/** What a study is asked for. */
export interface StudyOptions {
  readonly data: string;
  readonly out: string;
  readonly hours: number;
  /** Absolute or relative path; null: from random weights. */
  readonly weights: string | null;
  readonly scale: string;
  /** Null: all of the machine. */
  readonly cores: number | null;
  /** Audits, chooses the protocol and estimates, and stops there. */
  readonly dryRun: boolean;
  readonly executor: Executor;
  readonly signal: AbortSignal;
  readonly onMessage: (message: string) => void;
  readonly onPrepared: (prepared: PreparedSweep) => void;
  readonly onStatus: (status: SweepStatus) => void;
}

/** What a study has come to. */
export interface StudyResult {
  /** Null after a dry run. */
  readonly report: CompareReport | null;
  readonly failed: number;
}

/**
 * The whole plan in one go: audit, patient-wise folds, every design of `studyArms` within the budget, comparison on
 * validation, the test folds opened once, and the recommended design as a file to train from. Each part is kept in
 * `out`, so that the same call goes on where an earlier one was stopped.
 * @throws EchoDuetError `config` where the budget is too small, or `out` holds a study of something else; `data` and `io`
 *   as the parts do; AbortError on interruption
 */
export async function study(given: StudyOptions): Promise<StudyResult> {
  const { out, dryRun, signal } = given;
  // What is measured, compared and reported says so as it goes on: there an interruption ends it.
  const onMessage = (message: string): void => {
    signal.throwIfAborted();
    given.onMessage(message);
  };
  const options = { ...given, onMessage };
  claim(options);
  await audit(options);
  signal.throwIfAborted();
  const prepared = await prepare(options);
  const sweep = join(out, studyFiles.sweep);
  try {
    options.onPrepared(prepared);
    if (dryRun) return { report: null, failed: 0 };
    const status = await runSweep({
      ...prepared,
      executor: options.executor,
      retryFailed: false,
      signal,
      onStatus: options.onStatus,
    });
    const report = await compared(sweep, onMessage);
    writeRecommended(options, report, prepared);
    const inOut = (file: string) => join(out, file);
    await writeReports(
      { en: inOut(studyFiles.reports.en), "zh-TW": inOut(studyFiles.reports["zh-TW"]) },
      {
        path: sweep,
        format: "html",
        images: true,
        measure: false,
        ...scoring,
        onProgress: onMessage,
        compared: report,
      },
    );
    return { report, failed: status.runs.filter(({ state }) => state === "failed").length };
  } finally {
    prepared.release();
  }
}

/** Makes the folder, or checks that it holds this study. */
function claim({ data, weights, scale, hours, cores, out }: StudyOptions): void {
  const asked = {
    version: 1 as const,
    data: resolve(data),
    weights: weights === null ? null : resolve(weights),
    scale,
    hours,
    cores: cores ?? availableParallelism(),
  };
  const file = join(out, studyFiles.asked);
  if (!existsSync(file)) {
    try {
      mkdirSync(out, { recursive: true });
    } catch (error) {
      throw ioError(out, "created", error);
    }
    writeFileAtomically(file, `${JSON.stringify(asked, null, 2)}\n`);
    return;
  }
  const there = parseWith(askedSchema, parseJson(file), file);
  const differ = (["data", "weights", "scale", "hours"] as const).filter((key) => there[key] !== asked[key]);
  if (differ.length === 0) return;
  const values = differ.map((key) => `${key} ${there[key]}, got ${asked[key]}`).join("; ");
  throw new EchoDuetError(
    "config",
    `${out}: expected the study that it holds: ${values}; give the same options to go on with it, or another --out`,
  );
}

function parseJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new EchoDuetError(
      "io",
      `${file}: expected JSON, got something else; restore it, or give another --out`,
      {
        cause,
      },
    );
  }
}

async function audit({ data, out, onMessage }: StudyOptions): Promise<void> {
  const json = join(out, studyFiles.auditJson);
  const page = join(out, studyFiles.auditPage);
  if (existsSync(json) && existsSync(page)) return;
  onMessage(`audit of ${data}`);
  const result = await runAudit(data, { images: true });
  writeFileAtomically(page, await auditPage(result));
  writeFileAtomically(json, `${JSON.stringify(result.report, null, 2)}\n`);
  const counts = (["error", "warning"] as const).map(
    (severity) =>
      `${result.report.findings.filter((each) => each.severity === severity).length} ${severity}s`,
  );
  onMessage(`audit: ${counts.join(", ")}; ${page}`);
}

/** The sweep of the costliest protocol that the budget lets; where one was begun, that one. */
async function prepare(options: StudyOptions): Promise<PreparedSweep> {
  const { out, hours, dryRun, onMessage } = options;
  const file = join(out, studyFiles.sweepFile);
  const directory = join(out, studyFiles.sweep);
  if (existsSync(file) && existsSync(join(directory, "runs"))) {
    return prepareSweep(file, { out: directory, dryRun, onMessage });
  }
  const begun = performance.now();
  let ratio = 1;
  for (const { protocol, hours: rough } of await affordable(options)) {
    const left = () => hours - (performance.now() - begun) / 3600e3;
    if (rough * ratio > left()) continue;
    writeFileAtomically(file, sweepText(options, protocol));
    const prepared = await prepareSweep(file, { out: directory, dryRun, onMessage });
    const exact = prepared.estimate.wallSeconds / 3600;
    if (exact <= left()) return prepared;
    prepared.release();
    if (!dryRun) rmSync(directory, { recursive: true });
    onMessage(`${textOf(protocol)}: ${exact.toPrecision(2)} h, beyond the budget`);
    ratio = exact / rough;
  }
  throw new EchoDuetError(
    "config",
    `study: expected a budget that a protocol fits, got ${hours} h, and none does; give more hours, or more cores`,
  );
}

/** Protocols that may fit, the costliest first. */
async function affordable({ onMessage, ...options }: StudyOptions): Promise<PricedProtocol[]> {
  const cores = options.cores ?? availableParallelism();
  const frames = collectFrames(loadDataDescription(options.data)).length;
  onMessage(`measuring a step on ${cores} cores`);
  const priced = await priceProtocols(baseOf(options), { frames, cores });
  for (const { protocol, hours } of priced) onMessage(`${textOf(protocol)}: about ${hours.toPrecision(2)} h`);
  const fitting = priced.filter(({ hours }) => hours <= options.hours);
  if (fitting.length > 0) return fitting;
  const { hours } = priced.at(-1)!;
  throw new EchoDuetError(
    "config",
    `study: expected a budget of about ${hours.toPrecision(2)} h or more on ${cores} cores, got ${options.hours} h; ` +
      "give more, or sweep a file of your own with fewer arms",
  );
}

function baseOf({ data, weights, scale, cores, hours }: Omit<StudyOptions, "onMessage">) {
  return { data: resolve(data), weights: weights === null ? null : resolve(weights), scale, cores, hours };
}

function textOf({ size, epochs, seeds, folds, arms }: Protocol): string {
  return `${size} pixels, ${epochs} epochs, ${seeds} seeds, ${folds} folds, ${arms === "all" ? "all arms" : "core arms"}`;
}

function sweepText(options: StudyOptions, protocol: Protocol): string {
  const head =
    "# Written by `echoduet study`. To change it, copy it and give the copy to `echoduet sweep` (docs/sweep.md).\n";
  return head + stringify(studyFile(baseOf(options), protocol), { aliasDuplicateObjects: false });
}

/** The comparison with the test folds opened; where they were, what was found then. */
async function compared(sweep: string, onProgress: (message: string) => void): Promise<CompareReport> {
  const file = join(sweep, finalReportFile);
  if (existsSync(file)) return parseJson(file) as CompareReport;
  return compare({ paths: [sweep], final: true, measure: true, ...scoring, onProgress });
}

function writeRecommended(options: StudyOptions, report: CompareReport, { plan }: PreparedSweep): void {
  const design = report.recommendation?.design;
  const run = plan.runs.find(({ arm }) => arm === design);
  if (run === undefined) return;
  const { data } = baseOf(options);
  const head =
    `# Recommended by \`echoduet study\`: ${design}. Train it: echoduet train --config THIS --out runs/${design}\n` +
    "# Add allowLeakage: true where the splits of the data share patients and known patients are what you ask about.\n";
  const text = head + stringify({ ...earnestConfig(plan, run), data }, { aliasDuplicateObjects: false });
  writeFileAtomically(join(options.out, studyFiles.recommended), text);
}
