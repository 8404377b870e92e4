import {
  add,
  atan,
  concat,
  div,
  type Graph,
  gather,
  max,
  min,
  mul,
  reduceMean,
  reshape,
  scalar,
  scatterAdd,
  sigmoid,
  slice,
  stopGradient,
  sub,
  type Value,
} from "../graph/index.js";
import { binaryCrossEntropy, maskedMean } from "../nn/index.js";
import { type HostTensor, zeros } from "../tensor/index.js";
import type { LevelMatches } from "./assignment.js";

/** Weights of the terms of the detection loss. */
export interface DetectionGains {
  readonly box: number;
  readonly objectness: number;
  readonly classes: number;
  /** Weight of each level's objectness term, P3 first. */
  readonly balance: readonly number[];
}

/**
 * YOLOv5's gains for an input of `size` pixels (the longer side) and a number of classes:
 * objectness × (size / 640)², classes × classes / 80.
 */
export function scaledGains(
  size: number,
  classes: number,
  base: { box: number; objectness: number; classes: number } = { box: 0.05, objectness: 1, classes: 0.5 },
): DetectionGains {
  return {
    box: base.box,
    objectness: base.objectness * (size / 640) ** 2,
    classes: (base.classes * classes) / 80,
    balance: [4, 1, 0.4],
  };
}

/** The matches of one level as graph values, padded to a capacity of m rows. */
export interface LevelTargets {
  /** int64 [m]: flat index of the cell over (image, anchor, row, column). */
  readonly cell: Value;
  /** float [m, 4]: x, y offsets within the cell, width, height, in cells. */
  readonly box: Value;
  /** float [m, 2]: width and height of the anchor in cells. */
  readonly anchor: Value;
  /** float [m, classes]: the class target, smoothed or one-hot. */
  readonly classes: Value;
  /** float [m]: 1 for a match, 0 for padding. */
  readonly valid: Value;
  /** float [m]: 1 where the match decides the objectness target of its cell. */
  readonly winner: Value;
}

export interface DetectionLoss {
  /** The sum of the three items, scalar. */
  readonly loss: Value;
  /** Box, objectness and class terms after their gains, each a scalar. */
  readonly items: { readonly box: Value; readonly objectness: Value; readonly classes: Value };
}

/**
 * YOLOv5's detection loss: gains.box · Σ_levels mean(1 - CIoU) + gains.objectness · Σ_levels balance ·
 * mean BCE(objectness, detached CIoU clamped at 0) + gains.classes · Σ_levels mean BCE(classes); the sum
 * of the items, without YOLOv5's factor of the batch size. With one class there is no class term.
 * @param logits one value a level, float [batch, anchors, rows, columns, 5 + classes]
 * @param cellWeights float [batch] or null: 0 leaves an image out of the objectness mean (unlabelled images)
 */
export function buildDetectionLoss(
  logits: readonly Value[],
  targets: readonly LevelTargets[],
  gains: DetectionGains,
  cellWeights: Value | null = null,
): DetectionLoss {
  const terms = logits.map((level, i) => levelTerms(level, targets[i], gains.balance[i], cellWeights));
  const total = (pick: (term: LevelTerms) => Value | null, gain: number): Value => {
    const parts = terms.map(pick).filter((part) => part !== null);
    return parts.length === 0 ? scalar(logits[0].graph, 0) : mul(parts.reduce(add), gain);
  };
  const items = {
    box: total((term) => term.box, gains.box),
    objectness: total((term) => term.objectness, gains.objectness),
    classes: total((term) => term.classes, gains.classes),
  };
  return { loss: add(add(items.box, items.objectness), items.classes), items };
}

interface LevelTerms {
  readonly box: Value;
  readonly objectness: Value;
  readonly classes: Value | null;
}

function levelTerms(
  logits: Value,
  targets: LevelTargets,
  balance: number,
  cellWeights: Value | null,
): LevelTerms {
  const [batch, anchors, rows, columns, width] = logits.shape;
  const cells = batch * anchors * rows * columns;
  const flat = reshape(logits, [cells, width]);
  const matched = gather(flat, targets.cell);
  const iou = completeIou(decodeBoxes(matched, targets.anchor), targets.box);
  const objectnessTarget = scatterAdd(mul(max(stopGradient(iou), 0), targets.winner), targets.cell, cells);
  const bce = binaryCrossEntropy(reshape(slice(flat, 1, 4, 5), [cells]), objectnessTarget);
  const perImage = reduceMean(reshape(bce, [batch, anchors * rows * columns]), [1]);
  const objectness = cellWeights ? maskedMean(perImage, cellWeights) : reduceMean(perImage);
  const classes = width - 5;
  return {
    box: maskedMean(sub(1, iou), targets.valid),
    objectness: mul(objectness, balance),
    classes:
      classes > 1
        ? maskedMean(
            reduceMean(binaryCrossEntropy(slice(matched, 1, 5, width), targets.classes), [1]),
            targets.valid,
          )
        : null,
  };
}

