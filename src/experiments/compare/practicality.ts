import { standardDeviation } from "../statistics/index.js";
import type { Cost } from "./cost.js";
import { type Design, differingOptions, ownOptions, textOf } from "./designs.js";
import { type Endpoint, endpoints, meanOf } from "./pool.js";
import type { ScoredDesign } from "./scoring.js";

/** How much trouble a design is. */
export interface Practicality {
  /** Standard deviation over the seeds' pooled values; null for one seed. */
  readonly seedSpread: Readonly<Record<Endpoint, number | null>>;
  /** Standard deviation over the folds, each a mean over seeds; null without folds. */
  readonly foldSpread: Readonly<Record<Endpoint, number | null>>;
  readonly runs: { readonly finished: number; readonly failed: number; readonly unfinished: number };
  readonly failures: readonly { readonly run: string; readonly message: string }[];
  /** Options that are neither the default nor common to all designs. */
  readonly extraOptions: readonly string[];
  /** Kinds of operators in the deployed network that some other design does without. */
  readonly extraOperators: readonly string[];
  /** Networks in the deployed model that share nothing. */
  readonly networks: number;
}

/** How far the endpoints move with one option among designs that are otherwise alike. */
export interface Sensitivity {
  readonly option: string;
  /** Whether the option is α, or the initial weights. */
  readonly of: "alpha" | "initial weights";
  readonly points: readonly ({ readonly design: string; readonly value: string } & Readonly<
    Record<Endpoint, number | null>
  >)[];
  /** Largest minus smallest; null where no two have a value. */
  readonly range: Readonly<Record<Endpoint, number | null>>;
}

export function practicalityOf(
  scored: ScoredDesign,
  cost: Cost | null,
  all: readonly { readonly design: Design; readonly cost: Cost | null }[],
): Practicality {
  const { design, seeds } = scored;
  const count = (state: string) => design.runs.filter((run) => run.state === state).length;
  const others = all.flatMap((each) => (each.design === design || !each.cost ? [] : [each.cost.operators]));
  return {
    seedSpread: perEndpoint((name) => spreadOf(seeds.map(({ pool }) => pool.endpoint(name, pool.ones)))),
    foldSpread: perEndpoint((name) =>
      spreadOf(
        (seeds[0]?.folds ?? []).map((_, fold) =>
          meanOf(seeds.map(({ folds }) => folds[fold]?.[name] ?? null)),
        ),
      ),
    ),
    runs: { finished: count("finished"), failed: count("failed"), unfinished: count("unfinished") },
    failures: design.runs.flatMap(({ name, failure }) =>
      failure === null ? [] : [{ run: name, message: failure }],
    ),
    extraOptions: ownOptions(
      design,
      all.map((each) => each.design),
    ),
    extraOperators: (cost?.operators ?? []).filter((op) => others.some((known) => !known.includes(op))),
    networks: cost?.networks ?? 1,
  };
}

/** Options whose effect is told, and under what name. */
const told = { alpha: "alpha", taskWeights: "initial weights" } as const;

/** The families of two or more designs that differ in α alone, or in the initial weights alone. */
export function sensitivities(designs: readonly ScoredDesign[]): Sensitivity[] {
  const scored = designs.filter(({ seeds }) => seeds.length > 0);
  return (Object.keys(told) as (keyof typeof told)[]).flatMap((option) => {
    const families: ScoredDesign[][] = [];
    for (const each of scored) {
      const family = families.find(([first]) =>
        differingOptions(first.design, each.design).every((path) => path === option),
      );
      if (family) family.push(each);
      else families.push([each]);
    }
    return families.filter(({ length }) => length > 1).map((family) => sensitivityOf(option, family));
  });
}

function sensitivityOf(option: keyof typeof told, family: readonly ScoredDesign[]): Sensitivity {
  const points = family.map(({ design, value }) => ({
    design: design.name,
    value: textOf(design.settings[option]),
    map50: value.map50,
    balancedAccuracy: value.balancedAccuracy,
  }));
  const range = (name: Endpoint): number | null => {
    const values = points.map((point) => point[name]).filter((value) => value !== null);
    return values.length < 2 ? null : Math.max(...values) - Math.min(...values);
  };
  return { option, of: told[option], points, range: perEndpoint(range) };
}

function perEndpoint<T>(of: (name: Endpoint) => T): Record<Endpoint, T> {
  return Object.fromEntries(endpoints.map((name) => [name, of(name)])) as Record<Endpoint, T>;
}

function spreadOf(values: readonly (number | null)[]): number | null {
  return standardDeviation(values.filter((value) => value !== null));
}
