/** Configuration of training runs: schema, defaults, files and the options made of them. */
export * from "./config-file.js";
export { type Optimisation, optimisationOf } from "./optimisation.js";
export { describeIssues, parseWith, resolveTrainConfig } from "./resolve.js";
export * from "./staged-config.js";
export { type Device, devices, type InputSize, parseSize, toNumber } from "./text-values.js";
export * from "./train-config.js";
export * from "./train-options.js";
export * from "./values.js";