/**
 * Predicted boxes of matched cells, in cells relative to the cell's corner: xy = 2 sigmoid - 0.5,
 * wh = (2 sigmoid)² · anchor.
 * @param matched [m, 5 + classes] logits  @param anchor [m, 2]  @returns [m, 4] centre and size
 */
function decodeBoxes(matched: Value, anchor: Value): Value {
  const xy = sub(mul(sigmoid(slice(matched, 1, 0, 2)), 2), 0.5);
  const half = mul(sigmoid(slice(matched, 1, 2, 4)), 2);
  return concat([xy, mul(mul(half, half), anchor)], 1);
}

/**
 * Complete IoU of box pairs (Zheng et al. 2020, arXiv 1911.08287): IoU - ρ²/c² - αv with
 * v = 4/π² (atan(w2/h2) - atan(w1/h1))² and α = v / (v - IoU + 1), held constant in the gradient.
 * @param a [m, 4] centre x, y, width, height  @param b the same  @returns [m]
 */
export function completeIou(a: Value, b: Value): Value {
  const epsilon = 1e-7;
  const [ax, ay, aw, ah] = columnsOf(a);
  const [bx, by, bw, bh] = columnsOf(b);
  const low = (c: Value, s: Value) => sub(c, mul(s, 0.5));
  const high = (c: Value, s: Value) => add(c, mul(s, 0.5));
  const overlap = (c1: Value, s1: Value, c2: Value, s2: Value) =>
    sub(min(high(c1, s1), high(c2, s2)), max(low(c1, s1), low(c2, s2)));
  const span = (c1: Value, s1: Value, c2: Value, s2: Value) =>
    sub(max(high(c1, s1), high(c2, s2)), min(low(c1, s1), low(c2, s2)));
  const square = (x: Value) => mul(x, x);

  const intersection = mul(max(overlap(ax, aw, bx, bw), 0), max(overlap(ay, ah, by, bh), 0));
  const union = add(sub(add(mul(aw, ah), mul(bw, bh)), intersection), epsilon);
  const iou = div(intersection, union);
  const diagonal = add(add(square(span(ax, aw, bx, bw)), square(span(ay, ah, by, bh))), epsilon);
  const distance = add(square(sub(bx, ax)), square(sub(by, ay)));
  const aspect = sub(atan(div(bw, bh)), atan(div(aw, ah)));
  const v = mul(square(aspect), 4 / Math.PI ** 2);
  const alpha = stopGradient(div(v, add(sub(v, iou), 1 + epsilon)));
  return sub(iou, add(div(distance, diagonal), mul(v, alpha)));
}

function columnsOf(boxes: Value): Value[] {
  return [0, 1, 2, 3].map((i) => reshape(slice(boxes, 1, i, i + 1), [boxes.shape[0]]));
}

/** Declares the inputs `NAME.cell`, `NAME.box`, ... of one level's targets, of `capacity` rows. */
export function levelTargetInputs(
  graph: Graph,
  name: string,
  capacity: number,
  classes: number,
): LevelTargets {
  const float = (part: string, shape: readonly number[]) => graph.input(`${name}.${part}`, "float32", shape);
  return {
    cell: graph.input(`${name}.cell`, "int64", [capacity]),
    box: float("box", [capacity, 4]),
    anchor: float("anchor", [capacity, 2]),
    classes: float("classes", [capacity, classes]),
    valid: float("valid", [capacity]),
    winner: float("winner", [capacity]),
  };
}

/**
 * One level's matches as the feeds of {@link levelTargetInputs}. Padding rows point at cell 0 with
 * weight 0, and have boxes of size 1 so that no division by zero reaches a masked sum.
 * @param smoothing label smoothing: targets 1 - s/2 and s/2
 */
export function levelTargetFeeds(
  name: string,
  matches: LevelMatches,
  options: {
    capacity: number;
    classes: number;
    grid: { width: number; height: number };
    anchors: number;
    smoothing: number;
  },
): Map<string, HostTensor> {
  const { capacity, classes, grid, anchors, smoothing } = options;
  const cell = zeros("int64", [capacity]);
  const box = zeros("float32", [capacity, 4]);
  const anchor = zeros("float32", [capacity, 2]);
  const onehot = zeros("float32", [capacity, classes]);
  const valid = zeros("float32", [capacity]);
  const winner = zeros("float32", [capacity]);
  box.data.fill(1);
  anchor.data.fill(1);
  onehot.data.fill(smoothing / 2);
  box.data.set(matches.box);
  anchor.data.set(matches.anchor);
  winner.data.set(matches.winner);
  valid.data.fill(1, 0, matches.count);
  for (let m = 0; m < matches.count; m++) {
    const plane = matches.image[m] * anchors + matches.anchorIndex[m];
    cell.data[m] = BigInt((plane * grid.height + matches.gj[m]) * grid.width + matches.gi[m]);
    onehot.data[m * classes + matches.classIndex[m]] = 1 - smoothing / 2;
  }
  const parts: Record<string, HostTensor> = { cell, box, anchor, classes: onehot, valid, winner };
  return new Map(Object.entries(parts).map(([part, tensor]) => [`${name}.${part}`, tensor]));
}
