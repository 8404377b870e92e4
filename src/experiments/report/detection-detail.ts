import {
  boxIouXyxy,
  type Detection,
  IOU_THRESHOLDS,
  type LabelledBox,
  type MatchedImage,
} from "../../detection/index.js";
import type { FrameBoxes } from "../../training/index.js";

/** Matched detections and labels, counted at one confidence. */
export interface Hits {
  readonly labels: number;
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly falseNegatives: number;
}

const thresholds = IOU_THRESHOLDS.length;

/** What the detections of at least `confidence` find at IoU .5, of all classes or of one. */
export function hitsAt(image: MatchedImage, confidence: number, classIndex: number | null = null): Hits {
  const counts = (index: number) => classIndex === null || index === classIndex;
  const labels = image.targetClass.filter(counts).length;
  let [truePositives, falsePositives] = [0, 0];
  image.confidence.forEach((each, i) => {
    if (each < confidence || !counts(image.predictedClass[i])) return;
    if (image.tp[i * thresholds] === 1) truePositives++;
    else falsePositives++;
  });
  return { labels, truePositives, falsePositives, falseNegatives: labels - truePositives };
}

/** The sum of counts. */
export function addHits(all: readonly Hits[]): Hits {
  const sum = (of: (hits: Hits) => number) => all.reduce((total, each) => total + of(each), 0);
  return {
    labels: sum(({ labels }) => labels),
    truePositives: sum(({ truePositives }) => truePositives),
    falsePositives: sum(({ falsePositives }) => falsePositives),
    falseNegatives: sum(({ falseNegatives }) => falseNegatives),
  };
}

/** F1 = 2 TP / (2 TP + FP + FN); null where there is neither label nor detection. */
export function f1Of({ truePositives, falsePositives, falseNegatives }: Hits): number | null {
  const all = 2 * truePositives + falsePositives + falseNegatives;
  return all === 0 ? null : (2 * truePositives) / all;
}

/** Points of the precision-recall curve of a class at IoU .5. */
export interface PrecisionRecall {
  readonly classIndex: number;
  /** [recall, precision] by falling confidence. */
  readonly points: readonly (readonly [number, number])[];
}

/** Precision and recall after each true positive, of the classes that have labels. */
export function precisionRecall(images: readonly MatchedImage[], classes: number): PrecisionRecall[] {
  const detections = images.flatMap((image) =>
    Array.from(image.confidence, (confidence, i) => ({
      confidence,
      classIndex: image.predictedClass[i],
      isHit: image.tp[i * thresholds] === 1,
    })),
  );
  detections.sort((a, b) => b.confidence - a.confidence);
  return Array.from({ length: classes }, (_, c) => c).flatMap((classIndex) => {
    const labels = images.reduce(
      (sum, { targetClass }) => sum + targetClass.filter((each) => each === classIndex).length,
      0,
    );
    if (labels === 0) return [];
    const points: [number, number][] = [];
    let [seen, hits] = [0, 0];
    for (const each of detections) {
      if (each.classIndex !== classIndex) continue;
      seen++;
      if (!each.isHit) continue;
      hits++;
      points.push([hits / labels, hits / seen]);
    }
    return [{ classIndex, points }];
  });
}

/** The best precision at a recall of at least `recall`: the envelope that average precision integrates; 0 beyond. */
export function envelopeAt({ points }: PrecisionRecall, recall: number): number {
  return points.reduce((best, [r, p]) => (r >= recall ? Math.max(best, p) : best), 0);
}

/**
 * Counts [true class][predicted class] with the background as the last row and column, as YOLOv5's
 * ConfusionMatrix: pairs of an IoU of at least .5, whatever their classes, the greatest first, each box in one pair; a
 * detection without a pair is of the background row, a label without one of the background column.
 *
 * Differs from YOLOv5 in its thresholds (there: confidence .25, IoU .45): here those of the other figures.
 */
export function detectionConfusion(
  frames: readonly FrameBoxes[],
  classes: number,
  confidence: number,
): number[][] {
  const counts = Array.from({ length: classes + 1 }, () => new Array<number>(classes + 1).fill(0));
  for (const { detections, labels } of frames) {
    const found = detections.filter((each) => each.confidence >= confidence);
    const pairs = pairUp(found, labels);
    for (const [label, detection] of pairs) {
      counts[labels[label].classIndex][found[detection].classIndex]++;
    }
    const [paired, detected] = [new Set(pairs.map(([l]) => l)), new Set(pairs.map(([, d]) => d))];
    labels.forEach(({ classIndex }, i) => {
      if (!paired.has(i)) counts[classIndex][classes]++;
    });
    found.forEach(({ classIndex }, i) => {
      if (!detected.has(i)) counts[classes][classIndex]++;
    });
  }
  return counts;
}

function pairUp(detections: readonly Detection[], labels: readonly LabelledBox[]): [number, number][] {
  const candidates = labels
    .flatMap(({ box }, label) =>
      detections.map((each, detection) => ({ label, detection, iou: boxIouXyxy(box, each.box) })),
    )
    .filter(({ iou }) => iou >= IOU_THRESHOLDS[0])
    .sort((a, b) => b.iou - a.iou);
  const [labelled, detected] = [new Set<number>(), new Set<number>()];
  return candidates.flatMap(({ label, detection }): [number, number][] => {
    if (labelled.has(label) || detected.has(detection)) return [];
    labelled.add(label);
    detected.add(detection);
    return [[label, detection]];
  });
}
