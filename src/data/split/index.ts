/** Splits and folds of a data set by patient or clip, balanced over classes and views. */
export { collectFrames } from "./collect.js";
export { type ComparedFrames, compareFrames } from "./duplicates.js";
export type { DuplicatePair, FrameGroup, GroupBy, GroupMerge } from "./groups.js";
export type { SplitObjective } from "./search.js";
export {
  type Assignment,
  type FrameRatios,
  type SplitLists,
  type SplitOptions,
  type SplitPart,
  splitFrames,
  splitLists,
  type StratumBalance,
} from "./split-frames.js";
export type { Stratum } from "./strata.js";
export { type SplitSummary, summariseSplit } from "./summary.js";
export { type WriteSplitOptions, type WrittenSplit, writeSplit } from "./write-split.js";
