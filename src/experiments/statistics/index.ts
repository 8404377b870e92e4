/** Statistics that no library has for metrics of a whole set: resampling by patient, paired tests, corrections. */
export * from "./bootstrap.js";
export * from "./effect.js";
export * from "./holm.js";
export * from "./permutation.js";
