import { concat, stopGradient, type Value } from "../graph/index.js";
import { globalAveragePool, type Scope } from "../nn/index.js";
import { ClassificationBackbone } from "./classification-backbone.js";
import { classifierHead } from "./classifier-head.js";
import type { Model, ModelOutputs, TaskName } from "./model.js";
import type { Branch, ModelOptions } from "./options.js";
import { DetectionBackbone, type FeaturePyramid, type Scaling, yolov5Head } from "./yolov5.js";

const backbonePrefix = "classifier.backbone.";
const tasksOf: Record<Branch, readonly TaskName[]> = {
  both: ["detection", "classification"],
  detection: ["detection"],
  classification: ["classification"],
};

/**
 * Two networks that share nothing but the images: a YOLOv5 detector under YOLOv5's names (`model.N`), and a
 * classifier of its own under `classifier` (`classifier.backbone`, `classifier.conv`, `classifier.linear`). Each
 * tensor serves one task, so neither task's gradient reaches the other's network.
 *
 * With the bridge the classifier's last layer also reads the channel means of the detector's P3, P4 and P5, behind
 * a stop-gradient: information flows to the classifier, no gradient to the detector.
 */
export function dual(name: string, scaling: Scaling, options: ModelOptions): Model {
  const { classes, views, dropout = 0.2, pooling = "avg", branch = "both", bridge = "none" } = options;
  const tasks = tasksOf[branch];
  const detects = tasks.includes("detection");
  const classifies = tasks.includes("classification");
  const detector = new DetectionBackbone({ scaling, attention: options.detectionAttention ?? "none" });
  const classifier = new ClassificationBackbone(
    options.classifierBackbone ?? "yolov5n",
    options.attention ?? "none",
  );

  const classify = (scope: Scope, images: Value, pyramid: FeaturePyramid | null) => {
    const branchScope = scope.child("classifier");
    const beside = bridge === "none" ? undefined : acrossBridge(pyramid as FeaturePyramid);
    const features = classifier.forward(branchScope.child("backbone"), images);
    return classifierHead(branchScope, features, { views, dropout, pooling, beside });
  };
  return {
    name,
    tasks,
    classes: detects ? classes : 0,
    views: classifies ? views : 0,
    sharedLayer: null,
    alone: new Map(
      branch === "both" && bridge === "none"
        ? tasks.map((task) => [task, dual(name, scaling, { ...options, branch: task })])
        : [],
    ),
    branchOf: (tensor) => (tensor.startsWith("classifier.") ? "classification" : "detection"),
    isHead: (parameter) => /^(model\.24\.|classifier\.(?!backbone\.))/.test(parameter),
    isAdded: (tensor) => tensor.includes(".attention."),
    namesInFiles: (tensor) =>
      tensor.startsWith(backbonePrefix)
        ? [tensor, classifier.nameAlone(tensor.slice(backbonePrefix.length))]
        : [tensor],
    forward: (scope, images): ModelOutputs => {
      const pyramid = detects ? detector.forward(scope, images) : null;
      return {
        ...(pyramid ? { detection: yolov5Head(scope, pyramid, classes) } : {}),
        ...(classifies ? { classification: classify(scope, images, pyramid) } : {}),
      };
    },
  };
}

/** The mean of each channel of P3, P4 and P5, end to end, without a gradient: [batch, channels]. */
function acrossBridge({ p3, p4, p5 }: FeaturePyramid): Value {
  return concat(
    [p3, p4, p5].map((level) => globalAveragePool(stopGradient(level))),
    1,
  );
}
