/** Sweeps: many runs of one file, in a directory of their own. */
export { recordTestOpened, testOpened } from "./journal.js";
export { openSweep, type Sweep, type SweepRun, type SweepRunState } from "./open-sweep.js";
export type { SelectionMetric } from "./sweep-file.js";
