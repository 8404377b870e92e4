import { EchoDuetError } from "../errors.js";
import { Graph, interpret } from "../graph/index.js";
import { type HostTensor, showShape, toNumbers } from "../tensor/index.js";
import { anchorsInCells } from "./anchors.js";
import { assignTargets } from "./assignment.js";
import { buildDetectionLoss, levelTargetFeeds, levelTargetInputs, scaledGains } from "./loss.js";

export interface DetectionLossOptions {
  /** Longer side of the network's input in pixels, for the objectness gain. */
  readonly imageSize: number;
  /** Anchors [level][anchor][2] in cells; YOLOv5's by default. */
  readonly anchors?: readonly (readonly (readonly [number, number])[])[];
  /** Gains before their scaling by size and classes. */
  readonly gains?: { box: number; objectness: number; classes: number };
  /** `false` takes the gains as they stand. */
  readonly scaleGains?: boolean;
  /** Label smoothing, 0 by default. */
  readonly smoothing?: number;
  /** Largest ratio between a box and an anchor's side that still matches, 4 by default. */
  readonly anchorThreshold?: number;
}

/**
 * YOLOv5's detection loss on plain arrays, in float64: the same graph that training differentiates,
 * run by the reference interpreter.
 * @param logits raw head outputs P3, P4, P5, each [batch, anchors, rows, columns, 5 + classes]
 * @param targets rows [image, class, cx, cy, w, h], coordinates normalised to the input, [n, 6]
 * @returns the sum of the items, and the items box, objectness, classes after their gains
 * @throws EchoDuetError `shape` where the levels disagree in batch, anchors or classes
 */
export function detectionLoss(
  logits: readonly HostTensor[],
  targets: ArrayLike<number>,
  options: DetectionLossOptions,
): { loss: number; box: number; objectness: number; classes: number } {
  const [batch, anchorCount, , , width] = logits[0].shape;
  for (const { shape } of logits) {
    if (shape.length !== 5 || shape[0] !== batch || shape[1] !== anchorCount || shape[4] !== width) {
      throw new EchoDuetError(
        "shape",
        `detectionLoss: expects levels of [${batch}, ${anchorCount}, rows, columns, ${width}], got ${showShape(shape)}`,
      );
    }
  }
  const anchors = options.anchors ?? logits.map((_, level) => anchorsInCells(level));
  const grids = logits.map(({ shape }) => ({ height: shape[2], width: shape[3] }));
  const matches = assignTargets(targets, {
    gridSizes: grids,
    anchors,
    anchorThreshold: options.anchorThreshold,
  });
  const classes = width - 5;
  const base = options.gains ?? { box: 0.05, objectness: 1, classes: 0.5 };
  const balance = [4, 1, 0.4];
  const gains =
    options.scaleGains === false ? { ...base, balance } : scaledGains(options.imageSize, classes, base);

  const graph = new Graph();
  const feeds: Record<string, ArrayLike<number>> = {};
  const levels = logits.map((tensor, level) => {
    const name = `p${level + 3}`;
    const capacity = Math.max(1, matches[level].count);
    const shape = {
      capacity,
      classes,
      grid: grids[level],
      anchors: anchorCount,
      smoothing: options.smoothing ?? 0,
    };
    for (const [key, feed] of levelTargetFeeds(name, matches[level], shape)) feeds[key] = toNumbers(feed);
    feeds[`${name}.logits`] = toNumbers(tensor);
    return {
      logits: graph.input(`${name}.logits`, "float32", tensor.shape),
      targets: levelTargetInputs(graph, name, capacity, classes),
    };
  });
  const { loss, items } = buildDetectionLoss(
    levels.map((level) => level.logits),
    levels.map((level) => level.targets),
    gains,
  );
  for (const [name, value] of Object.entries({ loss, ...items })) graph.output(name, value);
  const results = interpret(graph, feeds);
  const number = (name: string) => (results.get(name) as HostTensor<"float64">).data[0];
  return {
    loss: number("loss"),
    box: number("box"),
    objectness: number("objectness"),
    classes: number("classes"),
  };
}
