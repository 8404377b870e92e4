import type { Evidence } from "../audit/evidence.js";
import { compareCodeUnits, groupBy } from "../audit/order.js";
import type { ScannedFrame } from "../audit/scan.js";
import type { DuplicatePair } from "../audit/types.js";
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
  const unreadable = images.images.flatMap(({ name, facts }) =>
    facts.fault === null ? [] : [drop("image.unreadable", name, facts.fault, false)],
  );
  const candidates = describeCandidates(evidence);
  /** The name of the copy that stays, by the name of each copy. */
  const keptOf = new Map<string, string>();
  const exact = images.identical.flatMap((names) => {
    const others = new Set(names);
    const [kept, ...dropped] = names.map((name) => candidates(name, others)).sort(compareCandidates);
    for (const name of names) keptOf.set(name, kept.frame.name);
    return dropped.map((copy) => {
      const why = `copy of ${kept.frame.name}, which is kept: ${reasonToKeep(kept, copy)}`;
      return drop("duplicate.exact", copy.frame.name, `${why}${disagreement(kept.frame, copy.frame)}`, true);
    });
  });
  const near = chooseNear(images.pairs, keptOf, candidates).map(({ kept, dropped, pair }) => {
    const likeness = `${pair.distance} bits apart, correlation ${pair.correlation.toFixed(3)}`;
    const why = `like ${kept.frame.name} (${likeness}), which is kept: ${reasonToKeep(kept, dropped)}`;
    return drop(
      "duplicate.near",
      dropped.frame.name,
      `${why}${disagreement(kept.frame, dropped.frame)}`,
      false,
    );
  });
  return [...orphans, ...unreadable, ...exact, ...near];
}

/** A copy of an image, and what speaks against keeping it. */
interface Candidate {
  readonly frame: ScannedFrame;
  /** Frames of its clip, then of its patient, in other splits: with it they are leakage. */
  readonly clipElsewhere: number;
  readonly patientElsewhere: number;
  /** Faults of its label. */
  readonly faults: number;
  /** 0 for test, 1 for val, 2 for train. */
  readonly split: number;
}

type Describe = (name: string, copies: ReadonlySet<string>) => Candidate;

function describeCandidates({ scan }: Evidence): Describe {
  const byName = groupBy(scan.frames, ({ name }) => name);
  const byClip = groupBy(scan.frames, ({ video }) => video);
  const byPatient = groupBy(scan.frames, ({ patient }) => patient);
  return (name, copies) => {
    // A file that several splits list counts where it comes first; it stays in all of them or none.
    const [frame] = byName.get(name) ?? [];
    const elsewhere = (frames: readonly ScannedFrame[] = []): number =>
      frames.filter(({ split, name: other }) => split !== frame.split && !copies.has(other)).length;
    return {
      frame,
      clipElsewhere: elsewhere(byClip.get(frame.video ?? "")),
      patientElsewhere: elsewhere(byPatient.get(frame.patient ?? "")),
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
    of: ({ clipElsewhere }) => clipElsewhere,
    say: (kept, dropped) =>
      `${kept.clipElsewhere} frames of its clip are in other splits, against ${dropped.clipElsewhere}`,
  },
  {
    of: ({ patientElsewhere }) => patientElsewhere,
    say: (kept, dropped) =>
      `${kept.patientElsewhere} frames of its patient are in other splits, against ${dropped.patientElsewhere}`,
  },
  {
    of: ({ faults }) => faults,
    say: (kept, dropped) => `its label has ${kept.faults} faults, against ${dropped.faults}`,
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

function disagreement(kept: ScannedFrame, dropped: ScannedFrame): string {
  const says = ({ boxes, view }: ScannedFrame): string =>
    JSON.stringify([view, boxes.map((box) => [box.class, box.cx, box.cy, box.w, box.h])]);
  return says(kept) === says(dropped) ? "" : "; their labels differ, so look at both";
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
    if (a === b) continue;
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
