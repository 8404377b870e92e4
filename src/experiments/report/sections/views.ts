import { classificationMetrics, reliabilityBins } from "../../../classification/index.js";
import { reliabilityFigure } from "../charts.js";
import type { SectionContext } from "../context.js";
import type { Row, Section, Table } from "../document.js";
import { measured, name } from "../values.js";
import { binTable, detailLine } from "./details.js";

/** Confusion and calibration of the views; null where nothing is classified. */
export function viewSection(context: SectionContext): Section | null {
  const { facts, texts } = context;
  const { say } = texts;
  const { views, frames, provenance: from } = facts.predicted;
  const scored = frames.flatMap(({ frame, prediction }) =>
    prediction.views && frame.view >= 0 ? [{ label: frame.view, probabilities: prediction.views }] : [],
  );
  if (views.length === 0 || scored.length === 0) return null;
  const { confusion, ece, accuracy } = classificationMetrics(
    scored.flatMap(({ probabilities }) => [...probabilities]),
    scored.map(({ label }) => label),
    views.length,
  );
  const best = scored.map(({ probabilities }) => probabilities.indexOf(Math.max(...probabilities)));
  const bins = reliabilityBins(
    scored.map(({ probabilities }, i) => probabilities[best[i]]),
    scored.map(({ label }, i) => label === best[i]),
  );
  const matrix: Table = {
    kind: "table",
    id: "view-confusion",
    isMatrix: true,
    caption: say("views.confusion"),
    columns: [say("confusion.corner"), ...views.map(name)],
    rows: confusion.map(
      (row, i): Row => [name(views[i]), ...row.map((count) => measured(count, "integer", from))],
    ),
  };
  return {
    id: "views",
    title: say("views.title"),
    blocks: [
      { kind: "text", lines: [detailLine(context)] },
      matrix,
      {
        kind: "chart",
        figure: reliabilityFigure("views", bins, texts),
        description: say("views.calibration", {
          ece: measured(ece, "fixed3", from),
          accuracy: measured(accuracy, "fixed3", from),
          frames: measured(scored.length, "integer", from),
        }),
        from,
        tables: [binTable("view-bins", bins, from, say)],
      },
    ],
  };
}
