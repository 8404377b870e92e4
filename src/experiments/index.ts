/** Experiments: many runs, comparisons of what they trained, one run repeated, what runs did, drawn; designs; speed. */
export * from "./capsule/index.js";
export * from "./compare/index.js";
export * from "./curves/index.js";
export * from "./designs/index.js";
export * from "./report/index.js";
export * from "./speed/index.js";
export * from "./statistics/index.js";
export * from "./study/index.js";
export * from "./sweep/index.js";
