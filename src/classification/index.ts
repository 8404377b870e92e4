/** Classification of the whole image: its targets and its metrics. */
export * from "./grouped-views.js";
export * from "./metrics.js";
export * from "./targets.js";
