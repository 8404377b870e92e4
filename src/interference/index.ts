/** Interference of tasks: what they share, how their gradients lie to each other, what their features have in common. */
export * from "./cka.js";
export * from "./conflict.js";
export * from "./features.js";
export * from "./gradient-gram.js";
export * from "./layers.js";
export * from "./linear-probe.js";
export * from "./shared-parameters.js";
