import { add, div, mul, sqrt, sub, type Value, where } from "../graph/index.js";
import type { BalancerState } from "./balancer.js";

const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-8]; // Adam's usual constants

/** Adam's state for one learnt number a task. The `Share`s are 1 − βᵗ, kept by recurrence: no power loses digits. */
export function adamState(tasks: number): BalancerState[] {
  return ["mean", "square", "meanShare", "squareShare"].map((name) => ({
    name,
    shape: [tasks],
    initial: new Array<number>(tasks).fill(0),
  }));
}

/**
 * One step of Adam (Kingma & Ba 2015, arXiv 1412.6980; β .9, .999, ε 1e-8) on a vector.
 * @param acts bool [tasks]: the others keep value and state to the bit
 */
export function adamStep(options: {
  readonly value: Value;
  readonly gradient: Value;
  readonly acts: Value;
  readonly rate: number;
  readonly state: Readonly<Record<string, Value>>;
}): { value: Value; next: Record<string, Value> } {
  const { value, gradient, acts, rate, state } = options;
  const mean = add(mul(state.mean, beta1), mul(gradient, 1 - beta1));
  const square = add(mul(state.square, beta2), mul(mul(gradient, gradient), 1 - beta2));
  const meanShare = add(mul(state.meanShare, beta1), 1 - beta1);
  const squareShare = add(mul(state.squareShare, beta2), 1 - beta2);
  const spread = add(sqrt(div(square, squareShare)), epsilon);
  const moved = sub(value, div(mul(div(mean, meanShare), rate), spread));
  const next = { mean, square, meanShare, squareShare };
  return {
    value: where(acts, moved, value),
    next: Object.fromEntries(
      Object.entries(next).map(([name, after]) => [name, where(acts, after, state[name])]),
    ),
  };
}
