/** Layers, initialisation and losses, built into a graph through a scope that names their parameters. */
export * from "./initialise.js";
export * from "./layers.js";
export * from "./losses.js";
export * from "./scope.js";
