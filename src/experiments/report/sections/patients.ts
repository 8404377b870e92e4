import { clusterOf } from "../../compare/pool.js";
import type { SectionContext } from "../context.js";
import { addHits, f1Of } from "../detection-detail.js";
import type { Row, Section } from "../document.js";
import { type RankedFrame, rankFrames } from "../ranking.js";
import { measured, name } from "../values.js";
import { detailLine } from "./details.js";

/** What was found in each patient; of frames without a patient, in each clip or frame. */
export function patientSection(context: SectionContext): Section {
  const { facts, texts } = context;
  const { say } = texts;
  const { frames, names, views } = facts.predicted;
  const groups = new Map<string, RankedFrame[]>();
  for (const each of rankFrames(frames, facts.detection?.confidence ?? null)) {
    const key = clusterOf(each.frame);
    const group = groups.get(key);
    if (group) group.push(each);
    else groups.set(key, [each]);
  }
  const rows = [...groups].map(([key, group]): Row => {
    const from = [...new Set(group.map((each) => each.from))];
    const hits = addHits(group.flatMap((each) => each.hits ?? []));
    const { truePositives: tp, falsePositives: fp, falseNegatives: fn, labels } = hits;
    const seen = group.filter(({ view, frame }) => view !== null && frame.view >= 0);
    const right = seen.filter(({ view, frame }) => view?.index === frame.view).length;
    const share = (part: number, whole: number) => (whole === 0 ? null : part / whole);
    const { patient, video, name: file } = group[0].frame;
    return [
      patient === null && video === null ? name(file) : name(patient ?? video ?? key),
      measured(group.length, "integer", from),
      ...(names.length === 0
        ? []
        : [
            ...[labels, tp, fp, fn].map((count) => measured(count, "integer", from)),
            ...[share(tp, tp + fp), share(tp, labels), f1Of(hits)].map((value) =>
              measured(value, "fixed3", from),
            ),
          ]),
      ...(views.length === 0 ? [] : [measured(share(right, seen.length), "fixed3", from)]),
    ];
  });
  const columns = [
    say("column.patient"),
    say("column.frames"),
    ...(names.length === 0
      ? []
      : [
          ...[say("column.boxes"), say("column.tp"), say("column.fp"), say("column.fn")],
          ...[say("metric.precision"), say("metric.recall"), say("metric.f1")],
        ]),
    ...(views.length === 0 ? [] : [say("metric.accuracy")]),
  ];
  return {
    id: "patients",
    title: say("patients.title"),
    blocks: [
      { kind: "text", lines: [detailLine(context), say("patients.lead")] },
      { kind: "table", id: "per-patient", caption: say("patients.caption"), columns, rows },
    ],
  };
}
