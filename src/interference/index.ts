/** Interference of tasks: what they share, how their gradients lie to each other, what their features have in common. */
export * from "./conflict.js";
export * from "./gradient-gram.js";
export * from "./layers.js";
export * from "./shared-parameters.js";
