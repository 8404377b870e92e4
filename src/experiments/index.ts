/** Experiments: sweeps, comparisons of what they trained, and what runs did, drawn. */
export * from "./compare/index.js";
export * from "./curves/index.js";
export * from "./statistics/index.js";
export * from "./sweep/index.js";
