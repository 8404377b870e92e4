import { IOU_THRESHOLDS } from "../../../detection/index.js";
import { reliabilityBins } from "../../../classification/index.js";
import { confidenceFigure, precisionRecallFigure, reliabilityFigure } from "../charts.js";
import type { SectionContext } from "../context.js";
import { detectionConfusion, envelopeAt, precisionRecall } from "../detection-detail.js";
import type { Block, Row, Section, Table } from "../document.js";
import type { DetectionFacts } from "../facts.js";
import { measured, name, scale } from "../values.js";
import { binTable, detailLine } from "./details.js";

const shares = Array.from({ length: 11 }, (_, i) => i / 10);

/** Precision, recall and F1 over confidence, confusion and calibration of the boxes. */
export function detectionSection(context: SectionContext): Section | null {
  const { facts, texts } = context;
  const { detection } = facts;
  if (detection === null) return null;
  const { confidence } = detection;
  const { say } = texts;
  const from = facts.predicted.provenance;
  const lead = say("detection.lead", { confidence: measured(confidence, "fixed3", from) });
  return {
    id: "detection",
    title: say("detection.title"),
    blocks: [
      { kind: "text", lines: [detailLine(context), lead] },
      ...curveBlocks(context, detection),
      confusion(context, confidence),
      ...calibration(context, detection),
    ],
  };
}

function curveBlocks(
  { facts, texts }: SectionContext,
  { matched, curves: all, confidence }: DetectionFacts,
): Block[] {
  const { say } = texts;
  const { names, provenance: from } = facts.predicted;
  const curves = precisionRecall(matched, names.length);
  const { perClass, confidenceGrid } = all;
  const className = (index: number) => names[index];
  const prTable: Table = {
    kind: "table",
    id: "pr-points",
    caption: say("detection.prPoints"),
    columns: [say("axis.recall"), ...curves.map(({ classIndex }) => name(className(classIndex)))],
    rows: shares.map((share) => [
      scale(share, "fixed1"),
      ...curves.map((curve) => measured(envelopeAt(curve, share), "fixed3", from)),
    ]),
  };
  const kinds = ["f1", "precision", "recall"] as const;
  const tables = kinds.map(
    (kind): Table => ({
      kind: "table",
      id: `${kind}-points`,
      caption: say("detection.curvePoints", { metric: say(`metric.${kind}`) }),
      columns: [say("axis.confidence"), ...perClass.map(({ classIndex }) => name(className(classIndex)))],
      rows: shares.map((share) => {
        const at = Math.round(share * (confidenceGrid.length - 1));
        return [
          scale(confidenceGrid[at], "fixed1"),
          ...perClass.map((each) => measured(each[kind][at], "fixed3", from)),
        ];
      }),
    }),
  );
  const linesOf = (kind: (typeof kinds)[number]) =>
    perClass.map((each) => ({
      name: className(each.classIndex),
      points: Array.from(confidenceGrid, (x, i) => [x, each[kind][i]] as const),
    }));
  const overConfidence: Block = {
    kind: "chart",
    figure: confidenceFigure(
      kinds.map((metric) => ({ metric, lines: linesOf(metric) })),
      confidence,
      texts,
    ),
    description: say("detection.curveDescription", {
      confidence: measured(confidence, "fixed3", from),
    }),
    from,
    tables,
  };
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
  return [pr, overConfidence];
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

function calibration({ facts, texts }: SectionContext, { matched }: DetectionFacts): Block[] {
  const { say } = texts;
  const from = facts.predicted.provenance;
  const boxes = matched
    .flatMap(({ confidence, tp }) =>
      Array.from(confidence, (each, i) => ({ each, isHit: tp[i * IOU_THRESHOLDS.length] === 1 })),
    )
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
