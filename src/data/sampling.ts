import { randomStream } from "../tensor/index.js";
import type { FrameRecord } from "./frames.js";
import { epochOrder } from "./loader.js";

/** What an epoch is balanced by. */
export type Sampling = "none" | "class" | "view" | "class-view";

/**
 * The frames of an epoch: for `none` all of them, shuffled; else as many draws, in which the share of a group
 * is proportional to the square root of its size. Depends on frames, seed and epoch alone.
 *
 * A group is the frames of one class, one view, or one pair of them; frames without box or view are groups of
 * their own, and a frame of several classes counts for its rarest. The square root meets the two wishes half
 * way: a class nine times rarer is shown three times rarer, while full balance would show a pair that has but
 * a handful of frames dozens of times in an epoch, to be learnt by heart.
 *
 * Within a group every frame comes up once before any comes up again.
 * @returns int32, as long as `frames`
 */
export function sampledOrder(
  frames: readonly FrameRecord[],
  sampling: Sampling,
  { seed, epoch }: { readonly seed: number; readonly epoch: number },
): Int32Array {
  if (sampling === "none") return epochOrder(frames.length, seed, epoch);
  const random = randomStream(seed, "sampling", epoch);
  const groups = groupsOf(frames, sampling);
  const roots = groups.map((group) => Math.sqrt(group.length));
  const total = roots.reduce((sum, root) => sum + root, 0);
  // Stratified: one draw in each of as many equal steps along the groups laid end to end, so that each group
  // gets its share to within one draw, and the rounding evens out over the epochs.
  const offset = random.uniform();
  let passed = 0;
  let drawn = 0;
  const order = groups.flatMap((group, i) => {
    passed += roots[i] / total;
    const last = i === groups.length - 1;
    const until = last ? frames.length : Math.min(frames.length, Math.ceil(passed * frames.length - offset));
    const draws = rounds(group, Math.max(0, until - drawn), random.shuffled);
    drawn = Math.max(drawn, until);
    return draws;
  });
  return Int32Array.from(random.shuffled(order));
}

/** `count` members, in rounds of all of them. */
function rounds(
  group: readonly number[],
  count: number,
  shuffled: (items: readonly number[]) => number[],
): number[] {
  const out: number[] = [];
  while (out.length < count) out.push(...shuffled(group).slice(0, count - out.length));
  return out;
}

/** The indices of the frames by group; groups in the order of their first frame. */
function groupsOf(frames: readonly FrameRecord[], sampling: "class" | "view" | "class-view"): number[][] {
  const counts = new Map<number, number>();
  for (const frame of frames) {
    for (const label of classesOf(frame)) counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const groups = new Map<string, number[]>();
  frames.forEach((frame, index) => {
    const label = classesOf(frame).reduce(
      (rarest, one) => (rarest < 0 || (counts.get(one) ?? 0) < (counts.get(rarest) ?? 0) ? one : rarest),
      -1,
    );
    const key = { class: `${label}`, view: `${frame.view}`, "class-view": `${label} ${frame.view}` }[
      sampling
    ];
    const group = groups.get(key);
    if (group) group.push(index);
    else groups.set(key, [index]);
  });
  return [...groups.values()];
}

/** The classes of a frame's boxes, each once. */
function classesOf({ boxes }: FrameRecord): number[] {
  return [...new Set(Array.from({ length: boxes.length / 5 }, (_, i) => boxes[5 * i]))];
}
