import type { AttentionKind } from "../nn/index.js";
import type { ClassifierBackbone } from "./classification-backbone.js";
import type { Pooling } from "./classifier-head.js";
import type { TaskName } from "./model.js";

/** Where the classifier of a shared backbone reads its features: the neck's P3, P4 or P5, or the end of the backbone. */
export const taps = ["p3", "p4", "p5", "backbone"] as const;
export type Tap = (typeof taps)[number];

/** Whether the classifier of a model with two backbones also reads the detector's features, without a gradient. */
export const bridges = ["none", "stop-gradient"] as const;
export type Bridge = (typeof bridges)[number];

/** The parts of a model with two backbones that are built. */
export const branches = ["both", "detection", "classification"] as const satisfies readonly (
  | "both"
  | TaskName
)[];
export type Branch = (typeof branches)[number];

/** What the FLOPs of a shared backbone may be matched to: the models with two backbones. */
export const matchTargets = [
  "dual-yolov5n",
  "dual-yolov5s",
  "dual-yolov5m",
  "dual-yolov5l",
  "dual-yolov5x",
] as const;
export type MatchTarget = (typeof matchTargets)[number];

/** What a model is built with; a training configuration satisfies it but for the classes. */
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
  /** `avg` by default. */
  readonly pooling?: Pooling;
  /** Attention in the detection (or shared) backbone; `none` by default. */
  readonly detectionAttention?: AttentionKind;
  /** The classification backbone of a dual model; `yolov5n` by default. */
  readonly classifierBackbone?: ClassifierBackbone;
  /** Attention in the classification backbone of a dual model; `none` by default. */
  readonly attention?: AttentionKind;
  /** Of a dual model; `none` by default. */
  readonly bridge?: Bridge;
  /** Of a dual model; `both` by default. */
  readonly branch?: Branch;
  /** The model, with its own defaults, whose forward FLOPs a model with a shared backbone takes; null by default. */
  readonly matchFlops?: MatchTarget | null;
}
