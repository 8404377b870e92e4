/** Augmentation of training images; that which keeps the diagnosis, and apart from it that which does not. */
export { augmentBatch, augmentBatchFully } from "./augment-batch.js";
export type { Place } from "./draws.js";
export { type AugmentOptions, augments, augmentWarnings, noAugmentation } from "./options.js";
