import { type ClassificationMetrics, GroupedViews } from "../../classification/index.js";
import type { FrameRecord } from "../../data/index.js";
import {
  type AveragePrecisionResult,
  CONFIDENCE_GRID_POINTS,
  confidenceIndex,
  GroupedDetections,
  type MatchedImage,
  operatingPointAt,
} from "../../detection/index.js";
import type { FramePrediction } from "../../training/index.js";
import type { RunPredictions } from "./predictions.js";

/** Metrics in the order of the tables; those of `chosen` hold at the confidence chosen on validation. */
export const metricNames = [
  ...(["map50", "map50_95", "precision", "recall", "f1"] as const),
  ...(["chosenPrecision", "chosenRecall", "chosenF1"] as const),
  ...(["accuracy", "balancedAccuracy", "macroF1", "auroc", "ece"] as const),
] as const;
export type MetricName = (typeof metricNames)[number];

/** The metrics of some frames; null where there is nothing to measure one on. */
export type Measures = Readonly<Record<MetricName, number | null>>;

/** One frame with what a run predicts on it. */
export interface PooledFrame {
  readonly name: string;
  /** Its patient, else its clip, else the frame itself: what a resample draws. */
  readonly cluster: string;
  readonly view: number;
  readonly prediction: FramePrediction;
}

/** What frames are resampled with: patients, as far as data.yaml tells them. */
export function clusterOf({ patient, video, name }: FrameRecord): string {
  if (patient !== null) return `patient ${patient}`;
  return video === null ? `frame ${name}` : `clip ${video}`;
}

/** The frames of a run's split with its predictions. */
export function pooledFrames({ frames, predictions }: RunPredictions): PooledFrame[] {
  return frames.map((frame, i) => ({
    name: frame.name,
    cluster: clusterOf(frame),
    view: frame.view,
    prediction: predictions[i],
  }));
}

/** Classes that predictions are of. */
export interface PoolClasses {
  readonly names: readonly string[];
  readonly views: readonly string[];
}

/** Frames of one or several folds, scored as one set under any weights of their patients. */
export class Pool {
  readonly detection: GroupedDetections | null;
  readonly views: GroupedViews | null;
  /** All clusters once. */
  readonly ones: Int32Array;

  /** @param clusters the index of each cluster; frames of others are an error of the caller */
  constructor(
    readonly frames: readonly PooledFrame[],
    readonly clusters: ReadonlyMap<string, number>,
    readonly classes: PoolClasses,
  ) {
    const groupCount = clusters.size;
    const groupOf = ({ cluster }: PooledFrame) => clusters.get(cluster) ?? -1;
    const { names, views } = classes;
    const detected = frames.flatMap((frame) =>
      frame.prediction.detection ? [{ image: frame.prediction.detection, group: groupOf(frame) }] : [],
    );
    this.detection =
      names.length > 0
        ? new GroupedDetections(
            detected.map(({ image }) => image),
            detected.map(({ group }) => group),
            { groupCount, classes: names.length },
          )
        : null;
    this.views =
      views.length > 0
        ? new GroupedViews(
            frames.map(({ prediction }) => prediction.views ?? []),
            frames.map(({ view }) => view),
            frames.map(groupOf),
            { groupCount, classes: views.length },
          )
        : null;
    this.ones = new Int32Array(groupCount).fill(1);
  }

  /** The confidence of the best smoothed F1; null without detection. */
  bestConfidence(): number | null {
    return this.detection && this.detection.curves(this.ones).bestIndex / (CONFIDENCE_GRID_POINTS - 1);
  }

  /**
   * All metrics where cluster i counts weights[i] times.
   * @param confidence chosen on validation; null where these frames are the validation's
   */
  measure(weights: ArrayLike<number>, confidence: number | null): Measures {
    return {
      ...detectionMeasures(this.detection?.curves(weights) ?? null, confidence),
      ...viewMeasures(this.views?.metrics(weights) ?? null),
    };
  }

  /** The metric of each task that decides, where cluster i counts weights[i] times; cheaper than `measure`. */
  endpoint(name: Endpoint, weights: ArrayLike<number>): number | null {
    if (name === "map50") return this.detection?.map50(weights) ?? null;
    return this.views?.scores(weights).balancedAccuracy ?? null;
  }
}

/** The metric of each task that designs are tested and chosen by: mAP@.5, balanced accuracy. */
export const endpoints = ["map50", "balancedAccuracy"] as const;
export type Endpoint = (typeof endpoints)[number];
/** The task that an endpoint is of. */
export const taskOfEndpoint = { map50: "detection", balancedAccuracy: "classification" } as const;

/** The mean of what has a value; null where nothing has. */
export function meanOf(values: readonly (number | null)[]): number | null {
  const present = values.filter((value) => value !== null);
  return present.length === 0 ? null : present.reduce((sum, value) => sum + value, 0) / present.length;
}

/** All measures averaged one by one. */
export function meanMeasures(all: readonly Measures[]): Measures {
  return Object.fromEntries(
    metricNames.map((name) => [name, meanOf(all.map((measures) => measures[name]))]),
  ) as Measures;
}

/** Whether two predictions were matched to the same labels. */
export function sameLabels(a: PooledFrame, b: PooledFrame): boolean {
  const targets = ({ prediction }: PooledFrame): MatchedImage["targetClass"] | null =>
    prediction.detection?.targetClass ?? null;
  const [left, right] = [targets(a), targets(b)];
  const agree = left === null || right === null || left.join() === right.join();
  return agree && a.view === b.view && a.cluster === b.cluster;
}

type DetectionMeasures = Omit<Measures, keyof ViewMeasures>;
type ViewMeasures = Pick<Measures, "accuracy" | "balancedAccuracy" | "macroF1" | "auroc" | "ece">;

function detectionMeasures(
  curves: AveragePrecisionResult | null,
  confidence: number | null,
): DetectionMeasures {
  const areas = curves?.perClass.map(({ averagePrecision }) => averagePrecision) ?? [];
  const own = curves && operatingPointAt(curves, curves.bestIndex);
  const chosen = curves && confidence !== null ? operatingPointAt(curves, confidenceIndex(confidence)) : null;
  return {
    map50: meanOf(areas.map(([first]) => first)),
    map50_95: meanOf(areas.map((all) => all.reduce((sum, area) => sum + area, 0) / all.length)),
    precision: own?.precision ?? null,
    recall: own?.recall ?? null,
    f1: own?.f1 ?? null,
    chosenPrecision: chosen?.precision ?? null,
    chosenRecall: chosen?.recall ?? null,
    chosenF1: chosen?.f1 ?? null,
  };
}

function viewMeasures(metrics: ClassificationMetrics | null): ViewMeasures {
  return {
    accuracy: metrics?.accuracy ?? null,
    balancedAccuracy: metrics?.balancedAccuracy ?? null,
    macroF1: metrics?.macroF1 ?? null,
    auroc: metrics?.auroc ?? null,
    ece: metrics?.ece ?? null,
  };
}
