import { existsSync } from "node:fs";
import { join } from "node:path";
import { EchoDuetError } from "../../errors.js";
import { writeFileAtomically } from "../../io/index.js";
import { echoduetVersion } from "../../training/index.js";
import { recordTestOpened, testOpened } from "../sweep/journal.js";
import type { Sweep } from "../sweep/open-sweep.js";
import { type Contrast, contrastsWith } from "./contrasts.js";
import { type Cost, costOf } from "./cost.js";
import { endpointsOf } from "./delta-m.js";
import { groupDesigns } from "./designs.js";
import { type ComparedRun, gatherRuns } from "./gather.js";
import { measureLatencies } from "./latency.js";
import { notesOf, noteText } from "./notes.js";
import { practicalityOf, sensitivities } from "./practicality.js";
import { PredictionStore, type PredictionOptions } from "./predictions.js";
import { bestOf, type Candidate, eligible, isOnFront, recommend } from "./recommend.js";
import type { CompareReport, SplitResult } from "./report.js";
import { type ScoredDesign, type Scores, scoreDesigns } from "./scoring.js";
import { splitResult } from "./split-result.js";

export interface CompareOptions extends PredictionOptions {
  /** Runs, or one sweep. */
  readonly paths: readonly string[];
  /** Bootstrap resamples of the patients. */
  readonly resamples: number;
  /** Measure the latency here and now. */
  readonly measure: boolean;
  /** Open the test split of the sweep. */
  readonly final: boolean;
  readonly onProgress?: (message: string) => void;
}

/** The report of `--final` in the sweep's folder. */
export const finalReportFile = "final.json";

/** Seed of resamples and permutations: the same for every comparison, so that results can be had again. */
const resamplingSeed = 0;

/**
 * Compares trained designs on their validation splits: metrics with intervals over patients, costs, paired tests
 * against the best design, and the cheapest design that is not found worse. With `final` the test split is opened
 * afterwards: the choice stands by then, and the sweep's journal records the opening.
 * @throws EchoDuetError `config` where nothing can be compared, or the test split was opened before
 */
export async function compare(options: CompareOptions): Promise<CompareReport> {
  const { paths, resamples, measure, final, onProgress = () => {} } = options;
  const { runs, sweep } = gatherRuns(paths);
  if (final) requireClosedTest(sweep, runs);
  const designs = groupDesigns(runs);
  const store = new PredictionStore(options);
  const scoring = { store, resamples, seed: resamplingSeed, onProgress };
  const scores = await scoreDesigns(designs, "val", { ...scoring, validation: null });
  if (scores.designs.every(({ seeds }) => seeds.length === 0)) throw nothingToCompare(runs);
  const costs = await costsOf(scores, measure ? options : null, onProgress);
  const facts = factsOf(scores, costs);
  const able = eligible(facts.flatMap((each) => (each.cost ? [{ ...each, cost: each.cost }] : [])));
  const contrasts = contrastsOf(able, onProgress);
  const recommendation = recommend(able, contrasts);
  const validation = splitResult(scores, resamples);
  const remarks = notesOf(scores, runs);
  const report: CompareReport = {
    sweep: sweep?.directory ?? null,
    version: echoduetVersion,
    seed: resamplingSeed,
    validation,
    facts: facts.map(({ scored, cost, practicality }) => {
      const candidate = able.find((each) => each.scored === scored);
      const { name, settings } = scored.design;
      return {
        name,
        settings,
        cost,
        practicality,
        onParetoFront: candidate ? isOnFront(candidate, able) : null,
      };
    }),
    contrasts,
    sensitivities: sensitivities(scores.designs),
    recommendation,
    remarks,
    notes: remarks.map(noteText),
    test: null,
    testOpened: sweep?.testOpened ?? [],
  };
  return final && sweep ? openTest(report, sweep, { scores, scoring }) : report;
}

/** Records that the test split is opened, scores it, and keeps the report in the sweep's folder. */
async function openTest(
  report: CompareReport,
  { directory }: Sweep,
  { scores, scoring }: { scores: Scores; scoring: Omit<Parameters<typeof scoreDesigns>[2], "validation"> },
): Promise<CompareReport> {
  recordTestOpened(directory, `compare --final, echoduet ${echoduetVersion}`);
  const designs = scores.designs.map(({ design }) => design);
  const tested = await scoreDesigns(designs, "test", { ...scoring, validation: scores });
  const test: SplitResult = splitResult(tested, scoring.resamples);
  const final = { ...report, test, testOpened: testOpened(directory) };
  writeFileAtomically(join(directory, finalReportFile), `${JSON.stringify(final, null, 2)}\n`);
  return final;
}

function requireClosedTest(sweep: Sweep | null, runs: readonly ComparedRun[]): void {
  if (sweep === null) {
    throw new EchoDuetError(
      "config",
      "--final: expected a sweep, whose journal records that the test split was opened, got runs; score single runs with val --split test",
    );
  }
  const unfinished = runs.filter(({ state }) => state === "unfinished").length;
  if (unfinished > 0) {
    throw new EchoDuetError(
      "config",
      `--final: expected a finished sweep, got ${unfinished} unfinished runs in ${sweep.directory}; train them first`,
    );
  }
  const report = join(sweep.directory, finalReportFile);
  // Opened without a report: the process was stopped in between, and nobody has seen the numbers.
  if (sweep.testOpened.length === 0 || !existsSync(report)) return;
  const { time, who } = sweep.testOpened[0];
  throw new EchoDuetError(
    "config",
    `--final: expected a test split that was never opened, got one opened ${time} by ${who}; its results are in ${report}`,
  );
}

async function costsOf(
  { designs }: Scores,
  measure: PredictionOptions | null,
  onProgress: (message: string) => void,
): Promise<Map<ScoredDesign, Cost>> {
  const trained = designs.flatMap((scored) => {
    const runs = scored.design.runs.filter(({ state }) => state === "finished");
    return runs.length > 0 ? [{ scored, runs }] : [];
  });
  if (measure) onProgress(`latency of ${trained.length} designs in turns`);
  const latencies =
    measure &&
    (await measureLatencies(
      trained.map(({ runs }) => runs[0]),
      measure,
    ));
  return new Map(
    trained.map(({ scored, runs }, i) => [scored, { ...costOf(runs), latencyMs: latencies?.[i] ?? null }]),
  );
}

function factsOf({ designs }: Scores, costs: ReadonlyMap<ScoredDesign, Cost>) {
  const all = designs.map((scored) => ({ design: scored.design, cost: costs.get(scored) ?? null }));
  return designs.map((scored) => {
    const cost = costs.get(scored) ?? null;
    return { scored, cost, practicality: practicalityOf(scored, cost, all) };
  });
}

function contrastsOf(able: readonly Candidate[], onProgress: (message: string) => void): Contrast[] {
  if (able.length < 2) return [];
  const scored = able.map((each) => each.scored);
  const best = bestOf(able).scored;
  onProgress(`tests against ${best.design.name}`);
  return contrastsWith(best, scored, endpointsOf(best), { seed: resamplingSeed });
}

function nothingToCompare(runs: readonly ComparedRun[]): EchoDuetError {
  const states = runs.map(({ name, state }) => `${name} (${state})`).join(", ");
  return new EchoDuetError(
    "config",
    `compare: expected at least one finished run whose folds cover all frames, got ${states}; finish the runs, or leave out those of other data`,
  );
}
