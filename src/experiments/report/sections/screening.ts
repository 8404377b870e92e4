import type { SectionContext } from "../context.js";
import type { Row, Section, Table } from "../document.js";
import { measured, name } from "../values.js";

/** How arms were chosen before the last stage: every arm with its validation metric, and whether it went on. */
export function screeningSection({ facts, texts: { say } }: SectionContext): Section | null {
  const { sweep, provenanceOf } = facts;
  if (sweep === null || sweep.selections.length === 0) return null;
  const { selectionMetric, runs } = sweep.sweep;
  const metric = say(`metric.${selectionMetric}`);
  const tables = sweep.selections.map(({ stage, epoch, scores, kept }, i): Table => {
    const rows = Object.entries(scores)
      .toSorted(([, a], [, b]) => (b ?? Number.NEGATIVE_INFINITY) - (a ?? Number.NEGATIVE_INFINITY))
      .map(([arm, score]): Row => {
        const own = runs.filter((run) => run.arm === arm && run.stages.includes(stage));
        const from = own.flatMap((run) =>
          provenanceOf({ ...run, data: run.dataYaml, state: "unfinished" }, "val"),
        );
        return [
          name(arm),
          from.length === 0 ? [] : measured(own.length, "integer", from),
          from.length === 0 ? [] : measured(score, "digits4", from),
          say(kept.includes(arm) ? "yes" : "no"),
        ];
      });
    return {
      kind: "table",
      id: `screening-${i + 1}`,
      caption:
        epoch === null
          ? say("screening.after", { stage: name(stage), metric })
          : say("screening.at", { stage: name(stage), metric, epoch: name(String(epoch)) }),
      columns: [say("column.arm"), say("column.runs"), metric, say("column.wentOn")],
      rows,
    };
  });
  return {
    id: "screening",
    title: say("screening.title"),
    blocks: [{ kind: "text", lines: [say("screening.lead")] }, ...tables],
  };
}
