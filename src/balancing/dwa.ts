import {
  add,
  and,
  cast,
  div,
  exp,
  filled,
  greater,
  logSoftmax,
  max,
  mul,
  type Value,
  where,
} from "../graph/index.js";
import type { BalancerSettings, WeightingBalancer, WeightsContext } from "./balancer.js";

/**
 * Dynamic weight average: K · softmax(rᵢ / T) times the fixed factors, with rᵢ the mean loss of the last epoch over
 * that of the epoch before; 1 in the first two epochs.
 *
 * Reads `dwa.temperature` T. A task without a valid target in a whole epoch keeps its last mean.
 *
 * Source: Liu, Johns and Davison 2019, "End-to-End Multi-Task Learning with Attention", arXiv 1803.10704, equation 7.
 */
export function dwa({ tasks, dwa: { temperature } }: BalancerSettings): WeightingBalancer {
  const count = tasks.length;
  const vector = (name: string) => ({ name, shape: [count], initial: new Array<number>(count).fill(0) });
  return {
    kind: "weighting",
    name: "dwa",
    needs: { norms: false, lossesAfter: false },
    state: [
      vector("sums"),
      vector("counts"),
      vector("last"),
      vector("before"),
      { name: "epoch", shape: [1], initial: [1] },
      { name: "factors", shape: [count], initial: tasks.map(({ weight }) => weight) },
    ],
    feeds: [{ name: "epoch", length: 1, at: ({ epoch }) => [epoch] }],
    weights: (context) => {
      const { last, before } = rolled(context);
      const one = filled(context.graph, last.shape, 1);
      const known = greater(before, 0);
      const rates = where(known, div(last, where(known, before, one)), one);
      return mul(mul(exp(logSoftmax(div(rates, temperature))), count), context.state.factors);
    },
    update: (context) => {
      const { sums, counts, last, before } = rolled(context);
      const mask = cast(context.valid, sums.dtype);
      return {
        next: {
          sums: add(sums, mul(context.losses, mask)),
          counts: add(counts, mask),
          last,
          before,
          epoch: context.feeds.epoch,
          factors: context.state.factors,
        },
        observed: {},
        counted: context.valid,
      };
    },
  };
}

/** Sums and means as they stand after a new epoch has begun, where one has. */
function rolled({
  graph,
  state,
  feeds,
}: WeightsContext): Record<"sums" | "counts" | "last" | "before", Value> {
  const begins = greater(feeds.epoch, state.epoch);
  const zero = filled(graph, state.sums.shape, 0);
  const mean = where(greater(state.counts, 0), div(state.sums, max(state.counts, 1)), state.last);
  const known = and(begins, greater(state.last, 0));
  return {
    sums: where(begins, zero, state.sums),
    counts: where(begins, zero, state.counts),
    last: where(begins, mean, state.last),
    before: where(known, state.last, state.before),
  };
}
