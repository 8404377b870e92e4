/** Comparison of trained designs: accuracy, cost, practicality, paired tests, and a recommendation. */
export { type CompareOptions, compare, finalReportFile } from "./compare.js";
export type { Contrast } from "./contrasts.js";
export type { Cost } from "./cost.js";
export type { DeltaM } from "./delta-m.js";
export { type MetricName, metricNames } from "./pool.js";
export type { Practicality, Sensitivity } from "./practicality.js";
export type { RunProvenance } from "./predictions.js";
export { type Change, type CostFacts, type Ground, showP, signed } from "./reasons.js";
export type { Note } from "./notes.js";
export type { Recommendation } from "./recommend.js";
export type * from "./report.js";
export type { MetricEstimate } from "./scoring.js";
export { type TargetResult, targets } from "./targets.js";
