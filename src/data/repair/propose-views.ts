import type { Evidence } from "../audit/evidence.js";
import { groupBy } from "../audit/order.js";
import { classesOf, forbiddenClasses } from "../audit/rules.js";
import { relativeName, type ScannedFrame } from "../audit/scan.js";
import { formatLabel } from "../labels.js";
import type { RepairAction, RepairCode, Undecided } from "./plan.js";
import type { LineReader } from "./propose-boxes.js";

/** What the frames of a clip say of its view. */
interface Vote {
  readonly clip: string;
  /** Index of the view that most frames name; null for a tie. */
  readonly majority: number | null;
  /** Frames that name each view. */
  readonly counts: readonly number[];
}

/**
 * The view of each clip's majority for the frames that name another, several or none. A tie is undecided.
 * Switched off where the majority is under one half, where it breaks a rule that the frame's own view keeps,
 * and where the frame names no view, which may be meant.
 */
export function proposeViews(
  evidence: Evidence,
  read: LineReader,
): { actions: RepairAction[]; undecided: Undecided[] } {
  const { scan } = evidence;
  const votes = countVotes(evidence);
  const actions: RepairAction[] = [];
  const undecided: Undecided[] = [];
  const labels = new Map(scan.frames.map((frame) => [frame.labelPath, frame]));
  for (const frame of labels.values()) {
    if (!frame.hasLabelFile || frame.unreadable !== null || scan.views.length === 0) continue;
    const file = relativeName(scan.description, frame.labelPath);
    const vote = votes.get(frame.video ?? "") ?? null;
    const proposed = frame.view >= 0 ? dissent(evidence, frame, vote) : unclear(evidence, frame, vote);
    for (const { why, code, ...change } of proposed) {
      if (!("becomes" in change)) undecided.push({ code, file, why });
      else {
        const now = change.line === undefined ? null : read(file, change.line);
        const becomes = change.becomes === null ? null : change.becomes(now ?? "");
        actions.push({ ...change, code, file, now, becomes, why });
      }
    }
  }
  return { actions, undecided };
}

/** A change of a view line, or, without `becomes`, something undecided. */
type Change = { readonly code: RepairCode; readonly why: string } & (
  | {
      readonly line?: number;
      /** The new text from the old; null removes the line. */
      readonly becomes: ((now: string) => string) | null;
      readonly apply: boolean;
    }
  | Record<never, never>
);

function countVotes({ scan: { frames, views } }: Evidence): Map<string, Vote> {
  const clips = groupBy(frames, ({ video, view }) => (view < 0 ? null : video));
  return new Map(
    [...clips].map(([clip, voters]) => {
      const counts = views.map((_, index) => voters.filter(({ view }) => view === index).length);
      const most = Math.max(...counts);
      const leaders = counts.flatMap((count, index) => (count === most ? [index] : []));
      return [clip, { clip, majority: leaders.length === 1 ? leaders[0] : null, counts }];
    }),
  );
}

/** A frame with one view, where its clip's is another. */
function dissent(evidence: Evidence, frame: ScannedFrame, vote: Vote | null): Change[] {
  const { views } = evidence.scan;
  if (!vote || vote.majority === frame.view) return [];
  const code = "view.mixed-clip";
  if (vote.majority === null) return [{ code, why: `clip ${vote.clip} is a tie: ${tally(vote, views)}` }];
  const { majority } = vote;
  const broken = newlyForbidden(evidence, frame, majority);
  const over = 2 * vote.counts[majority] > sum(vote.counts);
  const doubts = [
    ...(broken.length > 0 ? [`but ${views[majority]} does not show ${broken.join(", ")}`] : []),
    ...(over ? [] : ["but that is no more than half"]),
  ];
  const [line] = frame.views;
  return [
    {
      code,
      line: line.line,
      becomes: (now) => (line.columns === null ? String(majority) : swapOnes(now, line.index, majority)),
      why: [`here ${views[frame.view]}`, describe(vote, views), ...doubts].join(", "),
      apply: doubts.length === 0,
    },
  ];
}

