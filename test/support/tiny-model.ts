import { stopGradient } from "../../src/graph/index.js";
import { classifierHead } from "../../src/models/classifier-head.js";
import type { Model } from "../../src/models/index.js";
import { yolov5Head } from "../../src/models/yolov5.js";
import { convBlock, type Scope } from "../../src/nn/index.js";

/**
 * Both tasks on a trunk of three small convolutions (`model.0` to `model.2`, shared), for tests that would take
 * long with a real network. Four classes, three views.
 */
export function tinyModel({ detached = false } = {}): Model {
  return {
    name: "joint-tiny",
    tasks: ["detection", "classification"],
    classes: 4,
    views: 3,
    sharedLayer: detached ? null : "model.2.conv.weight",
    alone: new Map(),
    branchOf: () => null,
    isAdded: () => false,
    namesInFiles: (tensor) => [tensor],
    isHead: (parameter) => /^(model\.24\.|classifier\.)/.test(parameter),
    forward: (scope, images) => {
      const down = (index: number, x: typeof images, filters: number) =>
        convBlock(layerScope(scope, index), x, { filters, kernel: 3, stride: 2 });
      const p3 = down(2, down(1, down(0, images, 4), 6), 8);
      const p4 = down(3, p3, 8);
      const p5 = down(4, p4, 8);
      return {
        detection: yolov5Head(scope, { p3, p4, p5 }, 4),
        classification: classifierHead(scope.child("classifier"), detached ? stopGradient(p3) : p3, {
          views: 3,
          dropout: 0.2,
          pooling: "avg",
        }),
      };
    },
  };
}

function layerScope(scope: Scope, index: number): Scope {
  return scope.child("model").child(index);
}
