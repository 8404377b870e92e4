import { concat, maxPool, reshape, transpose, type Value, upsampleNearest } from "../graph/index.js";
import { defaultAnchorsPx, detectionStrides } from "../detection/index.js";
import {
  type AttentionKind,
  attend,
  c3,
  type ConvOptions,
  convBias,
  convBlock,
  type Initialiser,
  type Scope,
} from "../nn/index.js";
import { sizeOf } from "../tensor/index.js";

/** YOLOv5's sizes: what its depth (repeats) and width (channels) are multiplied by. */
export const yolov5Sizes = {
  n: { depth: 0.33, width: 0.25 },
  s: { depth: 0.33, width: 0.5 },
  m: { depth: 0.67, width: 0.75 },
  l: { depth: 1, width: 1 },
  x: { depth: 1.33, width: 1.25 },
} as const;
export type Yolov5Size = keyof typeof yolov5Sizes;

/** What the repeats of a stage and the channels of a layer are multiplied by. */
export interface Scaling {
  readonly depth: number;
  readonly width: number;
  /** Of the neck's stages, where it is not `depth`. */
  readonly neckDepth?: number;
}

/** Repeats of the backbone's four stages at depth and width 1. */
const fullRepeats = [3, 6, 9, 3] as const;

/** Repeats of the backbone's four stages at a depth. */
export function stageRepeats(depth: number): number[] {
  return fullRepeats.map((n) => scaleRepeats(n, depth));
}

/** What a YOLOv5 network is built with. */
export interface Yolov5Options {
  readonly scaling: Scaling;
  /** After each CSP stage of the backbone. */
  readonly attention: AttentionKind;
}

/** Anchors of a cell. */
const anchorsPerCell = defaultAnchorsPx[0].length;

/** Features at strides 8, 16 and 32. */
export interface FeaturePyramid {
  readonly p3: Value;
  readonly p4: Value;
  readonly p5: Value;
}

/**
 * YOLOv5's convolutional backbone, release 6 (layers 0 to 9): a 6x6 stem, four CSP stages and
 * spatial pyramid pooling. The pyramid's p5 is the output of the pooling.
 * @param model whose children are the layers by number
 * @param images float [batch, 3, height, width], height and width multiples of 32
 */
export function yolov5Backbone(
  model: Scope,
  images: Value,
  { scaling, attention }: Yolov5Options,
): FeaturePyramid {
  const channels = channelsAt(scaling.width);
  const repeats = stageRepeats(scaling.depth);
  const down = (index: number, x: Value, filters: number) =>
    model.layer(index, (layer) => convBlock(layer, x, { filters: channels(filters), kernel: 3, stride: 2 }));
  const stage = (index: number, x: Value, at: number) =>
    model.layer(index, (layer) =>
      attend(layer, c3(layer, x, { filters: x.shape[1], repeats: repeats[at], shortcut: true }), attention),
    );

  const stem = model.layer(0, (layer) =>
    convBlock(layer, images, { filters: channels(64), kernel: 6, stride: 2, pad: 2 }),
  );
  const p2 = stage(2, down(1, stem, 128), 0);
  const p3 = stage(4, down(3, p2, 256), 1);
  const p4 = stage(6, down(5, p3, 512), 2);
  const p5 = stage(8, down(7, p4, 1024), 3);
  return { p3, p4, p5: model.layer(9, (layer) => spatialPyramidPooling(layer, p5)) };
}

/**
 * YOLOv5's path aggregation neck (layers 10 to 23): top down, then bottom up
 * (Liu et al. 2018, arXiv 1803.01534).
 * @param model whose children are the layers by number
 */
