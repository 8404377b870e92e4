import { createHash } from "node:crypto";
import { EchoDuetError } from "../../errors.js";
import type { FrameRecord } from "../frames.js";
import { type DuplicatePair, type FrameGroup, type GroupBy, groupFrames, type GroupMerge } from "./groups.js";
import { type SplitObjective, reachedCounts, searchAssignment } from "./search.js";
import { countStrata, type StrataNames, type StrataTable, type Stratum } from "./strata.js";

/** Wanted shares of train, val and test, with sum 1; that of test may be 0. */
export type FrameRatios = readonly [train: number, val: number, test: number];

/** How to split; by `ratios` or into a number of `folds`. */
export interface SplitOptions extends StrataNames {
  readonly by: GroupBy;
  readonly ratios?: FrameRatios;
  readonly folds?: number;
  /** A whole number. */
  readonly seed: number;
  /** Frames that show the same; null where no image was compared. */
  readonly duplicates: readonly DuplicatePair[] | null;
}

/** A split, or a fold, with the frames that it holds. */
export interface SplitPart {
  /** `train`, `val`, `test`, or `fold1`, `fold2`, ... */
  readonly name: string;
  /** Wanted share of everything. */
  readonly share: number;
  readonly groups: readonly FrameGroup[];
  /** In the order of their names (UTF-16 code units). */
  readonly frames: readonly FrameRecord[];
}

/** What is wanted and reached of a stratum, for each part. */
export interface StratumBalance extends Stratum {
  readonly wanted: readonly number[];
  readonly reached: readonly number[];
}

/** Which frames go where, and how well that meets what was asked. */
export interface Assignment {
  readonly options: Omit<SplitOptions, "duplicates">;
  readonly parts: readonly SplitPart[];
  readonly strata: readonly StratumBalance[];
  readonly objective: SplitObjective;
  readonly merges: readonly GroupMerge[];
  readonly duplicatesCompared: boolean;
  readonly warnings: readonly string[];
  /** SHA-256 (hex) over the names of each part's frames. */
  readonly fingerprint: string;
}

/** The three lists that a data.yaml names; `name` is that of the fold, null where there are no folds. */
export interface SplitLists {
  readonly name: string | null;
  readonly train: readonly FrameRecord[];
  readonly val: readonly FrameRecord[];
  /** Empty where the wanted share is 0. */
  readonly test: readonly FrameRecord[];
}

/** A part whose frames differ from the wanted ones by more than this share of them is warned of. */
const warnedDeviation = 0.1;

/**
 * Divides frames into splits or folds that share no group (groups.ts), with classes, views and their pairs
 * in the wanted shares as nearly as the groups allow (strata.ts, search.ts). The result depends on names,
 * labels, ids and options, not on the frames' order or on the splits that they were in.
 * @throws EchoDuetError `config` for ratios, folds or a seed that make no sense; `data` where there are fewer
 * groups than parts.
 */
export function splitFrames(frames: readonly FrameRecord[], options: SplitOptions): Assignment {
  const wanted = wantedParts(options);
  const { duplicates, ...kept } = options;
  const { groups, merges, warnings } = groupFrames(frames, options.by, duplicates ?? []);
  if (groups.length < wanted.length) {
    const what = options.folds === undefined ? "splits" : "folds";
    const message = `at least ${wanted.length} groups for ${wanted.length} ${what}, got ${groups.length} by ${options.by}`;
    throw new EchoDuetError(
      "data",
      `split: expected ${message}; add ${options.by}s or ask for fewer ${what}`,
    );
  }
  const table = countStrata(groups, options);
  const shares = wanted.map(({ share }) => share);
  const found = searchAssignment(table, shares, options.seed);
  const parts = wanted.map((part, index) => {
    const own = groups.filter((_, g) => found.parts[g] === index);
    const ownFrames = own.flatMap((group) => group.frames);
    return { ...part, groups: own, frames: ownFrames.sort((a, b) => (a.name < b.name ? -1 : 1)) };
  });
  const strata = balanceOf(table, shares, found.parts);
  return {
    options: kept,
    parts,
    strata,
    objective: found.objective,
    merges,
    duplicatesCompared: duplicates !== null,
    warnings: [
      ...warnings,
      ...(duplicates === null ? [notCompared] : []),
      ...absent(strata, options),
      ...lacking(strata, parts, groups.length),
      ...missed(parts, frames.length, groups),
    ],
    fingerprint: fingerprintOf(parts),
  };
}

