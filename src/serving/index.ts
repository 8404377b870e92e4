/** Use of trained models: validation, prediction, export. */
export type { ModelProvenance } from "./analysed-model.js";
export * from "./draw.js";
export * from "./exported-model.js";
export * from "./feature-similarity.js";
export * from "./interference.js";
export * from "./predict.js";
export * from "./trained-model.js";
export * from "./validate.js";
