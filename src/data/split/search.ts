import { type RandomStream, randomStream } from "../../tensor/index.js";
import type { StrataTable, Stratum } from "./strata.js";

/** How far an assignment is from the wanted shares; less of `lacks` comes before less of `deviation`. */
export interface Objective {
  /** Pairs of a part and a guarded stratum of which the part has nothing. */
  readonly lacks: number;
  /**
   * Sum over strata k and parts s of weight_k share_s ((reached_ks - wanted_ks) / wanted_ks)^2, with
   * wanted_ks = share_s total_k: for each stratum Pearson's chi-squared over its total.
   */
  readonly deviation: number;
}

/** The part of each group, and how good that is. */
export interface SearchResult {
  readonly parts: readonly number[];
  readonly objective: Objective;
}

/** An improvement below this is none: it would be rounding. */
const leastImprovement = 1e-9;
/** Up to this many pairs of groups every swap is tried in a round; beyond, random partners for each group. */
const allSwaps = 50_000;
/** Rounds of a local search; a search in small data ends long before, since nothing improves any more. */
const mostRounds = 100;

/**
 * Assigns groups to parts with the wanted shares: seeded starts, by turns greedy and random, each improved by
 * moves of one group and swaps of two until none improves, the best one taken. The result follows from the
 * table, shares and seed alone: counts are integers, the objective is made of the four basic operations in
 * float64, and how much is tried depends on the number of groups, never on the time.
 * @param shares above 0, with sum 1
 */
export function searchAssignment(table: StrataTable, shares: readonly number[], seed: number): SearchResult {
  const starts = Math.max(2, Math.min(64, Math.floor(20_000 / table.counts.length)));
  let best: SearchResult | null = null;
  for (let start = 0; start < starts; start++) {
    const random = randomStream(seed, "split", start);
    const state = new Assigning(table, shares);
    if (start % 2 === 0) greedy(state, table, random, start === 0 ? 0 : 0.5);
    else scatter(state, random);
    improve(state, random);
    const objective = objectiveOf(table, shares, state.parts);
    if (best === null || isBetter(objective, best.objective)) best = { parts: [...state.parts], objective };
  }
  return best!;
}

/** The objective of an assignment, summed in the order of strata and parts. */
export function objectiveOf(
  table: StrataTable,
  shares: readonly number[],
  parts: ArrayLike<number>,
): Objective {
  const reached = reachedCounts(table, shares.length, parts);
  let lacks = 0;
  let deviation = 0;
  table.strata.forEach((stratum, k) => {
    shares.forEach((share, s) => {
      const count = reached[k * shares.length + s];
      if (stratum.guarded && count === 0) lacks++;
      deviation += cellCost(stratum, share, count);
    });
  });
  return { lacks, deviation };
}

/** Counts of each stratum (rows) in each part (columns), flat. */
export function reachedCounts(
  { strata, counts }: StrataTable,
  partCount: number,
  parts: ArrayLike<number>,
): Int32Array {
  const reached = new Int32Array(strata.length * partCount);
  counts.forEach((group, g) => {
    for (let i = 0; i < group.length; i += 2) reached[group[i] * partCount + parts[g]] += group[i + 1];
  });
  return reached;
}

function cellCost({ weight, total }: Stratum, share: number, count: number): number {
  const wanted = share * total;
  const off = count - wanted;
  return (weight * off * off) / (wanted * total);
}

function isBetter(a: Objective, b: Objective): boolean {
  return a.lacks !== b.lacks ? a.lacks < b.lacks : a.deviation < b.deviation - leastImprovement;
}

/** An assignment in the making, its objective kept up to date. A part of -1 is none yet. */
class Assigning {
  readonly parts: Int32Array;
  lacks: number;
  deviation: number;
  readonly #table: StrataTable;
  readonly #shares: readonly number[];
  readonly #reached: Int32Array;

  constructor(table: StrataTable, shares: readonly number[]) {
    this.#table = table;
    this.#shares = shares;
    this.parts = new Int32Array(table.counts.length).fill(-1);
    this.#reached = new Int32Array(table.strata.length * shares.length);
    this.lacks = table.strata.filter(({ guarded }) => guarded).length * shares.length;
    this.deviation = table.strata.reduce((sum, { weight }) => sum + weight, 0);
  }

