/** The symbolic graph: values and operators with static shapes, passes, and a float64 interpreter. */
export * from "./functions.js";
export * from "./interpreter/index.js";
export * from "./ir.js";
export * from "./ops.js";
export * from "./passes.js";
export * from "./print.js";
export * from "./split-batch.js";
export * from "./value-type.js";
export * from "./verify.js";
