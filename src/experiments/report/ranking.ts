import { IOU_THRESHOLDS } from "../../detection/index.js";
import { f1Of, type Hits, hitsAt } from "./detection-detail.js";
import type { PredictedFrame } from "./predict-boxes.js";

/** A frame with how well it was predicted. */
export interface RankedFrame extends PredictedFrame {
  /** Boxes at the chosen confidence; null without detection. */
  readonly hits: Hits | null;
  /** Predicted view with its probability; null without classification. */
  readonly view: { readonly index: number; readonly probability: number } | null;
  /** Mean over the tasks, 0..1: F1 of the boxes, probability of the true view; null where nothing tells. */
  readonly score: number | null;
  /** Confidence of its most confident error; null without an error. */
  readonly error: number | null;
}

/** @param confidence at which boxes count; null without detection */
export function rankFrames(frames: readonly PredictedFrame[], confidence: number | null): RankedFrame[] {
  return frames.map((each) => rank(each, confidence));
}

function rank(each: PredictedFrame, confidence: number | null): RankedFrame {
  const { detection, views } = each.prediction;
  const hits = detection && confidence !== null ? hitsAt(detection, confidence) : null;
  const index = views === null ? -1 : views.indexOf(Math.max(...views));
  const view = views === null ? null : { index, probability: views[index] };
  const scores = [
    ...(hits ? [f1Of(hits)] : []),
    ...(views && each.frame.view >= 0 ? [views[each.frame.view]] : []),
  ].filter((score) => score !== null);
  const wrongBoxes =
    detection && confidence !== null
      ? [...detection.confidence].filter(
          (c, i) => c >= confidence && detection.tp[i * IOU_THRESHOLDS.length] === 0,
        )
      : [];
  const wrongView = view && each.frame.view >= 0 && view.index !== each.frame.view ? [view.probability] : [];
  const errors = [...wrongBoxes, ...wrongView];
  return {
    ...each,
    hits,
    view,
    score: scores.length === 0 ? null : scores.reduce((a, b) => a + b, 0) / scores.length,
    error: errors.length === 0 ? null : Math.max(...errors),
  };
}

/** The frames of a kind, each kind in its order: the best that have a label, the worst, the most confidently wrong. */
export function galleries(ranked: readonly RankedFrame[], most: number) {
  const scored = ranked.filter(({ score }) => score !== null);
  const score = (each: RankedFrame) => each.score ?? 0;
  const wrong = ranked.filter(({ error }) => error !== null);
  return {
    best: spread(
      scored
        .filter(({ hits }) => hits === null || hits.labels > 0)
        .filter((each) => score(each) > 0)
        .sort((a, b) => score(b) - score(a)),
      most,
    ),
    worst: spread(
      scored.toSorted((a, b) => score(a) - score(b)),
      most,
    ),
    confident: spread(
      wrong.toSorted((a, b) => (b.error ?? 0) - (a.error ?? 0)),
      most,
    ),
  };
}

/** The first ones, of each clip one before any other of it: frames of a clip look alike. */
function spread(ordered: readonly RankedFrame[], most: number): RankedFrame[] {
  const seen = new Set<string>();
  const first = ordered.filter(({ frame }) => {
    const group = frame.video ?? frame.name;
    return seen.size !== seen.add(group).size;
  });
  return [...first, ...ordered.filter((each) => !first.includes(each))].slice(0, most);
}
