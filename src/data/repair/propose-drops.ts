import type { Evidence } from "../audit/evidence.js";
import { compareCodeUnits, groupBy } from "../audit/order.js";
import type { ScannedFrame } from "../audit/scan.js";
import type { DuplicatePair } from "../audit/types.js";
import type { LabelBox } from "../labels.js";
import { contentsMark, type RepairAction, type RepairCode } from "./plan.js";

/**
 * Copies of an image dropped but for one; near duplicates, images that cannot be decoded and label files
 * without an image likewise, switched off: whether two recordings are one, a file can be restored or a label
 * belongs to a renamed image, only a person can tell.
 * @param hashes SHA-256 of the data's files by name
 */
export function proposeDrops(evidence: Evidence, hashes: ReadonlyMap<string, string>): RepairAction[] {
  const { scan, images } = evidence;
  const drop = (code: RepairCode, file: string, why: string, apply: boolean): RepairAction => {
    return { code, file, now: contentsMark(hashes.get(file) ?? ""), becomes: null, why, apply };
  };
  const orphans = scan.orphans.map((file) =>
    drop("label.orphan", file, "no image has this label file", false),
  );
  if (!images) return orphans;
  const unreadable = images.images.flatMap(({ name, path, facts }) =>
    facts.fault === null ? [] : [drop("image.unreadable", name, facts.fault.replace(`${path}: `, ""), false)],
  );
  const candidates = describeCandidates(evidence);
  /** The name of the copy that stays, by the name of each copy. */
  const keptOf = new Map<string, string>();
  const exact = images.identical.flatMap((names) => {
    const others = new Set(names);
    const [kept, ...dropped] = names.map((name) => candidates(name, others)).sort(compareCandidates);
    for (const name of names) keptOf.set(name, kept.frame.name);
    return dropped.map((copy) => {
      const why = `copy of ${kept.frame.name}, which is kept (${reasonToKeep(kept, copy)})`;
      return drop(
        "duplicate.exact",
        copy.frame.name,
        `${why}${disagreement(evidence, kept.frame, copy.frame)}`,
        true,
      );
    });
  });
  const near = chooseNear(images.pairs, keptOf, candidates).map(({ kept, dropped, pair }) => {
    const likeness = `${pair.distance} bits apart, correlation ${pair.correlation.toFixed(3)}`;
    const why = `like ${kept.frame.name} (${likeness}), which is kept (${reasonToKeep(kept, dropped)})`;
    return drop(
      "duplicate.near",
      dropped.frame.name,
      `${why}${disagreement(evidence, kept.frame, dropped.frame)}`,
      false,
    );
  });
  return [...orphans, ...unreadable, ...exact, ...near];
}

/** A copy of an image, and what speaks against keeping it. */
interface Candidate {
  readonly frame: ScannedFrame;
  /** Frames of other clips that it is like: it may be one of theirs under a wrong name. */
  readonly strangers: number;
  /** Frames of its clip, then of its patient, in other splits: with it they are leakage. */
  readonly clipElsewhere: number;
  readonly patientElsewhere: number;
  /** 1 where it is the only frame of its clip, as a copy under a new name is. */
  readonly alone: number;
  /** Faults of its label. */
  readonly faults: number;
  /** 0 for test, 1 for val, 2 for train. */
  readonly split: number;
}

type Describe = (name: string, copies: ReadonlySet<string>) => Candidate;

function describeCandidates({ scan, images }: Evidence): Describe {
  const byName = groupBy(scan.frames, ({ name }) => name);
  const byClip = groupBy(scan.frames, ({ video }) => video);
  const near = images?.pairs.filter(({ kind }) => kind === "near") ?? [];
  const likes = groupBy(
    near.flatMap(({ a, b }) => [
      { name: a, other: b },
      { name: b, other: a },
    ]),
    ({ name }) => name,
  );
  const byPatient = groupBy(scan.frames, ({ patient }) => patient);
  return (name, copies) => {
    // A file that several splits list counts where it comes first; it stays in all of them or none.
    const [frame] = byName.get(name) ?? [];
    const elsewhere = (frames: readonly ScannedFrame[] = []): number =>
      frames.filter(({ split, name: other }) => split !== frame.split && !copies.has(other)).length;
    return {
      frame,
      strangers: (likes.get(name) ?? []).filter(({ other }) => !copies.has(other)).length,
      clipElsewhere: elsewhere(byClip.get(frame.video ?? "")),
      patientElsewhere: elsewhere(byPatient.get(frame.patient ?? "")),
      alone: frame.video !== null && byClip.get(frame.video)?.length === 1 ? 1 : 0,
      faults: frame.faults.length + (frame.hasLabelFile ? 0 : 1),
      split: ["test", "val", "train"].indexOf(frame.split),
    };
  };
}

