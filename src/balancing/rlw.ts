import { exp, logSoftmax, mul } from "../graph/index.js";
import { randomStream } from "../tensor/index.js";
import type { BalancerSettings, WeightingBalancer } from "./balancer.js";

/**
 * Random loss weighting: K · softmax of standard normal numbers, drawn anew for each batch, times the fixed factors. A
 * baseline that any method which claims to choose its weights should beat.
 *
 * Source: Lin, Ye, Zhang and Tsang 2022, "Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task
 * Learning", arXiv 2111.10603, section 3.2. Deviation: the factor K, so that the sum of weights is that of the others.
 */
export function rlw({ tasks }: BalancerSettings): WeightingBalancer {
  const count = tasks.length;
  return {
    kind: "weighting",
    name: "rlw",
    needs: { norms: false, lossesAfter: false },
    state: [{ name: "factors", shape: [count], initial: tasks.map(({ weight }) => weight) }],
    feeds: [
      {
        name: "noise",
        length: count,
        at: ({ seed, step }) => {
          const stream = randomStream(seed, "rlw", step);
          return Array.from({ length: count }, () => stream.normal());
        },
      },
    ],
    weights: ({ feeds, state }) => mul(mul(exp(logSoftmax(feeds.noise)), count), state.factors),
    update: null,
  };
}
