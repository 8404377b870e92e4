import { stopGradient, type Value } from "../graph/index.js";
import type { Scope } from "../nn/index.js";
import { classifierHead } from "./classifier-head.js";
import type { Model, TaskName } from "./model.js";
import type { ModelOptions, Tap } from "./options.js";
import { type FeaturePyramid, type Scaling, yolov5Backbone, yolov5Head, yolov5Neck } from "./yolov5.js";

/** The weight of a tap's last convolution, by YOLOv5's names. */
const tapWeights: Record<Tap, string> = {
  p3: "model.17.cv3.conv.weight",
  p4: "model.20.cv3.conv.weight",
  p5: "model.23.cv3.conv.weight",
  backbone: "model.9.cv2.conv.weight",
};

/** A YOLOv5 network whose features all tasks read: a detector, a view classifier, or both. */
export function oneBackbone(
  name: string,
  tasks: readonly TaskName[],
  scaling: Scaling,
  options: ModelOptions,
): Model {
  const { tap = "p3", detachClassifier = false, dropout = 0.2, pooling = "avg" } = options;
  const { classes, views, detectionAttention = "none" } = options;
  const detects = tasks.includes("detection");
  const classifies = tasks.includes("classification");
  return {
    name,
    tasks,
    classes: detects ? classes : 0,
    views: classifies ? views : 0,
    sharedLayer: detects && classifies && !detachClassifier ? tapWeights[tap] : null,
    alone: new Map(),
    branchOf: () => null,
    isHead: (parameter) => /^(model\.24\.|classifier\.)/.test(parameter),
    isAdded: (tensor) => tensor.includes(".attention."),
    namesInFiles: (tensor) => [tensor],
    forward: (scope, images) => {
      const model = scope.child("model");
      const backbone = yolov5Backbone(model, images, { scaling, attention: detectionAttention });
      const neck = detects || tap !== "backbone" ? yolov5Neck(model, backbone, scaling) : null;
      const tapped = tap === "backbone" ? backbone.p5 : (neck as FeaturePyramid)[tap];
      const input = detachClassifier ? stopGradient(tapped) : tapped;
      return {
        ...(detects ? { detection: yolov5Head(scope, neck as FeaturePyramid, classes) } : {}),
        ...(classifies ? { classification: classify(scope, input, { views, dropout, pooling }) } : {}),
      };
    },
  };
}

function classify(
  scope: Scope,
  features: Value,
  options: Required<Pick<ModelOptions, "views" | "dropout" | "pooling">>,
): Value {
  return classifierHead(scope.child("classifier"), features, options);
}
