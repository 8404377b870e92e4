import type { FrameBatch } from "../data/index.js";
import {
  anchorsInCells,
  assignTargets,
  buildDetectionLoss,
  type DetectionGains,
  detectionStrides,
  levelTargetFeeds,
  levelTargetInputs,
} from "../detection/index.js";
import type { Value } from "../graph/index.js";
import type { ModelOutputs } from "../models/index.js";
import { type HostTensor, hostTensor } from "../tensor/index.js";
import type { Task } from "./task.js";

const levels = detectionStrides.map((stride, level) => ({
  name: `p${level + 3}`,
  stride,
  anchors: anchorsInCells(level),
}));

export interface DetectionTaskOptions {
  /** Network input in pixels. */
  readonly size: { readonly width: number; readonly height: number };
  readonly classes: number;
  readonly gains: DetectionGains;
  readonly anchorThreshold: number;
  readonly smoothing: number;
}

/** YOLOv5's detection loss over the boxes of a batch. */
export function detectionTask(options: DetectionTaskOptions): Task {
  const { size, classes, gains, anchorThreshold, smoothing } = options;
  const grids = levels.map(({ stride }) => ({ width: size.width / stride, height: size.height / stride }));
  return {
    name: "detection",
    batchScaled: true,
    initialLoss: null,
    prepare: (batch: FrameBatch) => {
      const matches = assignTargets(batch.targets, {
        gridSizes: grids,
        anchors: levels.map(({ anchors }) => anchors),
        anchorThreshold,
      });
      return {
        rows: Math.max(...matches.map(({ count }) => count)),
        feeds: (capacity) => {
          const feeds = new Map<string, HostTensor>([["detection.images", imageWeights(batch)]]);
          levels.forEach(({ name, anchors }, level) => {
            const shape = { capacity, classes, grid: grids[level], anchors: anchors.length, smoothing };
            for (const [key, tensor] of levelTargetFeeds(name, matches[level], shape)) feeds.set(key, tensor);
          });
          return feeds;
        },
      };
    },
    declare: (graph, { batch, capacity }) => {
      const targets = levels.map(({ name }) => levelTargetInputs(graph, name, capacity, classes));
      const images = graph.input("detection.images", "float32", [batch]);
      const loss = (outputs: ModelOutputs) =>
        buildDetectionLoss(outputs.detection as readonly Value[], targets, gains, images);
      return { images, loss };
    },
  };
}

function imageWeights(batch: FrameBatch): HostTensor {
  return hostTensor("float32", [batch.detectionMask.length], Float32Array.from(batch.detectionMask));
}
