import { EchoDuetError } from "../../errors.js";
import { clusterWeights, type Interval, percentileInterval } from "../statistics/index.js";
import type { Design } from "./designs.js";
import type { ComparedRun } from "./gather.js";
import {
  meanMeasures,
  type Measures,
  type MetricName,
  metricNames,
  Pool,
  type PooledFrame,
  pooledFrames,
  sameLabels,
} from "./pool.js";
import type { PredictionSource, RunProvenance } from "./predictions.js";

/** A number with its interval over patients. */
export interface MetricEstimate {
  readonly value: number;
  readonly interval: Interval | null;
}

/** One seed of a design: the predictions of its folds, pooled. */
export interface SeedPool {
  readonly seed: number;
  readonly pool: Pool;
  /** Confidence chosen on validation; null where this is the validation. */
  readonly confidence: number | null;
  /** Of each resample, in the order of the resamples. */
  readonly samples: readonly Measures[];
  /** Each fold by itself, in the order of their data; empty for one fold. */
  readonly folds: readonly Measures[];
}

/** A design scored on a split. */
export interface ScoredDesign {
  readonly design: Design;
  /** Seeds whose folds cover every frame; others do not count. */
  readonly seeds: readonly SeedPool[];
  /** Seeds left out, since a fold of theirs is missing. */
  readonly incompleteSeeds: readonly number[];
  /** Mean over the seeds. */
  readonly value: Measures;
  readonly samples: readonly Measures[];
  readonly provenance: readonly RunProvenance[];
}

/** All designs scored on one split. */
export interface Scores {
  readonly split: "val" | "test";
  readonly designs: readonly ScoredDesign[];
  /** What a resample draws, sorted. */
  readonly clusters: readonly string[];
  readonly frames: number;
  /** Resamples that lack a class or a view which the split has. */
  readonly resamplesWithoutClass: { readonly detection: number; readonly classification: number };
}

/** What scoring needs beside the runs. */
export interface ScoringOptions {
  readonly store: PredictionSource;
  readonly resamples: number;
  readonly seed: number;
  /** The validation's scores where the test split is scored: its confidences are the chosen ones. */
  readonly validation: Scores | null;
  readonly onProgress: (message: string) => void;
}

/**
 * Scores every finished run of the designs on a split and pools the folds of each seed, so that each frame counts
 * once; the same resamples of patients serve all designs.
 * @throws EchoDuetError `config` where a frame is in two folds of one seed, `data` where runs have other labels
 */
export async function scoreDesigns(
  designs: readonly Design[],
  split: "val" | "test",
  options: ScoringOptions,
): Promise<Scores> {
  const predicted: PredictedDesign[] = [];
  for (const design of designs) predicted.push(await predictDesign(design, split, options));
  const universe = new Map<string, PooledFrame>();
  for (const { runs } of predicted) {
    for (const frame of runs.flatMap(({ frames }) => frames)) requireSameLabels(universe, frame);
  }
  const clusters = [...new Set([...universe.values()].map(({ cluster }) => cluster))].sort();
  const indices = new Map(clusters.map((cluster, index) => [cluster, index]));
  const weights = Array.from({ length: options.resamples }, (_, i) =>
    clusterWeights(clusters.length, i, options.seed),
  );
  const context = { indices, weights, frames: universe.size };
  const scored: ScoredDesign[] = [];
  for (const each of predicted) {
    options.onProgress(`${split}: resampling the patients of ${each.design.name}`);
    scored.push(scoreDesign(each, context, options.validation));
  }
  return {
    split,
    designs: scored,
    clusters,
    frames: universe.size,
    resamplesWithoutClass: countWithoutClass(scored, weights),
  };
}

/** The estimate of each metric that has a value. */
export function estimatesOf({ value, samples }: ScoredDesign): Partial<Record<MetricName, MetricEstimate>> {
  return Object.fromEntries(
    metricNames.flatMap((name) => {
      const point = value[name];
      if (point === null) return [];
      return [[name, { value: point, interval: percentileInterval(samples.map((sample) => sample[name])) }]];
    }),
  );
}

interface PredictedRun {
  readonly run: ComparedRun;
  readonly frames: readonly PooledFrame[];
  readonly provenance: RunProvenance;
}

interface PredictedDesign {
  readonly design: Design;
  readonly runs: readonly PredictedRun[];
  readonly names: readonly string[];
  readonly views: readonly string[];
}

