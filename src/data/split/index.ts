/** Splits and folds of a data set by patient or clip, balanced over classes and views. */
export * from "./collect.js";
export * from "./duplicates.js";
export * from "./groups.js";
export * from "./search.js";
export * from "./split-frames.js";
export * from "./strata.js";
export * from "./summary.js";
export * from "./write-split.js";
