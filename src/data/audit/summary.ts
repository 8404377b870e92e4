import type { ScannedBox } from "../labels.js";
import { findLeakage, type SplitLeakage } from "../leakage.js";
import type { SplitName } from "../description.js";
import type { Evidence } from "./evidence.js";
import { summariseImages } from "./image-summary.js";
import { compareCodeUnits, groupBy } from "./order.js";
import { quantiles } from "./quantiles.js";
import { type DataScan, type ScannedFrame, splitNames } from "./scan.js";
import type {
  AuditSummary,
  BoxStatistics,
  Counts,
  GroupTally,
  LeakageCount,
  SplitTally,
  Tally,
} from "./types.js";

/** Everything that can be counted on a data set, right or wrong. */
export function summarise({ scan, rules, mixedClips, leakage, shift, images }: Evidence): AuditSummary {
  const { description, frames, views, viewsDeclared } = scan;
  const all = tallyOf(scan, frames);
  return {
    data: description.file,
    names: description.names,
    views,
    viewsDeclared,
    rules: rules?.rules ?? null,
    rulesFrom: rules?.from ?? null,
    frames: frames.length,
    classes: all.boxes,
    viewFrames: all.views,
    pairs: Object.fromEntries(
      views.map((view, index) => [
        view,
        tallyOf(
          scan,
          frames.filter((frame) => frame.view === index),
        ).boxes,
      ]),
    ),
    splits: splitTallies(scan),
    patients: groupTallies(scan, ({ patient }) => patient),
    clips: groupTallies(scan, ({ video }) => video),
    boxes: boxStatistics(scan),
    mixedClips,
    leakage: leakageCounts(scan, leakage),
    shift,
    images: images && summariseImages(images),
  };
}

/** Frames, boxes by class and frames by view. */
function tallyOf({ description, views }: DataScan, frames: readonly ScannedFrame[]): Tally {
  const boxes = description.names.map(() => 0);
  const viewFrames = views.map(() => 0);
  for (const frame of frames) {
    for (const box of frame.boxes) boxes[box.class]++;
    if (frame.view >= 0) viewFrames[frame.view]++;
  }
  return {
    frames: frames.length,
    boxes: byName(description.names, boxes),
    views: byName(views, viewFrames),
  };
}

function byName(names: readonly string[], counts: readonly number[]): Counts {
  return Object.fromEntries(names.map((name, index) => [name, counts[index]]));
}

function splitTallies(scan: DataScan): AuditSummary["splits"] {
  const tallies: { [S in SplitName]?: SplitTally } = {};
  for (const split of splitNames) {
    if (!scan.description.splits[split]) continue;
    const frames = scan.frames.filter((frame) => frame.split === split);
    const distinct = (idOf: (frame: ScannedFrame) => string | null): number => groupBy(frames, idOf).size;
    const count = (holds: (frame: ScannedFrame) => boolean): number => frames.filter(holds).length;
    tallies[split] = {
      ...tallyOf(scan, frames),
      withoutBoxes: count(({ boxes }) => boxes.length === 0),
      withoutView: count(({ view }) => view < 0),
      withoutLabelFile: count(({ hasLabelFile }) => !hasLabelFile),
      patients: distinct(({ patient }) => patient),
      clips: distinct(({ video }) => video),
    };
  }
  return tallies;
}

function groupTallies(scan: DataScan, idOf: (frame: ScannedFrame) => string | null): GroupTally[] {
  return [...groupBy(scan.frames, idOf)]
    .sort(([a], [b]) => compareCodeUnits(a, b))
    .map(([id, frames]) => {
      const inSplits = [...groupBy(frames, ({ split }) => split)];
      const splits = Object.fromEntries(inSplits.map(([split, members]) => [split, members.length]));
      return { id, ...tallyOf(scan, frames), splits };
    });
}

function boxStatistics({ description, frames }: DataScan): Readonly<Record<string, BoxStatistics>> {
  const byClass = description.names.map((): ScannedBox[] => []);
  for (const { boxes } of frames) for (const box of boxes) byClass[box.class].push(box);
  const statistics = byClass.flatMap((boxes, index): [string, BoxStatistics][] => {
    const width = quantiles(boxes.map(({ w }) => w));
    const height = quantiles(boxes.map(({ h }) => h));
    const area = quantiles(boxes.map(({ w, h }) => w * h));
    const centreX = quantiles(boxes.map(({ cx }) => cx));
    const centreY = quantiles(boxes.map(({ cy }) => cy));
    if (!width || !height || !area || !centreX || !centreY) return [];
    const outOfRange = boxes.filter((box) => box.outOfRange).length;
    const name = description.names[index];
    return [[name, { boxes: boxes.length, outOfRange, width, height, area, centreX, centreY }]];
  });
  return Object.fromEntries(statistics);
}

/** Every pair of splits, those without leakage too. */
function leakageCounts({ frames }: DataScan, leakage: readonly SplitLeakage[]): LeakageCount[] {
  const present = splitNames.filter((split) => frames.some((frame) => frame.split === split));
  return present.flatMap((from, i) =>
    present.slice(i + 1).map((to) => {
      const images = leakage.find((found) => found.from === from && found.to === to)?.images;
      return {
        ...{ from, to },
        frames: frames.filter(({ split }) => split === to).length,
        patient: images?.patient.length ?? 0,
        clip: images?.clip.length ?? 0,
        duplicate: images?.duplicate.length ?? 0,
      };
    }),
  );
}

/** The leakage between the splits of a scan. */
export function leakageOf(
  { frames }: DataScan,
  duplicates: readonly (readonly [string, string])[],
): SplitLeakage[] {
  const of = (split: SplitName): ScannedFrame[] => frames.filter((frame) => frame.split === split);
  return findLeakage({ train: of("train"), val: of("val"), test: of("test") }, duplicates);
}
