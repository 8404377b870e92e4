import { EchoDuetError } from "../../errors.js";
import { randomStream } from "../../tensor/index.js";
import { dot } from "./gram.js";
import type { AggregationMethod, AggregationOptions, Gram } from "./method.js";

/**
 * PCGrad: each task's gradient loses, for each other task in turn with which it conflicts (negative dot product),
 * its component along that task's original gradient; the projected gradients are summed.
 *
 * In terms of the Gram matrix: with gᵢ' = Σ vₖ gₖ, from v = eᵢ, for each other task j: s = Σ vₖ Gₖⱼ, and if s < 0
 * then vⱼ ← vⱼ − s / Gⱼⱼ. The weights are the sum of the v. Unrolled, that is K (K − 1) such steps with
 * min(s, 0). Two tasks: wⱼ = 1 + max(0, −G₁₂) / Gⱼⱼ, whatever the order.
 *
 * With two tasks the result conflicts with neither; with more it may, and depends on the order. The order of the
 * other tasks is drawn anew for each task, step and seed, as in the paper, or given by `order`.
 *
 * Source: Yu et al. 2020, "Gradient Surgery for Multi-Task Learning", arXiv 2001.06782, algorithm 1. No deviation;
 * the sum, not the mean, of the projected gradients, as in the algorithm.
 */
export const pcgrad: AggregationMethod = {
  degree: 1,
  weightsFromGram: (gram, options) => {
    const weights = gram.map(() => 0);
    projectionOrder(gram.length, options).forEach((others, task) => {
      projected(gram, task, others).forEach((value, k) => {
        weights[k] += value;
      });
    });
    return weights;
  },
};

/** Coefficients v of the task's projected gradient Σ vₖ gₖ. */
function projected(gram: Gram, task: number, others: readonly number[]): number[] {
  const v = gram.map((_, k) => (k === task ? 1 : 0));
  for (const other of others) {
    const along = dot(v, gram[other]);
    if (along < 0 && gram[other][other] > 0) v[other] -= along / gram[other][other];
  }
  return v;
}

function projectionOrder(tasks: number, { order, seed = 0, step = 0 }: AggregationOptions) {
  const others = Array.from({ length: tasks }, (_, i) => range(tasks).filter((j) => j !== i));
  if (order === undefined) {
    const stream = randomStream(seed, "pcgrad", step);
    return others.map((list) => stream.shuffled(list));
  }
  const fits =
    order.length === tasks &&
    order.every((list, i) => [...list].sort((a, b) => a - b).join() === others[i].join());
  if (!fits) {
    throw new EchoDuetError(
      "config",
      `pcgrad: order expects for each of ${tasks} tasks the numbers of all others, got ${JSON.stringify(order)}`,
    );
  }
  return order;
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
