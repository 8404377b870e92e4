import { type AggregationName, aggregationMethods } from "./aggregation/index.js";
import type { BalancerSettings, CombiningBalancer } from "./balancer.js";

/**
 * A method of `aggregate` as a balancer: the shared parameters follow the combined gradient, every other parameter
 * its own task's. Reads `cagrad.c`; the initial weights are fixed factors of the losses.
 */
export function combiningBalancer(
  name: AggregationName,
  { tasks, cagrad: { c } }: BalancerSettings,
): CombiningBalancer {
  return {
    kind: "combining",
    name,
    lossWeights: tasks.map(({ weight }) => weight),
    combine: (gram, { seed, step }) => aggregationMethods[name].weightsFromGram(gram, { c, seed, step }),
  };
}
