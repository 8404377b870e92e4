import { EchoDuetError } from "../errors.js";
import { exp, mul, neg, sub, type Value } from "../graph/index.js";
import { adamState, adamStep } from "./adam-vector.js";
import type { BalancerSettings, WeightingBalancer } from "./balancer.js";

/**
 * Weighting by homoscedastic uncertainty: wᵢ = exp(−sᵢ), where sᵢ = log σᵢ² is learnt with the network by minimising
 * Σ exp(−sᵢ) Lᵢ + sᵢ / 2. Its gradient is 1/2 − exp(−sᵢ) Lᵢ, so that w settles where wᵢ Lᵢ = 1/2.
 *
 * Reads `balancerLr`; the initial weights are exp(−sᵢ) at the start.
 *
 * Source: Kendall, Gal and Cipolla 2018, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and
 * Semantics", arXiv 1705.07115, equation 10 in the form for a cross-entropy, for every task: the form for a regression
 * differs by a factor 1/2 of the loss. sᵢ has Adam of its own. The step's scale of the whole loss does not enter.
 */
export function uncertainty({ tasks, balancerLr }: BalancerSettings): WeightingBalancer {
  const weights = tasks.map(({ weight }) => weight);
  if (!weights.every((weight) => weight > 0)) {
    throw new EchoDuetError(
      "config",
      `uncertainty: initial weights expect numbers > 0, got ${weights.join(", ")}`,
    );
  }
  return {
    kind: "weighting",
    name: "uncertainty",
    needs: { norms: false, lossesAfter: false },
    state: [
      { name: "logVariance", shape: [tasks.length], initial: weights.map((weight) => -Math.log(weight)) },
      ...adamState(tasks.length),
    ],
    feeds: [],
    weights: ({ state }) => exp(neg(state.logVariance)),
    update: ({ state, losses, valid }) => {
      const gradient: Value = sub(0.5, mul(exp(neg(state.logVariance)), losses));
      const adam = adamStep({ value: state.logVariance, gradient, acts: valid, rate: balancerLr, state });
      return {
        next: { logVariance: adam.value, ...adam.next },
        observed: { logVariance: state.logVariance },
        counted: valid,
      };
    },
  };
}
