import { basename } from "node:path";
import type { FrameRecord } from "../frames.js";

/** What a group is held together by: all frames of a patient, or all frames of a clip. */
export type GroupBy = "patient" | "clip";

/** Two frames that show the same, by their names; a pair across groups merges the groups. */
export interface DuplicatePair {
  readonly a: string;
  readonly b: string;
  readonly kind: "exact" | "near";
  /** Bits in which the difference hashes of the two images differ. */
  readonly distance: number;
  /** Correlation of the two images' pixels. */
  readonly correlation: number;
}

/** Frames that stay together. */
export interface FrameGroup {
  /** `patient:ID`, `clip:ID` or `frame:NAME`, several of them where groups were merged, sorted. */
  readonly members: readonly string[];
  /** In the order of their names. */
  readonly frames: readonly FrameRecord[];
}

/** Two groups that became one, and why. */
export interface GroupMerge {
  readonly groups: readonly [string, string];
  readonly reason: DuplicatePair | { readonly kind: "clip"; readonly clip: string };
}

/** Groups in an order that the frames' order and folders do not change, with what is worth telling. */
export interface Grouping {
  readonly groups: readonly FrameGroup[];
  readonly merges: readonly GroupMerge[];
  readonly warnings: readonly string[];
}

/**
 * Groups frames by patient or clip. A frame whose patient is unknown goes by its clip, and a frame without
 * either is a group of its own; a clip of which some frames name a patient stays with that patient. Pairs of
 * duplicates merge the groups of their frames.
 * @param duplicates pairs of names; a name that is no frame's is left out
 */
export function groupFrames(
  frames: readonly FrameRecord[],
  by: GroupBy,
  duplicates: readonly DuplicatePair[] = [],
): Grouping {
  const sorted = [...frames].sort((a, b) => compareCodeUnits(a.name, b.name));
  const labels = new Map(sorted.map((frame) => [frame.name, labelOf(frame, by)]));
  const sets = new DisjointSets(labels.values());
  const merges: GroupMerge[] = [];
  const merge = (a: string, b: string, reason: GroupMerge["reason"]): void => {
    if (sets.unite(a, b)) merges.push({ groups: a < b ? [a, b] : [b, a], reason });
  };
  if (by === "patient") {
    for (const { patient, video } of sorted) {
      if (patient === null || video === null || !sets.has(`clip:${video}`)) continue;
      merge(`clip:${video}`, `patient:${patient}`, { kind: "clip", clip: video });
    }
  }
  for (const pair of sortedPairs(duplicates)) {
    const [a, b] = [labels.get(pair.a), labels.get(pair.b)];
    if (a !== undefined && b !== undefined) merge(a, b, pair);
  }
  return { groups: gather(sorted, labels, sets), merges, warnings: groupingWarnings(sorted, by) };
}

function labelOf({ name, patient, video }: FrameRecord, by: GroupBy): string {
  if (by === "patient" && patient !== null) return `patient:${patient}`;
  return video !== null ? `clip:${video}` : `frame:${name}`;
}

function sortedPairs(pairs: readonly DuplicatePair[]): DuplicatePair[] {
  return pairs
    .map((pair) => (pair.a <= pair.b ? pair : { ...pair, a: pair.b, b: pair.a }))
    .sort((p, q) => compareCodeUnits(p.a, q.a) || compareCodeUnits(p.b, q.b));
}

function gather(
  sorted: readonly FrameRecord[],
  labels: ReadonlyMap<string, string>,
  sets: DisjointSets,
): FrameGroup[] {
  const byRoot = new Map<string, { members: Set<string>; frames: FrameRecord[] }>();
  for (const frame of sorted) {
    const label = labels.get(frame.name)!;
    const root = sets.find(label);
    const group = byRoot.get(root) ?? { members: new Set<string>(), frames: [] };
    byRoot.set(root, group);
    group.members.add(label);
    group.frames.push(frame);
  }
  return [...byRoot.values()]
    .map(({ members, frames }) => ({ members: [...members].sort(compareLabels), frames }))
    .sort((a, b) => compareLabels(a.members[0], b.members[0]));
}

/** A lone frame goes by its file name first, so that moving it to another folder moves no other group. */
function compareLabels(a: string, b: string): number {
  return compareCodeUnits(withoutFolder(a), withoutFolder(b)) || compareCodeUnits(a, b);
}

function withoutFolder(label: string): string {
  return label.startsWith("frame:") ? `frame:${basename(label)}` : label;
}

function groupingWarnings(frames: readonly FrameRecord[], by: GroupBy): string[] {
  const warnings: string[] = [];
  const id = by === "patient" ? "patient" : "video";
  const unknown = frames.filter((frame) => frame[id] === null);
  if (unknown.length > 0) {
    const alone = unknown.filter(({ video }) => video === null).length;
    const place = by === "patient" ? `${unknown.length - alone} by clip, ${alone} alone` : "each alone";
    warnings.push(
      `${by} unknown of ${unknown.length} of ${frames.length} frames (first ${unknown[0].name}): they are grouped ${place}; ` +
        `correct \`groups.${id}\` in data.yaml if one ${by} may be behind several of them`,
    );
  }
  if (by === "clip") {
    warnings.push(
      "grouped by clip: a patient may be in several splits, and a score is then on seen patients",
    );
  }
  const shared = by === "patient" ? clipOfSeveralPatients(frames) : null;
  if (shared !== null) {
    warnings.push(
      `clip ${shared} is of several patients: clips are told apart by their id alone, so let \`groups.video\` capture the patient as well`,
    );
  }
  return warnings;
}

function clipOfSeveralPatients(frames: readonly FrameRecord[]): string | null {
  const patientOf = new Map<string, string>();
  for (const { patient, video } of frames) {
    if (patient === null || video === null) continue;
    if ((patientOf.get(video) ?? patient) !== patient) return video;
    patientOf.set(video, patient);
  }
  return null;
}

/** Disjoint sets of labels (union-find); a set's root is the least of its labels. */
class DisjointSets {
  readonly #parent = new Map<string, string>();

  constructor(labels: Iterable<string>) {
    for (const label of labels) this.#parent.set(label, label);
  }

  has(label: string): boolean {
    return this.#parent.has(label);
  }

  find(label: string): string {
    let root = label;
    while (this.#parent.get(root) !== root) root = this.#parent.get(root)!;
    for (let at = label; at !== root; ) {
      const next = this.#parent.get(at)!;
      this.#parent.set(at, root);
      at = next;
    }
    return root;
  }

  /** Whether the two were apart. */
  unite(a: string, b: string): boolean {
    const [first, second] = [this.find(a), this.find(b)].sort(compareCodeUnits);
    if (first === second) return false;
    this.#parent.set(second, first);
    return true;
  }
}

/** Order by UTF-16 code units, which no locale changes. */
function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