const criteria: readonly {
  readonly of: (candidate: Candidate) => number;
  readonly say: (kept: Candidate, dropped: Candidate) => string;
}[] = [
  {
    of: ({ strangers }) => strangers,
    say: (kept, dropped) =>
      `like ${kept.strangers} frames of other clips, this one like ${dropped.strangers}`,
  },
  {
    of: ({ clipElsewhere }) => clipElsewhere,
    say: (kept, dropped) =>
      `frames of its clip in other splits ${kept.clipElsewhere}, of this one's ${dropped.clipElsewhere}`,
  },
  {
    of: ({ patientElsewhere }) => patientElsewhere,
    say: (kept, dropped) =>
      `frames of its patient in other splits ${kept.patientElsewhere}, of this one's ${dropped.patientElsewhere}`,
  },
  { of: ({ alone }) => alone, say: () => "its clip has other frames, this one's has none" },
  {
    of: ({ faults }) => faults,
    say: (kept, dropped) => `faults of its label ${kept.faults}, of this one's ${dropped.faults}`,
  },
  // A held-out split is small, and comparable with earlier scores only while it stays as it is.
  { of: ({ split }) => split, say: ({ frame }) => `the held-out ${frame.split} split stays as it is` },
];

function compareCandidates(a: Candidate, b: Candidate): number {
  for (const { of } of criteria) if (of(a) !== of(b)) return of(a) - of(b);
  return compareCodeUnits(a.frame.name, b.frame.name);
}

function reasonToKeep(kept: Candidate, dropped: Candidate): string {
  const decisive = criteria.find(({ of }) => of(kept) !== of(dropped));
  return decisive?.say(kept, dropped) ?? "the first by name";
}

/** How the labels of two copies differ, for the end of a sentence. */
function disagreement({ scan }: Evidence, kept: ScannedFrame, dropped: ScannedFrame): string {
  const { names } = scan.description;
  const viewOf = ({ view }: ScannedFrame): string => scan.views[view] ?? "no view";
  const classesIn = ({ boxes }: ScannedFrame): string =>
    boxes
      .map((box) => names[box.class])
      .sort(compareCodeUnits)
      .join(" ") || "no box";
  const different = [viewOf, classesIn].filter((of) => of(kept) !== of(dropped));
  if (different.length > 0) {
    const says = (frame: ScannedFrame): string => different.map((of) => of(frame)).join(" and ");
    return `; its label says ${says(kept)}, this one ${says(dropped)}: look at both`;
  }
  const overlaps = kept.boxes.map((box) => Math.max(...dropped.boxes.map((other) => overlap(box, other))));
  const least = Math.min(1, ...overlaps);
  return least > 0.995 ? "" : `; their boxes overlap by ${least.toFixed(2)}`;
}

/** Intersection over union of two boxes of one class, 0 for different classes. */
function overlap(a: LabelBox, b: LabelBox): number {
  if (a.class !== b.class) return 0;
  const shared = (p: number, sizeP: number, q: number, sizeQ: number): number =>
    Math.max(0, Math.min(p + sizeP / 2, q + sizeQ / 2) - Math.max(p - sizeP / 2, q - sizeQ / 2));
  const both = shared(a.cx, a.w, b.cx, b.w) * shared(a.cy, a.h, b.cy, b.h);
  const union = a.w * a.h + b.w * b.h - both;
  return union > 0 ? both / union : 0;
}

/** Of near duplicates the better ones stay, and each one that is like one that stays is dropped. */
function chooseNear(
  pairs: readonly DuplicatePair[],
  keptOf: ReadonlyMap<string, string>,
  candidates: Describe,
): { kept: Candidate; dropped: Candidate; pair: DuplicatePair }[] {
  const alike = new Map<string, Map<string, DuplicatePair>>();
  const link = (from: string, to: string, pair: DuplicatePair): void => {
    const links = alike.get(from) ?? new Map<string, DuplicatePair>();
    alike.set(from, links);
    if (!links.has(to)) links.set(to, pair);
  };
  for (const pair of pairs) {
    if (pair.kind !== "near") continue;
    // A copy that is dropped anyway stands for the one that is kept.
    const [a, b] = [pair.a, pair.b].map((name) => keptOf.get(name) ?? name);
    const clips = [a, b].map((name) => candidates(name, new Set()).frame.video);
    // Frames of one clip are like each other by nature.
    if (a === b || (clips[0] !== null && clips[0] === clips[1])) continue;
    link(a, b, pair);
    link(b, a, pair);
  }
  const ranked = [...alike]
    .map(([name, links]) => candidates(name, new Set(links.keys())))
    .sort(compareCandidates);
  const kept = new Map<string, Candidate>();
  return ranked.flatMap((candidate) => {
    const links = alike.get(candidate.frame.name) ?? [];
    const original = [...links].find(([name]) => kept.has(name));
    if (!original) kept.set(candidate.frame.name, candidate);
    return original ? [{ kept: kept.get(original[0])!, dropped: candidate, pair: original[1] }] : [];
  });
}
