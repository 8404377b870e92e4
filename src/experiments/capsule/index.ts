/** Reproduction capsules: a finished run in one file without images, and its training repeated from there. */
export { type Capsule, readCapsule } from "./capsule.js";
export { packCapsule } from "./pack.js";
export {
  compareRun,
  type Difference,
  replayCapsule,
  type ReplayOptions,
  type ReplayReport,
} from "./replay.js";
