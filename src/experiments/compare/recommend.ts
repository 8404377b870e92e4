import { type Contrast, significanceLevel } from "./contrasts.js";
import type { Cost } from "./cost.js";
import { endpointsOf } from "./delta-m.js";
import { type Endpoint, endpoints, meanOf } from "./pool.js";
import type { Practicality } from "./practicality.js";
import { type Change, type CostFacts, changeText, type Ground, groundText } from "./reasons.js";
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
  readonly grounds: readonly Ground[];
  readonly changes: readonly Change[];
  /** The grounds in English. */
  readonly reasons: readonly string[];
  /** The changes in English. */
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
  const choice = { chosen, best, remaining, candidates, contrasts, used };
  const [grounds, changes] = [groundsFor(choice), changesOf(choice)];
  return {
    design: nameOf(chosen),
    best: nameOf(best),
    endpoints: used,
    remaining: remaining.map(nameOf),
    grounds,
    changes,
    reasons: grounds.map(groundText),
    wouldChange: changes.map(changeText),
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

function groundsFor({ chosen, best, remaining, candidates, contrasts, used }: Choice): Ground[] {
  const excluded = candidates.filter((each) => !remaining.includes(each)).map(nameOf);
  const design = nameOf(chosen);
  const grounds: Ground[] = [
    { kind: "highest", design: nameOf(best), endpoints: used, values: valuesOf(best) },
  ];
  if (chosen === best) {
    grounds.push({ kind: "noCheaper" });
  } else {
    for (const { endpoint, difference, interval, patients, seeds } of contrasts.filter(
      (contrast) => contrast.design === design,
    )) {
      const { adjustedP, n } = patients;
      grounds.push({
        ...{ kind: "difference", design, endpoint, difference, interval, adjustedP },
        ...{ patients: n, seeds: seeds.length },
      });
    }
    const [cost, costOfBest] = [costFacts(chosen), costFacts(best)];
    grounds.push({ kind: "cheapest", design, remaining: remaining.length, cost, best: costOfBest });
  }
  return excluded.length > 0 ? [...grounds, { kind: "excluded", designs: excluded }] : grounds;
}

function changesOf({ chosen, best, remaining, contrasts }: Choice): Change[] {
  const changes: Change[] = [];
  const design = nameOf(chosen);
  const least = contrasts[0]?.patients.leastP;
  if (least !== undefined && least * contrasts.length > significanceLevel) {
    const { n } = contrasts[0].patients;
    changes.push({ kind: "powerless", patients: n, leastP: least, tests: contrasts.length });
  }
  for (const { endpoint, detectable, design: tested } of contrasts) {
    if (detectable === null || tested !== design) continue;
    changes.push({ kind: "detectable", endpoint, difference: detectable });
  }
  if (chosen !== best) changes.push({ kind: "costless", best: nameOf(best) });
  const next = remaining.find((each) => each !== chosen && each !== best);
  if (next) changes.push({ kind: "next", design, next: nameOf(next), cost: costFacts(next) });
  const seeds = best.scored.seeds.length;
  return seeds < 3 ? [...changes, { kind: "fewSeeds", seeds }] : changes;
}

function valuesOf({ scored: { value } }: Candidate): Record<Endpoint, number | null> {
  return { map50: value.map50, balancedAccuracy: value.balancedAccuracy };
}

function costFacts({ cost, practicality }: Candidate): CostFacts {
  return {
    flops: cost.flops,
    parameters: cost.parameters,
    extraOptions: practicality.extraOptions.length,
  };
}

function nameOf({ scored }: Candidate): string {
  return scored.design.name;
}
