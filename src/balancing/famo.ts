import { EchoDuetError } from "../errors.js";
import {
  add,
  div,
  exp,
  filled,
  log,
  logSoftmax,
  mul,
  reduceSum,
  sub,
  type Value,
  where,
} from "../graph/index.js";
import { adamState, adamStep } from "./adam-vector.js";
import type { BalancerSettings, WeightingBalancer } from "./balancer.js";

/** Added to losses before their logarithm. */
const epsilon = 1e-8;

/**
 * FAMO: every task's log loss falls at the same rate. With z = softmax(ξ), the step goes along Σ (zᵢ / Lᵢ) ∇Lᵢ / Σ (zⱼ / Lⱼ);
 * then ξ descends along Jᵀ δ + γ ξ, where δᵢ = log Lᵢ − log Lᵢ' compares the batch's loss before and after the step and J is
 * the softmax's Jacobian: tasks that fell faster than the rest lose weight.
 *
 * Reads `balancerLr` and `famo.decay` γ; the initial weights are z, up to their sum. Needs the losses of the same batch
 * after the step: a second forward pass.
 *
 * Source: Liu, Feng, Stone and Liu 2023, "FAMO: Fast Adaptive Multitask Optimization", arXiv 2306.03792, algorithm 1.
 * Deviations: ξ has Adam, as in the authors' experiments; the weights are times K, so that their sum is that of the
 * others; a task without a valid target takes no part.
 */
export function famo({ tasks, balancerLr, famo: { decay } }: BalancerSettings): WeightingBalancer {
  const weights = tasks.map(({ weight }) => weight);
  if (!weights.every((weight) => weight > 0)) {
    throw new EchoDuetError("config", `famo: initial weights expect numbers > 0, got ${weights.join(", ")}`);
  }
  const count = tasks.length;
  return {
    kind: "weighting",
    name: "famo",
    needs: { norms: false, lossesAfter: true },
    state: [{ name: "logits", shape: [count], initial: weights.map(Math.log) }, ...adamState(count)],
    feeds: [],
    weights: ({ graph, state, losses, valid }) => {
      const shares = div(exp(logSoftmax(state.logits)), add(losses, epsilon));
      const counted = where(valid, shares, filled(graph, shares.shape, 0));
      return mul(div(counted, add(reduceSum(counted, [0], true), filled(graph, [1], 1e-30))), count);
    },
    update: ({ graph, state, batch }) => {
      const zero = filled(graph, state.logits.shape, 0);
      const after = batch.after as Value; // as `needs` declares
      const fall = sub(log(add(batch.losses, epsilon)), log(add(after, epsilon)));
      const delta = where(batch.valid, fall, zero);
      const shares = exp(logSoftmax(state.logits));
      const slope = mul(shares, sub(delta, reduceSum(mul(shares, delta), [0], true)));
      const gradient = add(slope, mul(state.logits, decay));
      const adam = adamStep({ value: state.logits, gradient, acts: batch.valid, rate: balancerLr, state });
      return {
        next: { logits: adam.value, ...adam.next },
        observed: { logFall: delta },
        counted: batch.valid,
      };
    },
  };
}