async function predictDesign(
  design: Design,
  split: "val" | "test",
  { store, onProgress }: ScoringOptions,
): Promise<PredictedDesign> {
  const runs: PredictedRun[] = [];
  let classes: Pick<PredictedDesign, "names" | "views"> = { names: [], views: [] };
  for (const run of design.runs.filter(({ state }) => state === "finished")) {
    onProgress(`${split}: ${run.name}`);
    const predictions = await store.of(run, split);
    classes = { names: predictions.names, views: predictions.views };
    runs.push({ run, frames: pooledFrames(predictions), provenance: predictions.provenance });
  }
  return { design, runs, ...classes };
}

function requireSameLabels(universe: Map<string, PooledFrame>, frame: PooledFrame): void {
  const known = universe.get(frame.name);
  if (known === undefined || known.prediction.detection === null) universe.set(frame.name, frame);
  if (known === undefined || sameLabels(known, frame)) return;
  throw new EchoDuetError(
    "data",
    `${frame.name}: expected the same labels and patient for all runs, got others; compare runs of one data set`,
  );
}

interface ScoringContext {
  readonly indices: ReadonlyMap<string, number>;
  readonly weights: readonly Int32Array[];
  readonly frames: number;
}

function scoreDesign(
  predicted: PredictedDesign,
  { indices, weights, frames }: ScoringContext,
  validation: Scores | null,
): ScoredDesign {
  const { design, runs } = predicted;
  const seeds: SeedPool[] = [];
  const incompleteSeeds: number[] = [];
  for (const seed of [...new Set(design.runs.map(({ seed }) => seed))].sort((a, b) => a - b)) {
    const own = runs
      .filter(({ run }) => run.seed === seed)
      .toSorted((a, b) => (a.run.data < b.run.data ? -1 : 1));
    const together = own.flatMap((run) => run.frames);
    requireOnce(design, seed, together);
    if (own.length === 0 || together.length < frames) {
      incompleteSeeds.push(seed);
      continue;
    }
    const poolOf = (some: readonly PooledFrame[]) => new Pool(some, indices, predicted);
    const pool = poolOf(together);
    const confidence = chosenConfidence(validation, design, seed);
    seeds.push({
      seed,
      pool,
      confidence,
      samples: weights.map((each) => pool.measure(each, confidence)),
      folds: own.length === 1 ? [] : own.map((run) => poolOf(run.frames).measure(pool.ones, confidence)),
    });
  }
  return {
    design,
    seeds,
    incompleteSeeds,
    value: meanMeasures(seeds.map(({ pool, confidence }) => pool.measure(pool.ones, confidence))),
    samples: weights.map((_, i) => meanMeasures(seeds.map(({ samples }) => samples[i]))),
    provenance: runs.map(({ provenance }) => provenance),
  };
}

function requireOnce({ name }: Design, seed: number, frames: readonly PooledFrame[]): void {
  const seen = new Set<string>();
  for (const frame of frames) {
    if (seen.has(frame.name)) {
      throw new EchoDuetError(
        "config",
        `${name}, seed ${seed}: expected each frame in one fold, got ${frame.name} in two runs; leave one of them out`,
      );
    }
    seen.add(frame.name);
  }
}

function chosenConfidence(validation: Scores | null, design: Design, seed: number): number | null {
  const scored = validation?.designs.find((each) => each.design === design);
  return scored?.seeds.find((each) => each.seed === seed)?.pool.bestConfidence() ?? null;
}

function countWithoutClass(
  designs: readonly ScoredDesign[],
  weights: readonly Int32Array[],
): Scores["resamplesWithoutClass"] {
  const pools = designs.flatMap(({ seeds }) => seeds.slice(0, 1).map(({ pool }) => pool));
  const lacking = (classesIn: ((weights: Int32Array) => number) | undefined, all: Int32Array | undefined) =>
    classesIn && all ? weights.filter((each) => classesIn(each) < classesIn(all)).length : 0;
  const detecting = pools.find(({ detection }) => detection !== null);
  const classifying = pools.find(({ views }) => views !== null);
  return {
    detection: lacking(
      detecting && ((each) => detecting.detection?.meanAveragePrecision(each).classes ?? 0),
      detecting?.ones,
    ),
    classification: lacking(
      classifying && ((each) => classifying.views?.labelledClasses(each) ?? 0),
      classifying?.ones,
    ),
  };
}
