import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Audit,
  fingerprint,
  listFrames,
  loadDataDescription,
  runAudit,
  type SplitName,
} from "../../data/index.js";
import { type AveragePrecisionResult, DetectionMetrics, type MatchedImage } from "../../detection/index.js";
import { EchoDuetError } from "../../errors.js";
import { ioError, sha256File } from "../../io/index.js";
import { findWeights, readRunInfo } from "../../training/index.js";
import { compare, finalReportFile } from "../compare/compare.js";
import { type ComparedRun, gatherRuns } from "../compare/gather.js";
import type { PredictionOptions } from "../compare/predictions.js";
import type { CompareReport, SplitResult } from "../compare/report.js";
import { readRunHistories, type RunHistory } from "../curves/run-history.js";
import { decide, type Selection } from "../sweep/decide.js";
import { openSweep, readAllFacts, readPlan, type Sweep } from "../sweep/open-sweep.js";
import type { DataProvenance, Provenance } from "./document.js";
import { parseFinalTest } from "./final-test.js";
import { type PredictedFrames, predictBoxes } from "./predict-boxes.js";

/** What a report is of, and how it is scored. */
export interface GatherOptions extends PredictionOptions {
  /** A run, or a sweep. */
  readonly path: string;
  readonly resamples: number;
  /** Measure the latency here and now. */
  readonly measure: boolean;
  readonly onProgress: (message: string) => void;
  /** The comparison, where it was made before. */
  readonly compared?: CompareReport;
}

/** All that a report is made of, before any word of it. */
export interface ReportFacts {
  readonly compared: CompareReport;
  readonly runs: readonly ComparedRun[];
  readonly sweep: SweepFacts | null;
  readonly audit: Audit;
  /** Sources of counts, by split; `all` for those over all splits. */
  readonly data: Readonly<Record<SplitName | "all", DataProvenance>>;
  /** Of the run, or of one run of each design. */
  readonly histories: readonly RunHistory[];
  /** Runs of the histories, in their order. */
  readonly drawn: readonly ComparedRun[];
  /** The runs of which the details are: one seed of the design that is recommended, all its folds. */
  readonly detailed: {
    readonly design: string;
    readonly seed: number;
    readonly runs: readonly ComparedRun[];
  };
  readonly predicted: PredictedFrames;
  /** Of the predicted frames; null without detection or without labels. */
  readonly detection: DetectionFacts | null;
  readonly provenanceOf: (run: ComparedRun, split: "train" | "val") => readonly Provenance[];
}

/** What the boxes of all predicted frames come to. */
export interface DetectionFacts {
  readonly matched: readonly MatchedImage[];
  /** Of each class that has labels; at `bestIndex` of the grid the mean F1 is best. */
  readonly curves: AveragePrecisionResult;
  /** Confidence at which the mean F1 is best: boxes count from there on. */
  readonly confidence: number;
}

/** What a report of a sweep has over that of a run. */
export interface SweepFacts {
  readonly sweep: Sweep;
  /** Comparisons of arms before the last stage. */
  readonly selections: readonly Selection[];
  /** Of `compare --final`; null where the test split was not opened. */
  readonly test: SplitResult | null;
}

/**
 * Gathers what a report of a run or a sweep needs: comparison, audit, histories, predictions with their boxes. The
 * test split of a sweep is never opened here: its results come from `final.json`, where `compare --final` left them.
 * @throws EchoDuetError as `compare`, `auditData` and `readRunHistories`
 */
