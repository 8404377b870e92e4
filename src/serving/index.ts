/** Use of trained models: validation, prediction, export. */
export * from "./draw.js";
export * from "./exported-model.js";
export * from "./predict.js";
export * from "./trained-model.js";
export * from "./validate.js";
