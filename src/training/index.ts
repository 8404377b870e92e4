/** Training: the step, the loop, run directories, checkpoints, evaluation. */
export * from "./checkpoint.js";
export {
  type Evaluation,
  type EvaluationOptions,
  evaluate,
  evaluationSuppression,
  type FrameBoxes,
  type FramePrediction,
  headlineMetrics,
  sourceLabels,
  type Speed,
} from "./evaluate.js";
export {
  AppendedLog,
  type CsvValue,
  EventTail,
  formatCsvLine,
  type LoggedEvent,
  readEvents,
  type TrainingEvent,
} from "./events.js";
export { type GradientReach, type Independence, measureIndependence } from "./independence.js";
export {
  type Interference,
  type InterferenceMeasure,
  InterferenceProbe,
  type InterferenceProbeOptions,
  probeFrames,
  SharedGradients,
} from "./interference-probe.js";
export { checkLeakage } from "./leakage-gate.js";
export { describeMark, type LeakageMark, leakageMarkSchema } from "./leakage-mark.js";
export { requireSame, seenImages } from "./model-data.js";
export { type Predictions, Predictor } from "./predictor.js";
export * from "./progress.js";
export { findWeights } from "./find-weights.js";
export type { RunDirectory } from "./run-directory.js";
export { runFiles } from "./run-files.js";
export { readRunInfo } from "./run-info.js";
export { acquireLock, lockHolder } from "./run-lock.js";
export { declareForTraining, type StepReport, TrainingSession } from "./session.js";
export { begunStages, holdsStages } from "./staged-info.js";
export { resumeStages, type StagedResult, trainStages } from "./staged-training.js";
export { stepFlops } from "./step-flops.js";
export { initialTensors } from "./state-layout.js";
export { resume, train } from "./trainer.js";
export type { TrainOptions, TrainResult } from "./training-loop.js";
export { echoduetVersion } from "./versions.js";
export { applyWeights, type LoadedWeights, readWeights, type Weights } from "./weights.js";