  get partCount(): number {
    return this.#shares.length;
  }

  move(group: number, part: number): void {
    this.#add(group, this.parts[group], -1);
    this.#add(group, part, 1);
    this.parts[group] = part;
  }

  /** Carries out `change` and keeps it if it improves the objective, else carries out `undo`. */
  attempt(change: () => void, undo: () => void): boolean {
    const before = { lacks: this.lacks, deviation: this.deviation };
    change();
    if (isBetter(this, before)) return true;
    undo();
    this.lacks = before.lacks;
    this.deviation = before.deviation;
    return false;
  }

  #add(group: number, part: number, sign: 1 | -1): void {
    if (part < 0) return;
    const counts = this.#table.counts[group];
    for (let i = 0; i < counts.length; i += 2) {
      const stratum = this.#table.strata[counts[i]];
      const cell = counts[i] * this.#shares.length + part;
      const before = this.#reached[cell];
      const after = before + sign * counts[i + 1];
      this.#reached[cell] = after;
      const share = this.#shares[part];
      this.deviation += cellCost(stratum, share, after) - cellCost(stratum, share, before);
      if (stratum.guarded) this.lacks += Number(after === 0) - Number(before === 0);
    }
  }
}

/**
 * Assigns the largest group first, each to the part where the deviation grows least, ties at random.
 * @param jitter sizes are multiplied by 1 - jitter .. 1 + jitter, so that each start has another order
 */
function greedy(state: Assigning, { counts }: StrataTable, random: RandomStream, jitter: number): void {
  const order = random
    .shuffled(counts.map((_, group) => group))
    .map((group) => ({ group, size: counts[group][1] * random.uniform(1 - jitter, 1 + jitter) }))
    .sort((a, b) => b.size - a.size);
  const parts = Array.from({ length: state.partCount }, (_, part) => part);
  for (const { group } of order) {
    let best = { part: -1, deviation: Number.POSITIVE_INFINITY };
    for (const part of random.shuffled(parts)) {
      state.move(group, part);
      if (state.deviation < best.deviation - leastImprovement) best = { part, deviation: state.deviation };
    }
    state.move(group, best.part);
  }
}

/** Assigns every group at random: a start that the greedy ones' order has no part in. */
function scatter(state: Assigning, random: RandomStream): void {
  for (let group = 0; group < state.parts.length; group++) {
    state.move(group, random.integer(state.partCount));
  }
}

/** Moves and swaps in a random order, each kept if it improves, until a round has none. */
function improve(state: Assigning, random: RandomStream): void {
  const groups = Array.from(state.parts, (_, group) => group);
  for (let round = 0; round < mostRounds; round++) {
    let improved = false;
    for (const group of random.shuffled(groups)) {
      improved = tryMoves(state, group) || improved;
      for (const other of partnersOf(group, groups.length, random)) {
        improved = trySwap(state, group, other) || improved;
      }
    }
    if (!improved) return;
  }
}

function tryMoves(state: Assigning, group: number): boolean {
  let improved = false;
  for (let part = 0; part < state.partCount; part++) {
    const from = state.parts[group];
    if (part === from) continue;
    const tried = state.attempt(
      () => state.move(group, part),
      () => state.move(group, from),
    );
    improved = tried || improved;
  }
  return improved;
}

function trySwap(state: Assigning, a: number, b: number): boolean {
  const [partA, partB] = [state.parts[a], state.parts[b]];
  if (partA === partB) return false;
  return state.attempt(
    () => {
      state.move(a, partB);
      state.move(b, partA);
    },
    () => {
      state.move(a, partA);
      state.move(b, partB);
    },
  );
}

/** The groups to try a swap with: all later ones, or where those are too many some at random. */
function partnersOf(group: number, count: number, random: RandomStream): number[] {
  if ((count * (count - 1)) / 2 <= allSwaps) {
    return Array.from({ length: count - group - 1 }, (_, i) => group + 1 + i);
  }
  const tries = Math.max(8, Math.floor((2 * allSwaps) / count));
  return Array.from({ length: tries }, () => random.integer(count));
}
