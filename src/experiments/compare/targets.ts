import type { MetricName } from "./pool.js";
import type { MetricEstimate } from "./scoring.js";

/** The least values asked for. */
export const targets = { map50: 0.6, precision: 0.7, recall: 0.7, f1: 0.6 } as const;
export type TargetName = keyof typeof targets;

/** A target and what became of it. */
export interface TargetResult {
  readonly name: TargetName;
  readonly least: number;
  readonly value: number;
  readonly passed: boolean;
  /** Whether the whole interval lies on that side of the target: whether other patients would likely agree. */
  readonly certain: boolean;
}

/** Precision, recall and F1 are judged at the confidence chosen on validation where there is one. */
const chosen: Partial<Record<TargetName, MetricName>> = {
  precision: "chosenPrecision",
  recall: "chosenRecall",
  f1: "chosenF1",
};

/** The targets of what a design detects; none for a design that does not. */
export function judgeTargets(metrics: Partial<Record<MetricName, MetricEstimate>>): TargetResult[] {
  return (Object.keys(targets) as TargetName[]).flatMap((name) => {
    const estimate = metrics[chosen[name] ?? name] ?? metrics[name];
    if (estimate === undefined) return [];
    const { value, interval } = estimate;
    const least = targets[name];
    const passed = value >= least;
    const certain = interval !== null && (passed ? interval.low >= least : interval.high < least);
    return [{ name, least, value, passed, certain }];
  });
}
