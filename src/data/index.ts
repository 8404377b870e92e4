/**
 * Data sets: their description, labels, frames, images and the loader that makes batches of them; and what is
 * done to them before: conversion, audit, repair, splits, simulation.
 */
export * from "./audit/index.js";
export * from "./augmentation/index.js";
export * from "./augmented-loader.js";
export * from "./description.js";
export { type ConvertOptions, type ConvertReport, convert } from "./formats/index.js";
export * from "./frames.js";
export * from "./image.js";
export * from "./image-paths.js";
export * from "./labels.js";
export * from "./leakage.js";
export * from "./loader.js";
export * from "./repair/index.js";
export * from "./sampling.js";
export * from "./simulate/index.js";
export {
  type Assignment,
  collectFrames,
  compareFrames,
  type SplitLists,
  type SplitOptions,
  type SplitSummary,
  splitFrames,
  splitLists,
  summariseSplit,
  writeSplit,
} from "./split/index.js";
