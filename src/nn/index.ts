/** Layers, initialisation and losses, built into a graph through a scope that names their parameters. */
export { type AttentionKind, attend, attentionKinds } from "./attention/index.js";
export * from "./batch-norm.js";
export * from "./convolution.js";
export * from "./initialise.js";
export * from "./layers.js";
export * from "./losses.js";
export * from "./scope.js";
