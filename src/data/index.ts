/** Data sets: their description, labels, frames, images and the loader that makes batches of them. */
export * from "./augmentation/index.js";
export * from "./description.js";
export * from "./frames.js";
export * from "./image.js";
export * from "./labels.js";
export * from "./leakage.js";
export * from "./loader.js";
export * from "./sampling.js";
