/** Experiments: many runs, comparisons of what they trained, one run repeated, and what runs did, drawn. */
export * from "./capsule/index.js";
export * from "./compare/index.js";
export * from "./curves/index.js";
export * from "./statistics/index.js";
export * from "./sweep/index.js";
