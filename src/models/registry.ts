import { EchoDuetError } from "../errors.js";
import { stopGradient, type Value } from "../graph/index.js";
import type { Scope } from "../nn/index.js";
import { classifierHead } from "./classifier-head.js";
import type { Model, TaskName } from "./model.js";
import {
  type FeaturePyramid,
  type Yolov5Size,
  yolov5Backbone,
  yolov5Head,
  yolov5Neck,
  yolov5Sizes,
} from "./yolov5.js";

/** Where the classifier reads its features: the neck's P3, P4 or P5, or the end of the backbone. */
export const taps = ["p3", "p4", "p5", "backbone"] as const;
export type Tap = (typeof taps)[number];

export interface ModelOptions {
  /** Detection classes. */
  readonly classes: number;
  /** View classes. */
  readonly views: number;
  /** `p3` by default. */
  readonly tap?: Tap;
  /** Whether the classifier's gradient stops at the tap; false by default. */
  readonly detachClassifier?: boolean;
  /** Dropout before the classifier's last layer, 0.2 by default. */
  readonly dropout?: number;
}

const families: Record<string, readonly TaskName[]> = {
  detect: ["detection"],
  classify: ["classification"],
  joint: ["detection", "classification"],
};

/** Every name that {@link createModel} knows. */
export const modelNames: readonly string[] = Object.keys(families).flatMap((family) =>
  Object.keys(yolov5Sizes).map((size) => `${family}-yolov5${size}`),
);

/** The weight of a tap's last convolution, by YOLOv5's names. */
const tapWeights: Record<Tap, string> = {
  p3: "model.17.cv3.conv.weight",
  p4: "model.20.cv3.conv.weight",
  p5: "model.23.cv3.conv.weight",
  backbone: "model.9.cv2.conv.weight",
};

/**
 * A model by name: `detect-yolov5n`, `classify-yolov5n`, `joint-yolov5n`, and s, m, l, x.
 * @throws EchoDuetError `config` for an unknown name, or where a task has no classes
 */
export function createModel(name: string, options: ModelOptions): Model {
  const [, family, size] = /^(\w+)-yolov5([nsmlx])$/.exec(name) ?? [];
  const tasks = families[family];
  if (!tasks) {
    throw new EchoDuetError("config", `model: expects one of ${modelNames.join(", ")}, got ${name}`);
  }
  const { tap = "p3", detachClassifier = false, dropout = 0.2 } = options;
  const detects = tasks.includes("detection");
  const classifies = tasks.includes("classification");
  requireClasses(name, "names", detects, options.classes);
  requireClasses(name, "views", classifies, options.views);
  return {
    name,
    tasks,
    classes: detects ? options.classes : 0,
    views: classifies ? options.views : 0,
    sharedLayer: detects && classifies && !detachClassifier ? tapWeights[tap] : null,
    isHead: (parameter) => /^(model\.24\.|classifier\.)/.test(parameter),
    forward: (scope, images) => {
      const pyramid = features(scope, images, size as Yolov5Size, detects || tap !== "backbone");
      const tapped = tap === "backbone" ? pyramid.backbone : (pyramid.neck as FeaturePyramid)[tap];
      const input = detachClassifier ? stopGradient(tapped) : tapped;
      return {
        ...(detects ? { detection: yolov5Head(scope, pyramid.neck as FeaturePyramid, options.classes) } : {}),
        ...(classifies
          ? { classification: classifierHead(scope, input, { views: options.views, dropout }) }
          : {}),
      };
    },
  };
}

/** The backbone's last features and, where something reads it, the neck's pyramid. */
function features(
  scope: Scope,
  images: Value,
  size: Yolov5Size,
  withNeck: boolean,
): { backbone: Value; neck: FeaturePyramid | null } {
  const pyramid = yolov5Backbone(scope, images, size);
  return { backbone: pyramid.p5, neck: withNeck ? yolov5Neck(scope, pyramid, size) : null };
}

function requireClasses(model: string, key: string, needed: boolean, count: number): void {
  if (needed && count < 1) {
    throw new EchoDuetError("config", `model ${model}: needs \`${key}\` in data.yaml, found none`);
  }
}
