import { shapeError } from "../errors.js";
import {
  abs,
  concat,
  div,
  filled,
  greater,
  matMul,
  reduceMax,
  reshape,
  type Value,
  where,
} from "../graph/index.js";
import { type HostTensor, sameShape, showShape, sizeOf, toNumbers } from "../tensor/index.js";
import type { Layer } from "./layers.js";

/** Gram matrices as values of a graph; L layers, K tasks. */
export interface GramValues {
  /** [L, K, K]: inner products of the tasks' gradients of a layer, each divided by its scale. */
  readonly gram: Value;
  /** [L, K]: the largest absolute entry of a task's gradient of a layer, 1 where that is zero. */
  readonly scale: Value;
}

/** Inner products gᵢ · gⱼ of K task gradients, [K][K], float64. */
export type Gram = readonly (readonly number[])[];

/** The Gram matrix of a layer's gradients. */
export interface LayerGram {
  readonly name: string;
  readonly gram: Gram;
}

/**
 * The Gram matrices of the tasks' gradients, layer by layer, as two small values of the gradients' graph.
 *
 * With sᵢ the largest absolute entry of task i's gradient gᵢ of a layer, gram[i][j] = (gᵢ / sᵢ) · (gⱼ / sⱼ): entries
 * of whatever size neither overflow nor vanish when squared, and {@link readGrams} puts the scales back in float64.
 * @param gradients for each task its gradient of every parameter, by name
 * @param layers at least one
 */
export function gramValues(
  gradients: readonly ReadonlyMap<string, Value>[],
  layers: readonly Layer[],
): GramValues {
  const pieces = layers.map(({ parameters }) => {
    const rows = gradients.map((ofTask) => {
      const parts = parameters.map((name) => ofTask.get(name) as Value);
      return normalised(
        concat(
          parts.map((part) => reshape(part, [sizeOf(part.shape)])),
          0,
        ),
      );
    });
    const stacked = concat(
      rows.map(({ row }) => row),
      0,
    );
    return { gram: matMul(stacked, stacked, { transB: true }), scales: rows.map(({ scale }) => scale) };
  });
  const tasks = gradients.length;
  return {
    gram: concat(
      pieces.map(({ gram }) => reshape(gram, [1, tasks, tasks])),
      0,
    ),
    scale: reshape(
      concat(
        pieces.flatMap(({ scales }) => scales),
        0,
      ),
      [layers.length, tasks],
    ),
  };
}

/** x [n] over its largest absolute entry, as a row [1, n], and that entry as [1]. */
function normalised(x: Value): { row: Value; scale: Value } {
  const largest = reshape(reduceMax(abs(x)), [1]);
  const scale = where(greater(largest, 0), largest, filled(x.graph, [1], 1, x.dtype));
  return { row: reshape(div(x, scale), [1, x.shape[0]]), scale };
}

/**
 * The Gram matrices from the results of a run: sᵢ sⱼ gram[i][j], in float64.
 * @param gram [L, K, K] @param scale [L, K], as {@link gramValues} makes them
 */
export function readGrams(
  layers: readonly Layer[],
  { gram, scale }: { readonly gram: HostTensor; readonly scale: HostTensor },
): LayerGram[] {
  const [count, tasks] = scale.shape;
  if (count !== layers.length || !sameShape(gram.shape, [count, tasks, tasks])) {
    shapeError(
      `gram matrices: expect [${layers.length}, tasks, tasks] and [${layers.length}, tasks], got ${showShape(gram.shape)} and ${showShape(scale.shape)}`,
    );
  }
  const products = toNumbers(gram);
  const scales = toNumbers(scale);
  return layers.map(({ name }, layer) => ({
    name,
    gram: Array.from({ length: tasks }, (_, i) =>
      Array.from(
        { length: tasks },
        (_, j) =>
          products[(layer * tasks + i) * tasks + j] * scales[layer * tasks + i] * scales[layer * tasks + j],
      ),
    ),
  }));
}

/** The Gram matrix of the gradients of all layers together: the sum of theirs; zeros where there is no layer. */
export function sumGrams(layers: readonly LayerGram[], tasks: number): Gram {
  return Array.from({ length: tasks }, (_, i) =>
    Array.from({ length: tasks }, (_, j) => layers.reduce((sum, { gram }) => sum + gram[i][j], 0)),
  );
}
