/** Sweeps: many runs of one file, in a directory of their own. */
export type { Budget, Estimate, EstimatedPhase, RunCost } from "./estimate.js";
export { type Executor, type Job, type JobEnd, LocalProcesses, type RunningJob } from "./executor.js";
export { recordTestOpened, testOpened } from "./journal.js";
export { openSweep, type Sweep, type SweepRun, type SweepRunState } from "./open-sweep.js";
export { type PreparedSweep, type PrepareOptions, prepareSweep, requireHours } from "./prepare-sweep.js";
export { type RunStatus, type RunSweepOptions, runSweep, type SweepStatus } from "./run-sweep.js";
export type { SelectionMetric } from "./sweep-file.js";
