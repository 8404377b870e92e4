/** Networks by name: YOLOv5 detectors, view classifiers, and both on one backbone or on two. */
export * from "./declare.js";
export { buildDeployGraph } from "./deploy.js";
export { describeMatch, type FlopsMatch } from "./flops-match.js";
export * from "./model.js";
export {
  ClassificationBackbone,
  type ClassifierBackbone,
  classifierBackbones,
} from "./classification-backbone.js";
export { type Pooling, poolings } from "./classifier-head.js";
export * from "./options.js";
export { createModel, modelNames } from "./registry.js";
export {
  formatSummary,
  type LayerSummary,
  type ModelSummary,
  summariseModel,
  trainingStepFlops,
} from "./summary.js";
export {
  DetectionBackbone,
  type FeaturePyramid,
  type Scaling,
  type Yolov5Size,
  yolov5Sizes,
} from "./yolov5.js";
