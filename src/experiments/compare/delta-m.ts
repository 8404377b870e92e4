import { percentileInterval } from "../statistics/index.js";
import { differingOptions } from "./designs.js";
import { type Endpoint, endpoints, type Measures, meanOf } from "./pool.js";
import type { MetricEstimate, ScoredDesign } from "./scoring.js";

/** Δm: (1 / tasks) Σ (metric - control) / control, in shares of 1. */
export interface DeltaM extends MetricEstimate {
  /** Of each task, in the order of the endpoints. */
  readonly controls: readonly string[];
}

/**
 * Δm of a design that does several tasks against the single-task control of each (Maninis et al. 2019, eq. 4;
 * Vandenhende et al. 2021): (1 / T) Σ_t (M_t - C_t) / C_t with M the design's metric of task t, C the control's;
 * mAP@.5 and balanced accuracy, of both of which more is better. The interval resamples patients for design and
 * controls together.
 *
 * A task's control is the design that does this task alone; of several, the one whose options differ least from
 * the design's.
 * @returns null for a design of one task, and where a control is missing or scored 0
 */
export function deltaMOf(design: ScoredDesign, all: readonly ScoredDesign[]): DeltaM | null {
  const tasks = endpointsOf(design);
  if (tasks.length < 2) return null;
  const controls = tasks.map((name) => controlOf(design, name, all));
  if (controls.some((control) => control === null)) return null;
  const found = controls as ScoredDesign[];
  const value = changeOf(
    tasks,
    design.value,
    found.map((control) => control.value),
  );
  if (value === null) return null;
  const resampled = design.samples.map((sample, i) =>
    changeOf(
      tasks,
      sample,
      found.map(({ samples }) => samples[i]),
    ),
  );
  return {
    value,
    interval: percentileInterval(resampled),
    controls: found.map((control) => control.design.name),
  };
}

/** The endpoints that a design has a value of: its tasks. */
export function endpointsOf({ value }: ScoredDesign): Endpoint[] {
  return endpoints.filter((name) => value[name] !== null);
}

function controlOf(design: ScoredDesign, task: Endpoint, all: readonly ScoredDesign[]): ScoredDesign | null {
  const candidates = all.filter((each) => endpointsOf(each).join() === task);
  const distance = (each: ScoredDesign) => differingOptions(design.design, each.design).length;
  return candidates.toSorted((a, b) => distance(a) - distance(b))[0] ?? null;
}

function changeOf(tasks: readonly Endpoint[], own: Measures, controls: readonly Measures[]): number | null {
  const changes = tasks.map((name, i) => {
    const [mine, reference] = [own[name], controls[i][name]];
    return mine === null || reference === null || reference === 0 ? null : (mine - reference) / reference;
  });
  return changes.some((change) => change === null) ? null : meanOf(changes);
}
