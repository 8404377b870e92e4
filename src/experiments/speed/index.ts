/** Speed: processes that are timed, turns, synthetic input, facts of the machine, a budget of memory. */
export { type FitMemoryOptions, fitMemory } from "./fit-memory.js";
export { LineProcess, serveRuns, type TimedRuns } from "./line-process.js";
export { type MachineFacts, machineFacts } from "./machine.js";
export {
  openSyntheticSession,
  type SyntheticInput,
  syntheticBatch,
  syntheticConfig,
} from "./synthetic.js";
export { takeTurns, type Turn } from "./turns.js";