export function yolov5Neck(model: Scope, features: FeaturePyramid, scaling: Scaling): FeaturePyramid {
  const channels = channelsAt(scaling.width);
  const repeats = scaleRepeats(3, scaling.neckDepth ?? scaling.depth);
  const conv = (index: number, x: Value, options: ConvOptions) =>
    model.layer(index, (layer) => convBlock(layer, x, { ...options, filters: channels(options.filters) }));
  const stage = (index: number, parts: readonly Value[], filters: number) =>
    model.layer(index, (layer) =>
      c3(layer, concat(parts, 1), { filters: channels(filters), repeats, shortcut: false }),
    );

  const top = conv(10, features.p5, { filters: 512 });
  const middle = stage(13, [upsampleNearest(top, 2), features.p4], 512);
  const lateral = conv(14, middle, { filters: 256 });
  const p3 = stage(17, [upsampleNearest(lateral, 2), features.p3], 256);
  const down3 = conv(18, p3, { filters: 256, kernel: 3, stride: 2 });
  const p4 = stage(20, [down3, lateral], 512);
  const down4 = conv(21, p4, { filters: 512, kernel: 3, stride: 2 });
  const p5 = stage(23, [down4, top], 1024);
  return { p3, p4, p5 };
}

/**
 * YOLOv5's detection head (`model.24`): one 1x1 convolution a level.
 * @returns logits of P3, P4, P5, float [batch, anchors, rows, columns, 5 + classes]
 */
export function yolov5Head(scope: Scope, { p3, p4, p5 }: FeaturePyramid, classes: number): Value[] {
  return [p3, p4, p5].map((x, level) => {
    const [batch, , rows, columns] = x.shape;
    const maps = convBias(scope.child("model").child(24).child("m").child(level), x, {
      filters: anchorsPerCell * (5 + classes),
      initialBias: headBias(level, classes),
    });
    const apart = reshape(maps, [batch, anchorsPerCell, 5 + classes, rows * columns]);
    return reshape(transpose(apart, [0, 1, 3, 2]), [batch, anchorsPerCell, rows, columns, 5 + classes]);
  });
}

/**
 * The detection backbone with its neck: local, spatial features at three strides, under YOLOv5's
 * parameter names.
 */
export class DetectionBackbone {
  constructor(readonly options: Yolov5Options) {}

  /** @param images float [batch, 3, height, width] */
  forward(scope: Scope, images: Value): FeaturePyramid {
    const model = scope.child("model");
    return yolov5Neck(model, yolov5Backbone(model, images, this.options), this.options.scaling);
  }
}

/** SPPF: three chained 5x5 poolings beside the input, between two 1x1 convolutions. */
function spatialPyramidPooling(scope: Scope, x: Value): Value {
  const channels = x.shape[1];
  const pool = (y: Value) => maxPool(y, { kernel: 5, stride: 1, pad: 2 });
  const reduced = convBlock(scope.child("cv1"), x, { filters: Math.floor(channels / 2) });
  const once = pool(reduced);
  const twice = pool(once);
  return convBlock(scope.child("cv2"), concat([reduced, once, twice, pool(twice)], 1), { filters: channels });
}

/**
 * The head's first bias (RetinaNet's prior, arXiv 1708.02002, in YOLOv5's numbers): about 8 objects in a
 * 640-pixel image, classes equally likely at 0.6 in all.
 */
function headBias(level: number, classes: number): Initialiser {
  return (shape, random) => {
    const cells = (640 / detectionStrides[level]) ** 2;
    const bias = Float32Array.from({ length: sizeOf(shape) }, () => random.uniform(-0.01, 0.01));
    for (let anchor = 0; anchor < anchorsPerCell; anchor++) {
      const at = anchor * (5 + classes);
      bias[at + 4] += Math.log(8 / cells);
      for (let c = 0; c < classes; c++) bias[at + 5 + c] += Math.log(0.6 / (classes - 0.99999));
    }
    return bias;
  };
}

function channelsAt(width: number): (channels: number) => number {
  return (channels) => Math.ceil((channels * width) / 8) * 8;
}

function scaleRepeats(repeats: number, depth: number): number {
  return Math.max(Math.round(repeats * depth), 1);
}
