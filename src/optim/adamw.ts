import { add, div, mul, sqrt, sub } from "../graph/index.js";
import type { Optimiser } from "./optimiser.js";

const beta2 = 0.999;
const epsilon = 1e-8;

/**
 * Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101), as PyTorch defines it:
 * p = p · (1 - rate · decay); m = β1 m + (1 - β1) g; v = β2 v + (1 - β2) g²;
 * p = p - rate / (1 - β1ᵗ) · m / (sqrt(v / (1 - β2ᵗ)) + 1e-8). β1 is the configured momentum, β2 .999.
 */
export const adamw: Optimiser = {
  name: "adamw",
  slots: ["mean", "square"],
  warmsMomentum: false,
  coefficients: ["meanKeep", "meanGain", "squareKeep", "squareGain", "meanScale", "squareScale"],
  coefficientsAt: ({ momentum, applied, applies }) => ({
    meanKeep: applies ? momentum : 1,
    meanGain: applies ? 1 - momentum : 0,
    squareKeep: applies ? beta2 : 1,
    squareGain: applies ? 1 - beta2 : 0,
    meanScale: 1 / (1 - momentum ** (applied + 1)),
    squareScale: 1 / (1 - beta2 ** (applied + 1)),
  }),
  update: ({ parameters, gradient, slots, decay, terms }) => {
    const c = terms.coefficient;
    const mean = add(mul(slots.mean, c("meanKeep")), mul(gradient, c("meanGain")));
    const square = add(mul(slots.square, c("squareKeep")), mul(mul(gradient, gradient), c("squareGain")));
    const decayed = decay ? mul(parameters, sub(1, mul(terms.rate, decay))) : parameters;
    const step = mul(mean, mul(c("meanScale"), terms.rate));
    const change = div(step, add(sqrt(mul(square, c("squareScale"))), epsilon));
    return { parameters: sub(decayed, change), slots: { mean, square } };
  },
};
