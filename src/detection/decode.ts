import { add, concat, type Graph, mul, reshape, sigmoid, slice, sub, type Value } from "../graph/index.js";
import { hostTensor } from "../tensor/index.js";
import { defaultAnchorsPx, detectionStrides } from "./anchors.js";

/**
 * Head logits as boxes: xy = (2 sigmoid - 0.5 + cell) · stride, wh = (2 sigmoid)² · anchor, sigmoid of
 * objectness and classes.
 * @param logits one value a level, float [batch, anchors, rows, columns, 5 + classes]
 * @returns float [batch, Σ anchors · rows · columns, 5 + classes]: cx, cy, w, h in pixels of the network's
 *   input, objectness, class probabilities; levels in order, each by anchor, row, column
 */
export function decodeDetections(logits: readonly Value[]): Value {
  return concat(
    logits.map((level, i) => decodeLevel(level, i)),
    1,
  );
}

function decodeLevel(logits: Value, level: number): Value {
  const [batch, anchors, rows, columns, width] = logits.shape;
  const cells = anchors * rows * columns;
  const p = sigmoid(reshape(logits, [batch, cells, width]));
  const stride = detectionStrides[level];
  const { corner, anchor } = cellTables(logits.graph, level, rows, columns);
  const xy = add(mul(slice(p, 2, 0, 2), 2 * stride), sub(corner, 0.5 * stride));
  const half = mul(slice(p, 2, 2, 4), 2);
  return concat([xy, mul(mul(half, half), anchor), slice(p, 2, 4, width)], 2);
}

/** For each cell, [1, cells, 2]: its corner and its anchor's size, in pixels. */
function cellTables(
  graph: Graph,
  level: number,
  rows: number,
  columns: number,
): { corner: Value; anchor: Value } {
  const anchors = defaultAnchorsPx[level];
  const cells = anchors.length * rows * columns;
  const corner = new Float32Array(cells * 2);
  const anchor = new Float32Array(cells * 2);
  for (let cell = 0; cell < cells; cell++) {
    corner[2 * cell] = (cell % columns) * detectionStrides[level];
    corner[2 * cell + 1] = (Math.floor(cell / columns) % rows) * detectionStrides[level];
    anchor.set(anchors[Math.floor(cell / (rows * columns))], 2 * cell);
  }
  const table = (data: Float32Array) => graph.constant(hostTensor("float32", [1, cells, 2], data));
  return { corner: table(corner), anchor: table(anchor) };
}
