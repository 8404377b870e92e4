/** Repairs of data sets: proposed as a plan, applied to a copy, and undone. */
export type { ImageTally } from "./copy.js";
export type { RepairCounts, RepairLog } from "./log.js";
export * from "./plan.js";
export {
  type PlannedAction,
  type RepairPlan,
  readPlan,
  refuseEditedPlan,
  type WrittenPlan,
  writeRepairPlan,
} from "./plan-file.js";
export { proposeRepairs } from "./propose.js";
export { type RepairSummary, repairData } from "./repair.js";
export { type RevertSummary, revertRepair } from "./revert.js";
