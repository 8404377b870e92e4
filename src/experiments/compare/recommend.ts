import { type Contrast, significanceLevel } from "./contrasts.js";
import type { Cost } from "./cost.js";
import { endpointsOf } from "./delta-m.js";
import { type Endpoint, endpoints, meanOf } from "./pool.js";
import type { Practicality } from "./practicality.js";
import type { ScoredDesign } from "./scoring.js";

/** A design that may be recommended. */
export interface Candidate {
  readonly scored: ScoredDesign;
  readonly cost: Cost;
  readonly practicality: Practicality;
}

/** Which design to take, by the validation alone. */
export interface Recommendation {
  readonly design: string;
  /** Highest mean of the endpoints. */
  readonly best: string;
  readonly endpoints: readonly Endpoint[];
  /** Designs of the Pareto front that are not told apart from the best one, itself included, the cheapest first. */
  readonly remaining: readonly string[];
  readonly reasons: readonly string[];
  readonly wouldChange: readonly string[];
}

/** The candidate of the highest mean of the endpoints, of equals the first. */
export function bestOf(candidates: readonly Candidate[]): Candidate {
  return candidates.toSorted((a, b) => rankScore(b.scored) - rankScore(a.scored))[0];
}

function rankScore({ value }: ScoredDesign): number {
  return meanOf(endpoints.map((name) => value[name])) ?? Number.NEGATIVE_INFINITY;
}

/** The designs that do every task that any of them does; others are controls, and not recommended. */
export function eligible<T extends { readonly scored: ScoredDesign }>(all: readonly T[]): T[] {
  const scored = all.filter(({ scored: { seeds } }) => seeds.length > 0);
  const tasks = endpoints.filter((name) => scored.some((each) => each.scored.value[name] !== null));
  return scored.filter((each) => endpointsOf(each.scored).length === tasks.length);
}

/** The cheapest first: FLOPs, then parameters, then options to set; of equals the better one. */
export function byCost(a: Candidate, b: Candidate): number {
  return (
    a.cost.flops - b.cost.flops ||
    a.cost.parameters - b.cost.parameters ||
    a.practicality.extraOptions.length - b.practicality.extraOptions.length ||
    rankScore(b.scored) - rankScore(a.scored)
  );
}

/**
 * Whether no candidate is at least as good in every endpoint and in FLOPs, and better in one of these.
 */
export function isOnFront(candidate: Candidate, all: readonly Candidate[]): boolean {
  const axes = ({ scored, cost }: Candidate) => [
    ...endpoints.flatMap((name) => scored.value[name] ?? []),
    -cost.flops,
  ];
  const own = axes(candidate);
  return !all.some((other) => {
    const theirs = axes(other);
    return theirs.every((value, i) => value >= own[i]) && theirs.some((value, i) => value > own[i]);
  });
}

/**
 * The cheapest candidate of the Pareto front that no corrected test calls worse than the best one on any endpoint,
 * with the reasons and what would change it.
 * @param candidates those that do every task
 * @param contrasts of each of them with the best
 * @returns null without candidates
 */
export function recommend(
  candidates: readonly Candidate[],
  contrasts: readonly Contrast[],
): Recommendation | null {
  if (candidates.length === 0) return null;
  const best = bestOf(candidates);
  const isWorse = ({ scored }: Candidate) =>
    contrasts.some(({ design, verdict }) => design === scored.design.name && verdict === "worse");
  const isCompared = (each: Candidate) =>
    each === best || contrasts.some(({ design }) => design === nameOf(each));
  const remaining = candidates
    .filter((each) => each === best || (isCompared(each) && !isWorse(each) && isOnFront(each, candidates)))
    .toSorted(byCost);
  const chosen = remaining[0];
  const used = endpointsOf(best.scored);
  return {
    design: nameOf(chosen),
    best: nameOf(best),
    endpoints: used,
    remaining: remaining.map(nameOf),
    reasons: reasonsFor({ chosen, best, remaining, candidates, contrasts, used }),
    wouldChange: changesOf({ chosen, best, remaining, candidates, contrasts, used }),
  };
}

