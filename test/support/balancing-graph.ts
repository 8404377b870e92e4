import type { BalancerSettings, UpdateContext, WeightingBalancer } from "../../src/balancing/index.js";
import { Graph, greater, type Value } from "../../src/graph/index.js";

/** Settings of two tasks, as the configuration's defaults have them. */
export function balancerSettings(changes: Partial<BalancerSettings> = {}): BalancerSettings {
  return {
    tasks: [
      { name: "a", weight: 1, initialLoss: null },
      { name: "b", weight: 1, initialLoss: null },
    ],
    seed: 0,
    alpha: 1.5,
    balancerLr: 0.025,
    gradnorm: {
      update: "adam",
      initialLosses: "measured",
      interval: 1,
      average: 0,
      floor: 1e-3,
      stuckUpdates: 100,
      unstableUpdates: 100,
    },
    cagrad: { c: 0.5 },
    dwa: { temperature: 2 },
    famo: { decay: 0.001 },
    ...changes,
  };
}

/** What a balancer is fed besides its state: one number a task. */
export interface Observation {
  readonly losses: readonly number[];
  readonly norms?: readonly number[];
  readonly after?: readonly number[];
  /** 1 for a task with a valid target, else 0; all by default. */
  readonly valid?: readonly number[];
}

/**
 * The balancer's update alone as a graph: inputs `losses`, `norms`, `after`, `valid` [tasks], `state/NAME` and
 * `feed/NAME`; outputs `weights`, `next/NAME`, `observed/NAME`.
 */
export function balancerGraph(balancer: WeightingBalancer, tasks: number): Graph {
  const graph = new Graph();
  const vector = (name: string) => graph.input(name, "float32", [tasks]);
  const losses = vector("losses");
  const valid = greater(vector("valid"), 0);
  const named = (prefix: string, list: readonly [string, readonly number[]][]): Record<string, Value> =>
    Object.fromEntries(
      list.map(([name, shape]) => [name, graph.input(`${prefix}/${name}`, "float32", shape)]),
    );
  const state = named(
    "state",
    balancer.state.map(({ name, shape }) => [name, shape]),
  );
  const feeds = named(
    "feed",
    balancer.feeds.map(({ name, length }) => [name, [length]]),
  );
  const weights = balancer.weights({ graph, losses, valid, state, feeds });
  graph.output("weights", weights);
  const context: UpdateContext = {
    graph,
    losses,
    valid,
    state,
    feeds,
    weights,
    norms: balancer.needs.norms ? vector("norms") : null,
    batch: { losses, valid, after: balancer.needs.lossesAfter ? vector("after") : null },
  };
  const update = balancer.update?.(context);
  for (const [name, value] of Object.entries(update?.next ?? state)) graph.output(`next/${name}`, value);
  for (const [name, value] of Object.entries(update?.observed ?? {})) graph.output(`observed/${name}`, value);
  return graph;
}

export type BalancerNumbers = Readonly<Record<string, readonly number[]>>;

/** The state that a balancer begins with. */
export function initialBalancerState(balancer: WeightingBalancer): BalancerNumbers {
  return Object.fromEntries(balancer.state.map(({ name, initial }) => [name, Array.from(initial)]));
}

/** Every input of `balancerGraph` by name. */
export function balancerFeeds(
  balancer: WeightingBalancer,
  state: BalancerNumbers,
  observation: Observation,
  place: { step: number; epoch: number } = { step: 0, epoch: 1 },
): BalancerNumbers {
  const { losses, norms = losses, after = losses, valid = losses.map(() => 1) } = observation;
  return {
    losses,
    valid,
    ...(balancer.needs.norms ? { norms } : {}),
    ...(balancer.needs.lossesAfter ? { after } : {}),
    ...Object.fromEntries(Object.entries(state).map(([name, values]) => [`state/${name}`, values])),
    ...Object.fromEntries(
      balancer.feeds.map(({ name, at }) => [`feed/${name}`, Array.from(at({ seed: 0, ...place }))]),
    ),
  };
}
