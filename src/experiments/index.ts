/** Experiments: many runs, one run repeated, and what runs did, drawn. */
export * from "./capsule/index.js";
export * from "./curves/index.js";
export * from "./sweep/index.js";
