/** Experiments: many runs, one run repeated, what runs did, drawn; designs side by side; speed. */
export * from "./capsule/index.js";
export * from "./curves/index.js";
export * from "./designs/index.js";
export * from "./speed/index.js";
export * from "./sweep/index.js";