/** A frame whose label names several views or none. */
function unclear({ scan }: Evidence, frame: ScannedFrame, vote: Vote | null): Change[] {
  const majority = vote?.majority ?? null;
  const broken = frame.faults.filter(({ kind }) => kind === "view-ambiguous" || kind === "view-none");
  const because = vote ? describe(vote, scan.views) : "it has no clip whose other frames would tell";
  const oneHot = majority === null ? null : formatLabel([], majority, scan.views.length).trim();
  if (frame.views.length === 0 && broken.length === 0) {
    // A line that cannot be read may have been the view's.
    if (frame.faults.some(({ kind }) => kind.startsWith("view-") || kind === "syntax")) return [];
    if (oneHot === null) return [];
    return [{ code: "view.missing", becomes: () => oneHot, why: because, apply: false }];
  }
  const [first, ...others] = frame.views;
  const agreed = others.every(({ index }) => index === first?.index) ? first : undefined;
  const kept =
    frame.views.find(({ index }) => index === majority) ?? (majority === null ? agreed : undefined);
  if (kept) {
    const says = `line ${kept.line} says ${scan.views[kept.index]}`;
    const why = majority === null ? `${says}, and is kept` : `${says}, and ${because}`;
    const removed = frame.views.filter(({ line }) => line !== kept.line);
    return [
      ...removed.map(
        ({ line }): Change => ({ code: "view.contradictory", line, becomes: null, why, apply: true }),
      ),
      ...broken.map(
        ({ line }): Change => ({
          code: "view.ambiguous",
          line,
          becomes: null,
          why,
          apply: majority !== null,
        }),
      ),
    ];
  }
  if (first) {
    const named = [...new Set(frame.views.map(({ index }) => scan.views[index] ?? `view ${index}`))].join(
      " and ",
    );
    return [
      {
        code: others.length > 0 ? "view.contradictory" : "view.ambiguous",
        why: `it names ${named}; ${because}`,
      },
    ];
  }
  if (oneHot === null) return [{ code: "view.ambiguous", why: because }];
  const [replaced, ...rest] = broken;
  const apply = replaced.kind !== "view-none";
  return [
    { code: "view.ambiguous", line: replaced.line, becomes: () => oneHot, why: because, apply },
    ...rest.map(({ line }): Change => ({ code: "view.ambiguous", line, becomes: null, why: because, apply })),
  ];
}

/** Classes of the frame that the view cannot show, and that the frame's own view can. */
function newlyForbidden({ scan, rules }: Evidence, frame: ScannedFrame, view: number): string[] {
  if (!rules || !scan.viewsDeclared) return [];
  const classes = classesOf(frame).map((index) => scan.description.names[index]);
  const before = forbiddenClasses(rules.rules, scan.views[frame.view], classes);
  return forbiddenClasses(rules.rules, scan.views[view], classes).filter((name) => !before.includes(name));
}

/** A one-hot line with the digits of two columns exchanged: brackets, commas and decimals stay as they are. */
function swapOnes(line: string, from: number, to: number): string {
  const digits = line.match(/[01](?:\.0*)?/g) ?? [];
  let column = 0;
  return line.replace(/[01](?:\.0*)?/g, (digit) => {
    const at = column++;
    return at === from ? digits[to] : at === to ? digits[from] : digit;
  });
}

function describe(vote: Vote, views: readonly string[]): string {
  if (vote.majority === null) return `clip ${vote.clip} is a tie: ${tally(vote, views)}`;
  const share = `${vote.counts[vote.majority]} of ${sum(vote.counts)} frames`;
  return `majority ${share} of clip ${vote.clip} is ${views[vote.majority]}`;
}

function tally({ counts }: Vote, views: readonly string[]): string {
  return counts.flatMap((count, index) => (count > 0 ? [`${count} ${views[index]}`] : [])).join(", ");
}

const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