interface Choice {
  readonly chosen: Candidate;
  readonly best: Candidate;
  readonly remaining: readonly Candidate[];
  readonly candidates: readonly Candidate[];
  readonly contrasts: readonly Contrast[];
  readonly used: readonly Endpoint[];
}

const titles: Record<Endpoint, string> = { map50: "mAP@.5", balancedAccuracy: "balanced accuracy" };

function reasonsFor({ chosen, best, remaining, candidates, contrasts, used }: Choice): string[] {
  const excluded = candidates.filter((each) => !remaining.includes(each)).map(nameOf);
  const values = used.map((name) => `${titles[name]} ${best.scored.value[name]?.toFixed(3)}`).join(", ");
  const reasons = [
    `${nameOf(best)} has the highest mean of ${used.map((name) => titles[name]).join(" and ")}: ${values}.`,
  ];
  if (chosen === best) {
    reasons.push(
      "No cheaper design stands beside it: every other one costs more, was found worse, is behind one that costs no more, or has no seed in common with it.",
    );
  } else {
    for (const { endpoint, difference, interval, patients, seeds } of contrasts.filter(
      ({ design }) => design === nameOf(chosen),
    )) {
      const range = interval ? ` (95 % interval ${signed(interval.low)} to ${signed(interval.high)})` : "";
      reasons.push(
        `${nameOf(chosen)} differs from it by ${signed(difference)} in ${titles[endpoint]}${range}, p = ${showP(patients.adjustedP)} after Holm's correction, ${patients.n} patients, ${seeds.length} seeds: not told apart, which is not the same as equal.`,
      );
    }
    reasons.push(
      `${nameOf(chosen)} is the cheapest of the ${remaining.length} that remain: ${costText(chosen)}; the best one: ${costText(best)}.`,
    );
  }
  if (excluded.length > 0)
    reasons.push(
      `Not considered further, being found worse, behind one that costs no more, or without a seed in common: ${excluded.join("; ")}.`,
    );
  return reasons;
}

function changesOf({ chosen, best, remaining, contrasts }: Choice): string[] {
  const changes: string[] = [];
  const least = contrasts[0]?.patients.leastP;
  if (least !== undefined && least * contrasts.length > significanceLevel) {
    changes.push(
      `With ${contrasts[0].patients.n} patients the test cannot give less than p = ${showP(least)}, which the correction for ${contrasts.length} tests lifts above ${significanceLevel}: no design could have been excluded, and cost alone decided. More patients (folds over all of them) would change that.`,
    );
  }
  for (const { endpoint, detectable, design } of contrasts) {
    if (detectable === null || design !== nameOf(chosen)) continue;
    changes.push(
      `A true difference from the best in ${titles[endpoint]} below about ${detectable.toFixed(3)} would mostly go unseen with these patients and seeds, and correction raises that.`,
    );
  }
  if (chosen !== best) {
    changes.push(`Where cost does not matter: ${nameOf(best)}.`);
  }
  const next = remaining.find((each) => each !== chosen && each !== best);
  if (next)
    changes.push(
      `If ${nameOf(chosen)} proves worse on more data: ${nameOf(next)} is the next in cost (${costText(next)}).`,
    );
  if (best.scored.seeds.length < 3) {
    changes.push(
      `The best design has ${best.scored.seeds.length} complete seed(s): more seeds would show whether training's chance decided.`,
    );
  }
  return changes;
}

function costText({ cost, practicality }: Candidate): string {
  const options = practicality.extraOptions.length;
  return `${(cost.flops / 1e9).toFixed(3)} GFLOPs, ${(cost.parameters / 1e6).toFixed(2)} M parameters, ${options} extra option${options === 1 ? "" : "s"}`;
}

function nameOf({ scored }: Candidate): string {
  return scored.design.name;
}

/** A difference with its sign. */
export function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
}

/** A p-value in two digits. */
export function showP(p: number): string {
  return p < 0.0001 ? "< 0.0001" : Number(p.toPrecision(2)).toString();
}