export async function gatherFacts(options: GatherOptions): Promise<ReportFacts> {
  const { path, onProgress } = options;
  const { runs, sweep } = gatherRuns([path]);
  // Before anything that takes time, so that a damaged file is told at once.
  const ofSweep = sweep && sweepFacts(sweep);
  const compared =
    options.compared ?? (await compare({ ...options, paths: [path], final: false, onProgress }));
  const { designs, provenance } = compared.validation;
  const scored = designs.filter(({ seeds }) => seeds.length > 0);
  const firstSeedOf = (name: string): readonly ComparedRun[] => {
    const design = scored.find((each) => each.name === name);
    const known = new Set(provenance.map(({ run }) => run));
    const own = runs.filter(
      ({ name: run, arm, seed }) => known.has(run) && (arm ?? name) === name && seed === design?.seeds[0],
    );
    return own.toSorted((a, b) => (a.data < b.data ? -1 : 1));
  };
  const best = compared.recommendation?.design ?? scored[0].name;
  const detailed = firstSeedOf(best);
  const drawn = scored.flatMap(({ name }) => firstSeedOf(name).slice(0, 1));
  const dataYaml = sweep?.base.data ?? detailed[0].data;
  onProgress(`audit: ${dataYaml}`);
  const audit = await runAudit(dataYaml);
  const predicted = await predictBoxes(detailed, options, (run, done, total) => {
    if (done === total) onProgress(`boxes: ${run}, ${total} images`);
  });
  return {
    compared,
    runs,
    sweep: ofSweep,
    audit,
    data: dataSources(audit),
    histories: readRunHistories(drawn.map(({ directory }) => directory)),
    drawn,
    detailed: { design: best, seed: detailed[0].seed, runs: detailed },
    predicted,
    detection: detectionOf(predicted),
    provenanceOf: provenanceReader(compared),
  };
}

function detectionOf({ names, frames }: PredictedFrames): DetectionFacts | null {
  const metrics = new DetectionMetrics(names.length);
  for (const { prediction } of frames) if (prediction.detection) metrics.addMatched(prediction.detection);
  const { matched } = metrics;
  const curves = metrics.curves();
  if (curves.perClass.length === 0) return null;
  return { matched, curves, confidence: curves.confidenceGrid[curves.bestIndex] };
}

function sweepFacts({ directory }: Sweep): SweepFacts {
  const plan = readPlan(directory);
  const { selections } = decide(plan, readAllFacts(directory, plan.runs));
  return { sweep: openSweep(directory), selections, test: readFinalTest(directory) };
}

function readFinalTest(directory: string): SplitResult | null {
  const file = join(directory, finalReportFile);
  if (!existsSync(file)) return null;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw ioError(file, "read", error);
  }
  return parseFinalTest(text, file);
}

function dataSources({ scan }: Audit): ReportFacts["data"] {
  const frames = scan.frames.map((frame) => ({
    ...frame,
    labelPath: frame.hasLabelFile ? frame.labelPath : null,
  }));
  const source = (split: SplitName | "all"): DataProvenance => ({
    data: scan.description.file,
    dataFingerprint: fingerprint(frames.filter((frame) => split === "all" || frame.split === split)),
    split,
  });
  return { train: source("train"), val: source("val"), test: source("test"), all: source("all") };
}

/** Checkpoint and data of a run: of the validation as compared, else by a look at the run; hashed once. */
function provenanceReader({ validation }: CompareReport): ReportFacts["provenanceOf"] {
  const hashes = new Map<string, string | null>();
  const fingerprints = new Map(validation.provenance.map((each) => [each.data, each.dataFingerprint]));
  const validated = (data: string): string => {
    const known = fingerprints.get(data) ?? fingerprint(listFrames(loadDataDescription(data), "val"));
    fingerprints.set(data, known);
    return known;
  };
  const hashOf = (run: ComparedRun): string | null => {
    const known = hashes.get(run.directory);
    if (known !== undefined) return known;
    const scored = validation.provenance.find((each) => each.run === run.name);
    const hash = scored?.checkpointSha256 ?? hashWeights(run.directory);
    hashes.set(run.directory, hash);
    return hash;
  };
  return (run, split) => {
    const checkpointSha256 = hashOf(run);
    if (checkpointSha256 === null) return [];
    const dataFingerprint =
      split === "train" ? readRunInfo(run.directory).data.fingerprint : validated(run.data);
    return [{ run: run.name, checkpointSha256, dataFingerprint, split }];
  };
}

function hashWeights(directory: string): string | null {
  try {
    return sha256File(findWeights(directory));
  } catch (error) {
    if (error instanceof EchoDuetError) return null;
    throw error;
  }
}
