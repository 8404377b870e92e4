/** Experiments: many runs, and what runs did, drawn. */
export * from "./curves/index.js";
export * from "./sweep/index.js";
