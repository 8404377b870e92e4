/** Balancing of task losses: one method a file, each listed here. */
import { EchoDuetError } from "../errors.js";
import type { Balancer } from "./balancer.js";
import { staticBalancer } from "./static.js";

export {
  type AggregationMethod,
  type AggregationName,
  type AggregationOptions,
  aggregate,
  aggregationMethods,
  aggregationNames,
  type Gram,
  gramOf,
  type Jacobian,
} from "./aggregation/index.js";
export type { Balancer, BalancerContext, BalancerState } from "./balancer.js";
export {
  createGradNormState,
  type GradNormObservation,
  type GradNormOptions,
  type GradNormState,
  type GradNormTargets,
  gradNormTargets,
  gradNormUpdate,
} from "./gradnorm-update.js";

const balancers: Readonly<Record<string, (initialWeights: readonly number[]) => Balancer>> = {
  static: staticBalancer,
};

/** Names that `--balancer` takes. */
export const balancerNames: readonly string[] = Object.keys(balancers);

/**
 * A balancer by name.
 * @param initialWeights one weight a task, positive or zero
 * @throws EchoDuetError `config` for an unknown name
 */
export function createBalancer(name: string, initialWeights: readonly number[]): Balancer {
  const create = balancers[name];
  if (!create) {
    throw new EchoDuetError("config", `balancer: expects one of ${balancerNames.join(", ")}, got ${name}`);
  }
  return create(initialWeights);
}
