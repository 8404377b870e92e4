import type { ReliabilityBin } from "../../../classification/index.js";
import type { SectionContext } from "../context.js";
import type { Line, Provenance, Row, Table } from "../document.js";
import { measured, name, scale } from "../values.js";

/** Which runs the details are of. */
export function detailLine({ facts, texts: { say } }: SectionContext): Line {
  const { design, seed, runs } = facts.detailed;
  if (facts.sweep === null) return say("detail.run", { run: name(runs[0].name) });
  const from = facts.predicted.provenance;
  if (runs.length === 1) {
    return say("detail.sweepOne", { design: name(design), seed: name(String(seed)) });
  }
  return say("detail.sweep", {
    design: name(design),
    seed: name(String(seed)),
    folds: measured(runs.length, "integer", from),
  });
}

/** The bins of a reliability diagram that hold anything. */
export function binTable(
  id: string,
  bins: readonly ReliabilityBin[],
  from: readonly Provenance[],
  say: SectionContext["texts"]["say"],
): Table {
  const rows = bins
    .filter(({ count }) => count > 0)
    .map(
      ({ low, high, count, confidence, accuracy }): Row => [
        say("calibration.range", {
          low: scale(low, "fixed3"),
          high: scale(high, "fixed3"),
        }),
        measured(count, "integer", from),
        measured(confidence, "fixed3", from),
        measured(accuracy, "fixed3", from),
      ],
    );
  const columns = [
    ...[say("axis.confidence"), say("column.count"), say("column.meanConfidence"), say("column.right")],
  ];
  return { kind: "table", id, caption: say("calibration.bins"), columns, rows };
}
