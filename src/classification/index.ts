/** Classification of the whole image: its targets and its metrics. */
export * from "./metrics.js";
export * from "./targets.js";
