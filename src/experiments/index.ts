/** Experiments: what runs did, drawn; designs side by side; speed. */
export * from "./curves/index.js";
export * from "./designs/index.js";
export * from "./speed/index.js";
