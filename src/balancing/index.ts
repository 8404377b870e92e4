/** Balancing of task losses: one method a file, each listed here. */
import type { Balancer, BalancerSettings } from "./balancer.js";
import { combiningBalancer } from "./combining.js";
import { dwa } from "./dwa.js";
import { famo } from "./famo.js";
import { gradnorm } from "./gradnorm.js";
import { rlw } from "./rlw.js";
import { staticBalancer } from "./static.js";
import { uncertainty } from "./uncertainty.js";

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
export {
  type Alarm,
  type AlarmOptions,
  type AlarmState,
  createAlarmState,
  type WatchedTask,
  watchWeights,
} from "./alarms.js";
export type {
  BalancedTask,
  Balancer,
  BalancerFeed,
  BalancerSettings,
  BalancerState,
  BalancerUpdate,
  CombiningBalancer,
  StepPlace,
  UpdateContext,
  WeightingBalancer,
  WeightsContext,
} from "./balancer.js";
export {
  createGradNormState,
  type GradNormObservation,
  type GradNormOptions,
  type GradNormState,
  type GradNormTargets,
  gradNormTargets,
  gradNormUpdate,
} from "./gradnorm-update.js";

/** Every method, by its name in the configuration. */
const balancers = {
  static: staticBalancer,
  gradnorm,
  uncertainty,
  dwa,
  rlw,
  famo,
  pcgrad: (settings) => combiningBalancer("pcgrad", settings),
  cagrad: (settings) => combiningBalancer("cagrad", settings),
  mgda: (settings) => combiningBalancer("mgda", settings),
  "imtl-g": (settings) => combiningBalancer("imtl-g", settings),
  "aligned-mtl": (settings) => combiningBalancer("aligned-mtl", settings),
  "nash-mtl": (settings) => combiningBalancer("nash-mtl", settings),
  upgrad: (settings) => combiningBalancer("upgrad", settings),
} as const satisfies Readonly<Record<string, (settings: BalancerSettings) => Balancer>>;

export type BalancerName = keyof typeof balancers;

/** Names that `--balancer` takes. */
export const balancerNames = Object.keys(balancers) as readonly BalancerName[];

/**
 * A balancer by name.
 * @throws EchoDuetError `config` where its settings do not fit
 */
export function createBalancer(name: BalancerName, settings: BalancerSettings): Balancer {
  return balancers[name](settings);
}
