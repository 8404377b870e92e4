import type { Contrast } from "./contrasts.js";
import type { Cost } from "./cost.js";
import type { DeltaM } from "./delta-m.js";
import type { Note } from "./notes.js";
import type { MetricName } from "./pool.js";
import type { Practicality, Sensitivity } from "./practicality.js";
import type { RunProvenance } from "./predictions.js";
import type { Recommendation } from "./recommend.js";
import type { MetricEstimate, Scores } from "./scoring.js";
import type { TargetResult } from "./targets.js";

/** A design's results on one split, every number of them a mean over its seeds. */
export interface DesignResult {
  readonly name: string;
  readonly model: string;
  readonly tasks: readonly string[];
  /** Seeds behind the numbers, and those left out for want of a fold. */
  readonly seeds: readonly number[];
  readonly incompleteSeeds: readonly number[];
  /** Folds of a seed. */
  readonly folds: number;
  readonly metrics: Partial<Record<MetricName, MetricEstimate>>;
  /** Confidence chosen on validation, of each seed in `seeds`; empty on validation itself. */
  readonly confidences: readonly number[];
  readonly perClass: readonly ClassResult[];
  /** Counts [true view][predicted view], summed over the seeds; null without views. */
  readonly confusion: readonly (readonly number[])[] | null;
  readonly targets: readonly TargetResult[];
  /** Mean relative change against the single-task controls; null for a control, and without controls. */
  readonly deltaM: DeltaM | null;
}

/** A detection class, averaged over the seeds. */
export interface ClassResult {
  readonly name: string;
  readonly ap50: number | null;
  readonly ap50_95: number | null;
  readonly instances: number;
}

/** All designs on one split. */
export interface SplitResult {
  readonly split: Scores["split"];
  readonly frames: number;
  /** Patients; clips and frames where data.yaml names no patient. */
  readonly patients: number;
  readonly resamples: number;
  /** Resamples without some class that the split has. */
  readonly resamplesWithoutClass: Scores["resamplesWithoutClass"];
  readonly designs: readonly DesignResult[];
  readonly provenance: readonly RunProvenance[];
}

/** What a design is and costs, whatever the split. */
export interface DesignFacts {
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly cost: Cost | null;
  readonly practicality: Practicality;
  /** Whether no other design is at least as good in every endpoint and in FLOPs, and better in one; null where it does not take part. */
  readonly onParetoFront: boolean | null;
}

/** What `compare` finds. */
export interface CompareReport {
  readonly sweep: string | null;
  readonly version: string;
  /** Of resamples and permutations. */
  readonly seed: number;
  /** Everything that is chosen is chosen on this. */
  readonly validation: SplitResult;
  readonly facts: readonly DesignFacts[];
  readonly contrasts: readonly Contrast[];
  readonly sensitivities: readonly Sensitivity[];
  readonly recommendation: Recommendation | null;
  /** What a reader must know of these numbers. */
  readonly remarks: readonly Note[];
  /** The remarks in English. */
  readonly notes: readonly string[];
  /** The test split, opened by --final. */
  readonly test: SplitResult | null;
  /** When and by whom it was opened; empty where it was not. */
  readonly testOpened: readonly { readonly time: string; readonly who: string }[];
}
