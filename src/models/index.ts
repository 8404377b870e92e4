/** Networks by name: YOLOv5 detectors, view classifiers, and both on one backbone. */
export * from "./declare.js";
export { buildDeployGraph } from "./deploy.js";
export * from "./model.js";
export { createModel, type ModelOptions, modelNames, type Tap, taps } from "./registry.js";
export {
  formatSummary,
  type LayerSummary,
  type ModelSummary,
  summariseModel,
  trainingStepFlops,
} from "./summary.js";
export { DetectionBackbone, type FeaturePyramid, type Yolov5Size, yolov5Sizes } from "./yolov5.js";
