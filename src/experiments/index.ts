/** Experiments: what runs did, drawn. */
export * from "./curves/index.js";
