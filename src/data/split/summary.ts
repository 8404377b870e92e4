import type { GroupBy, GroupMerge } from "./groups.js";
import type { SplitObjective } from "./search.js";
import type { Assignment } from "./split-frames.js";

/** An assignment as split.json and `--json` tell it. */
export interface SplitSummary {
  readonly by: GroupBy;
  readonly seed: number;
  readonly ratios: readonly number[] | null;
  readonly folds: number | null;
  /** Whether images were compared, so that frames that show the same are together. */
  readonly duplicatesCompared: boolean;
  readonly frames: number;
  readonly groups: number;
  readonly objective: SplitObjective;
  readonly parts: readonly {
    readonly name: string;
    readonly share: number;
    readonly frames: number;
    /** The members of each group, joined by " + " where groups were merged. */
    readonly groups: readonly string[];
  }[];
  readonly strata: readonly {
    readonly kind: string;
    readonly name: string;
    readonly total: number;
    readonly weight: number;
    /** In the order of the parts. */
    readonly wanted: readonly number[];
    readonly reached: readonly number[];
  }[];
  readonly merges: readonly GroupMerge[];
  readonly warnings: readonly string[];
  readonly fingerprint: string;
}

/** What there is to tell of an assignment, without its frames. */
export function summariseSplit(assignment: Assignment): SplitSummary {
  const { options, parts, strata, objective, merges, duplicatesCompared, warnings, fingerprint } = assignment;
  return {
    by: options.by,
    seed: options.seed,
    ratios: options.ratios ?? null,
    folds: options.folds ?? null,
    duplicatesCompared,
    frames: parts.reduce((sum, part) => sum + part.frames.length, 0),
    groups: parts.reduce((sum, part) => sum + part.groups.length, 0),
    objective,
    parts: parts.map(({ name, share, frames, groups }) => ({
      name,
      share,
      frames: frames.length,
      groups: groups.map(({ members }) => members.join(" + ")),
    })),
    strata: strata.map(({ kind, name, total, weight, wanted, reached }) => ({
      ...{ kind, name, total, weight, wanted, reached },
    })),
    merges,
    warnings,
    fingerprint,
  };
}
