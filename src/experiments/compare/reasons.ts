import { significanceLevel } from "./contrasts.js";
import type { Endpoint } from "./pool.js";
import type { Interval } from "../statistics/index.js";

/** What makes a design cheap or not. */
export interface CostFacts {
  /** Of one image's forward pass. */
  readonly flops: number;
  readonly parameters: number;
  /** Options to set beside the defaults and what all designs have. */
  readonly extraOptions: number;
}

/** Why a design is recommended, as facts: `groundText` says them in English. */
export type Ground =
  | {
      readonly kind: "highest";
      readonly design: string;
      readonly endpoints: readonly Endpoint[];
      readonly values: Readonly<Record<Endpoint, number | null>>;
    }
  | { readonly kind: "noCheaper" }
  | {
      readonly kind: "difference";
      readonly design: string;
      readonly endpoint: Endpoint;
      readonly difference: number;
      readonly interval: Interval | null;
      readonly adjustedP: number;
      readonly patients: number;
      readonly seeds: number;
    }
  | {
      readonly kind: "cheapest";
      readonly design: string;
      readonly remaining: number;
      readonly cost: CostFacts;
      readonly best: CostFacts;
    }
  | { readonly kind: "excluded"; readonly designs: readonly string[] };

/** What would change a recommendation, as facts: `changeText` says them in English. */
export type Change =
  | { readonly kind: "powerless"; readonly patients: number; readonly leastP: number; readonly tests: number }
  | { readonly kind: "detectable"; readonly endpoint: Endpoint; readonly difference: number }
  | { readonly kind: "costless"; readonly best: string }
  | { readonly kind: "next"; readonly design: string; readonly next: string; readonly cost: CostFacts }
  | { readonly kind: "fewSeeds"; readonly seeds: number };

const titles: Record<Endpoint, string> = { map50: "mAP@.5", balancedAccuracy: "balanced accuracy" };

/** A ground in English. */
export function groundText(ground: Ground): string {
  switch (ground.kind) {
    case "highest": {
      const { design, endpoints, values } = ground;
      const named = endpoints.map((name) => titles[name]).join(" and ");
      const shown = endpoints.map((name) => `${titles[name]} ${values[name]?.toFixed(3)}`).join(", ");
      return `${design} has the highest mean of ${named}: ${shown}.`;
    }
    case "noCheaper":
      return "No cheaper design stands beside it: every other one costs more, was found worse, is behind one that costs no more, or has no seed in common with it.";
    case "difference": {
      const { design, endpoint, difference, interval, adjustedP, patients, seeds } = ground;
      const range = interval ? ` (95 % interval ${signed(interval.low)} to ${signed(interval.high)})` : "";
      return `${design} differs from it by ${signed(difference)} in ${titles[endpoint]}${range}, p = ${showP(adjustedP)} after Holm's correction, ${patients} patients, ${seeds} seeds: not told apart, which is not the same as equal.`;
    }
    case "cheapest": {
      const { design, remaining, cost, best } = ground;
      return `${design} is the cheapest of the ${remaining} that remain: ${costText(cost)}; the best one: ${costText(best)}.`;
    }
    case "excluded":
      return `Not considered further, being found worse, behind one that costs no more, or without a seed in common: ${ground.designs.join("; ")}.`;
  }
}

/** A change in English. */
export function changeText(change: Change): string {
  switch (change.kind) {
    case "powerless": {
      const { patients, leastP, tests } = change;
      return `With ${patients} patients the test cannot give less than p = ${showP(leastP)}, which the correction for ${tests} tests lifts above ${significanceLevel}: no design could have been excluded, and cost alone decided. More patients (folds over all of them) would change that.`;
    }
    case "detectable":
      return `A true difference from the best in ${titles[change.endpoint]} below about ${change.difference.toFixed(3)} would mostly go unseen with these patients and seeds, and correction raises that.`;
    case "costless":
      return `Where cost does not matter: ${change.best}.`;
    case "next":
      return `If ${change.design} proves worse on more data: ${change.next} is the next in cost (${costText(change.cost)}).`;
    case "fewSeeds":
      return `The best design has ${change.seeds} complete seed(s): more seeds would show whether training's chance decided.`;
  }
}

function costText({ flops, parameters, extraOptions }: CostFacts): string {
  return `${(flops / 1e9).toFixed(3)} GFLOPs, ${(parameters / 1e6).toFixed(2)} M parameters, ${extraOptions} extra option${extraOptions === 1 ? "" : "s"}`;
}

/** A difference with its sign, a true minus or a plus, in `digits` decimals. */
export function signed(value: number, digits = 3): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
}

/** A p-value in two digits. */
export function showP(p: number): string {
  return p < 0.0001 ? "< 0.0001" : Number(p.toPrecision(2)).toString();
}
