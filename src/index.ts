/**
 * EchoDuet: object detection and view classification trained together on echocardiograms.
 *
 * The package's root has what a program needs to train, score, use and export a model; each room of the
 * source has its own subpath with everything it offers, such as `echoduet/detection` or `echoduet/graph`
 * (docs/architecture.md).
 *
 *     import { loadConfigFile, resolveTrainConfig, train, validate } from "echoduet";
 *
 *     const config = resolveTrainConfig({ ...loadConfigFile("config.yaml"), epochs: 20 }, "config.yaml");
 *     const { run } = await train(config);
 *     const report = await validate({
 *       weights: run, data: config.data, split: "test", batch: 16, device: "cpu", threads: 0,
 *     });
 */
export { EchoDuetError, type ErrorCode } from "./errors.js";

// Configuration of a run: a YAML file or an object, checked and completed with the defaults.
export {
  type InputSize,
  loadConfigFile,
  resolveStagedConfig,
  resolveTrainConfig,
  type StagedConfig,
  type TrainConfig,
  type TrainConfigInput,
} from "./config/index.js";

// Data sets: data.yaml, its frames with their labels, and a simulated data set in the same layout.
export {
  type DataDescription,
  type FrameRecord,
  fingerprint,
  listFrames,
  loadDataDescription,
} from "./data/index.js";
export { type SimulationOptions, type SimulationSummary, simulate } from "./data/simulate/index.js";

// Networks by name.
export {
  createModel,
  DetectionBackbone,
  type Model,
  type ModelOptions,
  modelNames,
  summariseModel,
} from "./models/index.js";

// Training runs.
export {
  echoduetVersion,
  type ProgressListener,
  readEvents,
  resume,
  resumeStages,
  type StagedResult,
  type TrainOptions,
  type TrainResult,
  train,
  trainStages,
} from "./training/index.js";

// Trained models: scores, predictions, ONNX files.
export {
  type ExportOptions,
  type ExportResult,
  exportModel,
  type ImagePrediction,
  listSources,
  type OpenedPredictor,
  openPredictor,
  predictImage,
  type ValidateOptions,
  type ValidationReport,
  validate,
} from "./serving/index.js";

// YOLOv5's assignment, loss, suppression and metric on plain arrays.
export { assignTargets, averagePrecision, detectionLoss, nonMaximumSuppression } from "./detection/index.js";
