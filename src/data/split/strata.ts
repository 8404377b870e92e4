import type { FrameRecord } from "../frames.js";
import type { FrameGroup } from "./groups.js";

/** What is divided by the wanted shares, and how much a deviation from them counts. */
export interface Stratum {
  /** `groups`, `class-groups` and `view-groups` count groups with at least one such frame, the others frames. */
  readonly kind: "frames" | "class" | "view" | "pair" | "groups" | "class-groups" | "view-groups";
  /** A class, a view, `CLASS/VIEW`, `no box`, `no view`, or `all`. */
  readonly name: string;
  readonly total: number;
  /** Factor of the stratum in the objective. */
  readonly weight: number;
  /** No part may lack it where another assignment avoids that: all frames, each class, each view. */
  readonly guarded: boolean;
}

/** The strata of some groups, and what each group has of them. */
export interface StrataTable {
  readonly strata: readonly Stratum[];
  /** For each group, flat: a stratum's index and a count above 0, and so on. */
  readonly counts: readonly Int32Array[];
}

/** Names of the classes and views of the data. */
export interface StrataNames {
  readonly names: readonly string[];
  readonly views: readonly string[];
}

/** A stratum before its total is known. */
type Declared = Omit<Stratum, "total" | "weight"> & {
  /** The weight of the kind; `divided` says what the stratum's share of it follows. */
  readonly kindWeight: number;
  readonly divided: "equally" | "by frames";
};

/**
 * Counts frames by class, view and pair of both, and groups by class and view. A frame with several boxes of
 * a class counts once for it. Strata without a frame are left out.
 *
 * Each kind has a weight: frames, classes and views 4, pairs 0.5, groups, groups by class and groups by view
 * 0.25. Classes share theirs equally, so that a rare class counts as much as a frequent one, and so do views.
 * Pairs weigh by their share of all frames, since a pair of two frames is mostly a wrong label, and frames
 * without a box or a view likewise. More weight on groups costs balance of frames where patients differ much
 * in size; with none, the part with the largest patient has few others.
 */
export function countStrata(groups: readonly FrameGroup[], declared: StrataNames): StrataTable {
  const layout = layoutOf(declared);
  const perGroup = groups.map(({ frames }) => countGroup(frames, declared, layout.length));
  const totals = layout.map((_, k) => perGroup.reduce((sum, counts) => sum + counts[k], 0));
  const kept = layout.flatMap((_, k) => (totals[k] > 0 ? [k] : []));
  const strata = kept.map((k) => {
    const { kind, name, guarded } = layout[k];
    return { kind, name, guarded, total: totals[k], weight: weightOf(k, layout, totals) };
  });
  const counts = perGroup.map((group) =>
    Int32Array.from(kept.flatMap((k, index) => (group[k] > 0 ? [index, group[k]] : []))),
  );
  return { strata, counts };
}

function layoutOf({ names, views }: StrataNames): Declared[] {
  const strata = (
    kind: Stratum["kind"],
    kindWeight: number,
    of: readonly string[],
    { guarded = false, divided = "equally" as Declared["divided"] } = {},
  ): Declared[] => of.map((name) => ({ kind, name, guarded, kindWeight, divided }));
  const pairs = names.flatMap((name) => views.map((view) => `${name}/${view}`));
  return [
    ...strata("frames", 4, ["all"], { guarded: true }),
    ...strata("class", 4, names, { guarded: true }),
    ...strata("class", 4, names.length > 0 ? ["no box"] : [], { divided: "by frames" }),
    ...strata("view", 4, views, { guarded: true }),
    ...strata("view", 4, views.length > 0 ? ["no view"] : [], { divided: "by frames" }),
    ...strata("pair", 0.5, pairs, { divided: "by frames" }),
    ...strata("groups", 0.25, ["all"]),
    ...strata("class-groups", 0.25, names),
    ...strata("view-groups", 0.25, views),
  ];
}

function weightOf(k: number, layout: readonly Declared[], totals: readonly number[]): number {
  const { kind, kindWeight, divided } = layout[k];
  if (divided === "by frames") return (kindWeight * totals[k]) / totals[0];
  const sharing = layout.filter((s, i) => s.kind === kind && s.divided === divided && totals[i] > 0);
  return kindWeight / sharing.length;
}

/** What a group has of each stratum of the layout. */
function countGroup(
  frames: readonly FrameRecord[],
  { names, views }: StrataNames,
  strata: number,
): Int32Array {
  const counts = new Int32Array(strata);
  const classAt = 1;
  const viewAt = classAt + names.length + (names.length > 0 ? 1 : 0);
  const pairAt = viewAt + views.length + (views.length > 0 ? 1 : 0);
  const groupsAt = pairAt + names.length * views.length;
  for (const { boxes, view } of frames) {
    const shown = new Set<number>();
    for (let row = 0; row < boxes.length; row += 5) shown.add(boxes[row]);
    counts[0]++;
    for (const index of shown) {
      counts[classAt + index]++;
      if (view >= 0) counts[pairAt + index * views.length + view]++;
    }
    if (names.length > 0 && shown.size === 0) counts[classAt + names.length]++;
    if (views.length > 0) counts[viewAt + (view >= 0 ? view : views.length)]++;
  }
  counts[groupsAt] = 1;
  names.forEach((_, i) => {
    counts[groupsAt + 1 + i] = counts[classAt + i] > 0 ? 1 : 0;
  });
  views.forEach((_, i) => {
    counts[groupsAt + 1 + names.length + i] = counts[viewAt + i] > 0 ? 1 : 0;
  });
  return counts;
}
