import { DetectionMetrics } from "../../../detection/index.js";
import { reliabilityBins } from "../../../classification/index.js";
import { confidenceFigure, precisionRecallFigure, reliabilityFigure } from "../charts.js";
import type { SectionContext } from "../context.js";
import { detectionConfusion, envelopeAt, precisionRecall } from "../detection-detail.js";
import type { Block, Line, Row, Section, Table } from "../document.js";
import { measured, name } from "../values.js";
import { binTable } from "./views.js";

const shares = Array.from({ length: 11 }, (_, i) => i / 10);

/** The metrics of the detailed runs' frames; null without detection. */
export function detectionMetricsOf({ facts }: SectionContext): DetectionMetrics | null {
  const { names, frames } = facts.predicted;
  if (names.length === 0) return null;
  const metrics = new DetectionMetrics(names.length);
  for (const { prediction } of frames) if (prediction.detection) metrics.addMatched(prediction.detection);
  return metrics;
}

/** The confidence at which the frames' F1 is best; null without detection or labels. */
export function bestConfidence(context: SectionContext): number | null {
  const curves = detectionMetricsOf(context)?.curves();
  return curves && curves.perClass.length > 0 ? curves.confidenceGrid[curves.bestIndex] : null;
}

/** Precision, recall and F1 over confidence, confusion and calibration of the boxes. */
export function detectionSection(context: SectionContext): Section | null {
  const metrics = detectionMetricsOf(context);
  const confidence = bestConfidence(context);
  if (metrics === null || confidence === null) return null;
  const { facts, texts } = context;
  const { say } = texts;
  const from = facts.predicted.provenance;
  const lead = say("detection.lead", { confidence: measured(confidence, "fixed3", from) });
  return {
    id: "detection",
    title: say("detection.title"),
    blocks: [
      { kind: "text", lines: [detailLine(context), lead] },
      ...curveBlocks(context, metrics),
      confusion(context, confidence),
      ...calibration(context, metrics),
    ],
  };
}

/** Which runs the details are of. */
export function detailLine({ facts, texts: { say } }: SectionContext): Line {
  const { design, seed, runs } = facts.detailed;
  if (facts.sweep === null) return say("detail.run", { run: name(runs[0].name) });
  const from = facts.predicted.provenance;
  return say("detail.sweep", {
    design: name(design),
    seed: name(String(seed)),
    folds: measured(runs.length, "integer", from),
  });
}

function curveBlocks({ facts, texts }: SectionContext, metrics: DetectionMetrics): Block[] {
  const { say } = texts;
  const { names, provenance: from } = facts.predicted;
  const curves = precisionRecall(metrics.matched, names.length);
  const { perClass, confidenceGrid, bestIndex } = metrics.curves();
  const className = (index: number) => names[index];
  const prTable: Table = {
    kind: "table",
    id: "pr-points",
    caption: say("detection.prPoints"),
    columns: [say("axis.recall"), ...curves.map(({ classIndex }) => name(className(classIndex)))],
    rows: shares.map((share) => [
      measured(share, "fixed1", from),
      ...curves.map((curve) => measured(envelopeAt(curve, share), "fixed3", from)),
    ]),
  };
  const kinds = ["f1", "precision", "recall"] as const;
  const confidenceBlocks = kinds.map((kind): Block => {
    const title = say(`detection.${kind}Curve`);
    const table: Table = {
      kind: "table",
      id: `${kind}-points`,
      caption: say("detection.curvePoints", { title }),
      columns: [say("axis.confidence"), ...perClass.map(({ classIndex }) => name(className(classIndex)))],
      rows: shares.map((share) => {
        const at = Math.round(share * (confidenceGrid.length - 1));
        return [
          measured(confidenceGrid[at], "fixed1", from),
          ...perClass.map((each) => measured(each[kind][at], "fixed3", from)),
        ];
      }),
    };
    const lines = perClass.map((each) => ({
      name: className(each.classIndex),
      points: Array.from(confidenceGrid, (x, i) => [x, each[kind][i]] as const),
    }));
    return {
      kind: "chart",
      figure: confidenceFigure(kind, { lines, best: confidenceGrid[bestIndex] }, texts),
      description: say("detection.curveDescription", {
        title,
        confidence: measured(confidenceGrid[bestIndex], "fixed3", from),
      }),
      from,
      tables: [table],
    };
  });
  const pr: Block = {
    kind: "chart",
    figure: precisionRecallFigure(
      curves.map(({ classIndex, points }) => ({ name: className(classIndex), points })),
      texts,
    ),
    description: say("detection.prDescription"),
    from,
    tables: [prTable],
  };
  return [pr, ...confidenceBlocks];
}

function confusion({ facts, texts: { say } }: SectionContext, confidence: number): Table {
  const { names, frames, provenance: from } = facts.predicted;
  const boxes = frames.flatMap((each) => each.boxes ?? []);
  const counts = detectionConfusion(boxes, names.length, confidence);
  const titles = [...names.map(name), say("confusion.background")];
  const isCorner = (i: number, j: number) => i === names.length && j === names.length;
  return {
    kind: "table",
    id: "detection-confusion",
    isMatrix: true,
    caption: say("detection.confusion", { confidence: measured(confidence, "fixed3", from) }),
    columns: [say("confusion.corner"), ...titles],
    rows: counts.map(
      (row, i): Row => [
        titles[i],
        ...row.map((count, j) => (isCorner(i, j) ? [] : measured(count, "integer", from))),
      ],
    ),
  };
}

/** Boxes of at least this confidence: below it lie thousands that suppression keeps for the sake of mAP. */
const leastCalibrated = 0.05;

function calibration({ facts, texts }: SectionContext, metrics: DetectionMetrics): Block[] {
  const { say } = texts;
  const from = facts.predicted.provenance;
  const boxes = metrics.matched
    .flatMap(({ confidence, tp }) => Array.from(confidence, (each, i) => ({ each, isHit: tp[i * 10] === 1 })))
    .filter(({ each }) => each >= leastCalibrated);
  if (boxes.length === 0) return [];
  const bins = reliabilityBins(
    boxes.map(({ each }) => each),
    boxes.map(({ isHit }) => isHit),
  );
  return [
    {
      kind: "chart",
      figure: reliabilityFigure("boxes", bins, texts),
      description: say("detection.calibration", { boxes: measured(boxes.length, "integer", from) }),
      from,
      tables: [binTable("box-bins", bins, from, say)],
    },
  ];
}
