import { compareCodeUnits, groupBy } from "./order.js";
import type { DataScan } from "./scan.js";
import type { MixedClip } from "./types.js";

/** The clips whose frames name several views, by clip; a clip is the frames of one `groups.video` id. */
export function findMixedClips({ frames, views }: DataScan): MixedClip[] {
  const clips = groupBy(frames, ({ video, view }) => (view < 0 ? null : video));
  return [...clips]
    .map(([clip, labelled]) => {
      const counts = views.map((_, index) => labelled.filter(({ view }) => view === index).length);
      const most = Math.max(...counts);
      const leaders = counts.flatMap((count, index) => (count === most ? [index] : []));
      const majority = leaders.length === 1 ? leaders[0] : null;
      return {
        clip,
        majority: majority === null ? null : views[majority],
        views: Object.fromEntries(views.map((view, i) => [view, counts[i]])),
        dissenters: labelled
          .filter(({ view }) => view !== majority)
          .map(({ name }) => name)
          .sort(compareCodeUnits),
      };
    })
    .filter(({ dissenters }) => dissenters.length > 0)
    .sort((a, b) => compareCodeUnits(a.clip, b.clip));
}
