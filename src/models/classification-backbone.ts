import type { Value } from "../graph/index.js";
import type { AttentionKind, Scope } from "../nn/index.js";
import { resnetBackbone } from "./resnet.js";
import { yolov5Backbone, type Yolov5Size, yolov5Sizes } from "./yolov5.js";

/** Networks that a classification branch can stand on. */
export const classifierBackbones = [
  "yolov5n",
  "yolov5s",
  "yolov5m",
  "yolov5l",
  "yolov5x",
  "resnet18",
  "resnet50",
] as const;
export type ClassifierBackbone = (typeof classifierBackbones)[number];

/**
 * The classification backbone: features of the whole image at stride 32, semantic rather than local, with
 * attention by choice. Layers of a YOLOv5 backbone are named by number (0 to 9, its neck is left out), those of a
 * ResNet as in torchvision.
 */
export class ClassificationBackbone {
  constructor(
    readonly kind: ClassifierBackbone,
    readonly attention: AttentionKind,
  ) {}

  /**
   * @param scope whose children are the layers
   * @param images float [batch, 3, height, width] in 0..1
   * @returns [batch, channels, height / 32, width / 32]
   */
  forward(scope: Scope, images: Value): Value {
    if (this.kind === "resnet18" || this.kind === "resnet50") {
      return resnetBackbone(scope, images, this.kind, this.attention);
    }
    const size = this.kind.slice("yolov5".length) as Yolov5Size;
    return yolov5Backbone(scope, images, { scaling: yolov5Sizes[size], attention: this.attention }).p5;
  }

  /** The name of a tensor in files of the network alone: YOLOv5's or torchvision's. */
  nameAlone(tensor: string): string {
    return this.kind.startsWith("yolov5") ? `model.${tensor}` : tensor;
  }
}
