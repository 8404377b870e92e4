import { type RandomStream, randomStream } from "../../tensor/index.js";
import type { StrataTable } from "./strata.js";

/** How far an assignment is from the wanted shares; less of `lacks` comes before less of `deviation`. */
export interface SplitObjective {
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
  readonly objective: SplitObjective;
}

/** A smaller improvement is none: no one could tell, and rounding must not decide. */
const leastImprovement = 1e-6;
/** Up to this many groups every swap of two is tried in a round; beyond, some partners for each group. */
const mostGroupsForAllSwaps = 300;
/** Swaps that a round tries at least with more groups than that. */
const randomSwaps = 50_000;
const leastPartners = 8;
const leastStarts = 4;
const mostStarts = 64;
/** Swaps in a round of all starts together, as far as the least number of starts allows. */
const swapsOfAllStarts = 100_000;
/** Rounds of a local search; it ends before, as soon as a round improves nothing. */
const mostRounds = 100;

/**
 * Assigns groups to parts with the wanted shares: seeded starts, by turns greedy and random, each improved by
 * moves of one group and swaps of two until none improves, the best one taken. The result follows from the
 * table, shares and seed alone: counts are integers, the objective is made of the four basic operations in
 * float64, and how much is tried depends on the number of groups, never on the time.
 * @param shares above 0, with sum 1
 */
export function searchAssignment(table: StrataTable, shares: readonly number[], seed: number): SearchResult {
  const starts = startCount(table.counts.length);
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

/** The fewer, the more swaps a round of each has. */
function startCount(groups: number): number {
  const swaps = groups <= mostGroupsForAllSwaps ? (groups * groups) / 2 : groups * partnerCount(groups);
  return Math.max(leastStarts, Math.min(mostStarts, Math.floor(swapsOfAllStarts / swaps)));
}

function partnerCount(groups: number): number {
  return Math.max(leastPartners, Math.floor(randomSwaps / groups));
}

/** The objective of an assignment, summed in the order of strata and parts. */
export function objectiveOf(
  table: StrataTable,
  shares: readonly number[],
  parts: ArrayLike<number>,
): SplitObjective {
  const { wanted, factor } = cellsOf(table, shares);
  const reached = reachedCounts(table, shares.length, parts);
  let lacks = 0;
  let deviation = 0;
  reached.forEach((count, cell) => {
    const off = count - wanted[cell];
    deviation += factor[cell] * off * off;
    if (count === 0 && table.strata[Math.floor(cell / shares.length)].guarded) lacks++;
  });
  return { lacks, deviation };
}

/** For each stratum (rows) and part (columns): the wanted count, and what its squared deviation costs. */
function cellsOf({ strata }: StrataTable, shares: readonly number[]) {
  const cells = strata.flatMap(({ total, weight }) => shares.map((share) => ({ share, total, weight })));
  return {
    wanted: Float64Array.from(cells, ({ share, total }) => share * total),
    factor: Float64Array.from(cells, ({ share, total, weight }) => weight / (share * total * total)),
  };
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

function isBetter(a: SplitObjective, b: SplitObjective): boolean {
  return a.lacks !== b.lacks ? a.lacks < b.lacks : a.deviation < b.deviation - leastImprovement;
}

/** An assignment in the making, its objective kept up to date. A part of -1 is none yet. */
class Assigning {
  readonly parts: Int32Array;
  readonly partCount: number;
  lacks: number;
  deviation: number;
  readonly #counts: readonly Int32Array[];
  readonly #guarded: Uint8Array;
  readonly #wanted: Float64Array;
  readonly #factor: Float64Array;
  readonly #reached: Int32Array;

  constructor(table: StrataTable, shares: readonly number[]) {
    const { wanted, factor } = cellsOf(table, shares);
    this.parts = new Int32Array(table.counts.length).fill(-1);
    this.partCount = shares.length;
    this.#counts = table.counts;
    this.#guarded = Uint8Array.from(table.strata, ({ guarded }) => Number(guarded));
    this.#wanted = wanted;
    this.#factor = factor;
    this.#reached = new Int32Array(wanted.length);
    this.lacks = table.strata.filter(({ guarded }) => guarded).length * shares.length;
    this.deviation = factor.reduce((sum, f, cell) => sum + f * wanted[cell] * wanted[cell], 0);
  }

  move(group: number, part: number): void {
    this.#add(group, this.parts[group], -1);
    this.#add(group, part, 1);
    this.parts[group] = part;
  }

  /** Moves a group if that improves the objective; whether it did. */
  tryMove(group: number, part: number): boolean {
    const { lacks, deviation } = this;
    const from = this.parts[group];
    this.move(group, part);
    if (this.#improves(lacks, deviation)) return true;
    this.move(group, from);
    this.#restore(lacks, deviation);
    return false;
  }

  /** Exchanges the parts of two groups if that improves the objective; whether it did. */
  trySwap(a: number, b: number): boolean {
    const { lacks, deviation } = this;
    const [partA, partB] = [this.parts[a], this.parts[b]];
    if (partA === partB) return false;
    this.move(a, partB);
    this.move(b, partA);
    if (this.#improves(lacks, deviation)) return true;
    this.move(a, partA);
    this.move(b, partB);
    this.#restore(lacks, deviation);
    return false;
  }

  #improves(lacks: number, deviation: number): boolean {
    return isBetter(this, { lacks, deviation });
  }

  /** The very numbers from before, without the rounding of going there and back. */
  #restore(lacks: number, deviation: number): void {
    this.lacks = lacks;
    this.deviation = deviation;
  }

  #add(group: number, part: number, sign: 1 | -1): void {
    if (part < 0) return;
    const counts = this.#counts[group];
    for (let i = 0; i < counts.length; i += 2) {
      const cell = counts[i] * this.partCount + part;
      const before = this.#reached[cell];
      const after = before + sign * counts[i + 1];
      this.#reached[cell] = after;
      const offBefore = before - this.#wanted[cell];
      const offAfter = after - this.#wanted[cell];
      this.deviation += this.#factor[cell] * (offAfter * offAfter - offBefore * offBefore);
      if (this.#guarded[counts[i]] === 1) this.lacks += Number(after === 0) - Number(before === 0);
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
      for (let part = 0; part < state.partCount; part++) {
        if (part !== state.parts[group]) improved = state.tryMove(group, part) || improved;
      }
      for (const other of partnersOf(group, groups.length, random)) {
        improved = state.trySwap(group, other) || improved;
      }
    }
    if (!improved) return;
  }
}

/** The groups to try a swap with: all later ones, or where those are too many some at random. */
function partnersOf(group: number, groups: number, random: RandomStream): number[] {
  if (groups <= mostGroupsForAllSwaps) {
    return Array.from({ length: groups - group - 1 }, (_, i) => group + 1 + i);
  }
  return Array.from({ length: partnerCount(groups) }, () => random.integer(groups));
}
