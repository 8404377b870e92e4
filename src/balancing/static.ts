import type { BalancerSettings, WeightingBalancer } from "./balancer.js";

/** Task weights that never change. They live in the state, so that they are recorded with the run. */
export function staticBalancer({ tasks }: BalancerSettings): WeightingBalancer {
  return {
    kind: "weighting",
    name: "static",
    needs: { norms: false, lossesAfter: false },
    state: [{ name: "weights", shape: [tasks.length], initial: tasks.map(({ weight }) => weight) }],
    feeds: [],
    weights: ({ state }) => state.weights,
    update: null,
  };
}