/** The splits of an assignment; of folds, fold k has itself as test, the next one as val, the rest as train. */
export function splitLists({ parts, options }: Assignment): SplitLists[] {
  if (options.folds === undefined) {
    const [train, val, test] = parts.map(({ frames }) => frames);
    return [{ name: null, train, val, test: test ?? [] }];
  }
  return parts.map(({ name, frames: test }, k) => {
    const next = (k + 1) % parts.length;
    const rest = parts.filter((_, i) => i !== k && i !== next).flatMap(({ frames }) => frames);
    const train = rest.sort((a, b) => (a.name < b.name ? -1 : 1));
    return { name, train, val: parts[next].frames, test };
  });
}

const notCompared =
  "images not compared: frames that show the same may lie in different splits unless they are of one group";

function wantedParts({ ratios, folds, seed }: SplitOptions): { name: string; share: number }[] {
  if (!Number.isSafeInteger(seed)) {
    throw new EchoDuetError("config", `seed: expected a whole number, got ${seed}`);
  }
  if ((ratios === undefined) === (folds === undefined)) {
    const got = ratios === undefined ? "neither" : "both";
    throw new EchoDuetError("config", `split: expected either ratios or folds, got ${got}`);
  }
  if (folds !== undefined) {
    if (!Number.isSafeInteger(folds) || folds < 3) {
      const why = "a fold to test on, one to validate on and at least one to train on";
      const message = `folds: expected a whole number of at least 3 (${why}), got ${folds}; use ratios for fewer`;
      throw new EchoDuetError("config", message);
    }
    return Array.from({ length: folds }, (_, k) => ({ name: `fold${k + 1}`, share: 1 / folds }));
  }
  const [train, val, test] = ratios!;
  const sum = train + val + test;
  if (!(train > 0 && val > 0 && test >= 0 && sum > 1 - 1e-9 && sum < 1 + 1e-9)) {
    throw new EchoDuetError(
      "config",
      `ratios: expected train and val above 0, test of at least 0, with sum 1, got ${ratios!.join(",")}; for example 0.7,0.15,0.15`,
    );
  }
  const parts = [
    { name: "train", share: train },
    { name: "val", share: val },
    { name: "test", share: test },
  ];
  return parts.filter(({ share }) => share > 0);
}

function balanceOf(
  table: StrataTable,
  shares: readonly number[],
  parts: readonly number[],
): StratumBalance[] {
  const reached = reachedCounts(table, shares.length, parts);
  return table.strata.map((stratum, k) => ({
    ...stratum,
    wanted: shares.map((share) => share * stratum.total),
    reached: [...reached.subarray(k * shares.length, (k + 1) * shares.length)],
  }));
}

/** Declared classes and views that no frame has: no split can be measured on them. */
function absent(strata: readonly StratumBalance[], { names, views }: StrataNames): string[] {
  const declared = { class: names, view: views };
  return (["class", "view"] as const).flatMap((kind) =>
    declared[kind]
      .filter((name) => !strata.some((s) => s.kind === kind && s.guarded && s.name === name))
      .map((name) => `${kind} ${name}: no frame has it`),
  );
}

function lacking(strata: readonly StratumBalance[], parts: readonly SplitPart[], groups: number): string[] {
  return strata.flatMap(({ kind, name, guarded, reached }) => {
    if (!guarded || (kind !== "class" && kind !== "view")) return [];
    const without = parts.filter((_, s) => reached[s] === 0).map((part) => part.name);
    if (without.length === 0) return [];
    const [own] = strata.filter((s) => s.kind === `${kind}-groups` && s.name === name);
    return [`${kind} ${name}: none in ${without.join(", ")}; ${own.total} of ${groups} groups have it`];
  });
}

function missed(parts: readonly SplitPart[], total: number, groups: readonly FrameGroup[]): string[] {
  const largest = groups.reduce((most, { frames }) => Math.max(most, frames.length), 0);
  return parts.flatMap(({ name, share, frames }) => {
    const wanted = share * total;
    const off = frames.length - wanted;
    if (off <= warnedDeviation * wanted && -off <= warnedDeviation * wanted) return [];
    return [
      `${name}: wanted ${percent(share)} of the frames, reached ${percent(frames.length / total)}; ` +
        `there are ${groups.length} groups, the largest with ${percent(largest / total)}`,
    ];
  });
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function fingerprintOf(parts: readonly SplitPart[]): string {
  const names = parts.map(({ name, frames }) => [name, frames.map((frame) => frame.name)]);
  return createHash("sha256").update(JSON.stringify(names)).digest("hex");
}
