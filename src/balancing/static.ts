import { reshape, slice } from "../graph/index.js";
import type { Balancer } from "./balancer.js";

/** Task weights that never change. They live in the state, so that they are recorded with the run. */
export function staticBalancer(weights: readonly number[]): Balancer {
  return {
    name: "static",
    state: [{ name: "weights", shape: [weights.length], initial: weights }],
    build: ({ state }) => ({
      weights: weights.map((_, task) => reshape(slice(state.weights, 0, task, task + 1), [])),
      next: { weights: state.weights },
    }),
  };
}
