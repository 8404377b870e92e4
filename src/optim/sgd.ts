import { add, mul, sub } from "../graph/index.js";
import type { Optimiser } from "./optimiser.js";

/**
 * Stochastic gradient descent with Nesterov momentum, as PyTorch defines it: d = g + decay · p;
 * v = momentum · v + d; p = p - rate · (d + momentum · v). The decay is part of the gradient.
 */
export const sgd: Optimiser = {
  name: "sgd",
  slots: ["velocity"],
  warmsMomentum: true,
  coefficients: ["momentum", "keep", "gain"],
  coefficientsAt: ({ momentum, applies }) => ({
    momentum,
    keep: applies ? momentum : 1,
    gain: applies ? 1 : 0,
  }),
  update: ({ parameters, gradient, slots, decay, terms }) => {
    const d = decay ? add(gradient, mul(parameters, decay)) : gradient;
    const velocity = add(mul(slots.velocity, terms.coefficient("keep")), mul(d, terms.coefficient("gain")));
    const direction = add(d, mul(velocity, terms.coefficient("momentum")));
    return { parameters: sub(parameters, mul(direction, terms.rate)), slots: { velocity } };
  },
};
