import { EchoDuetError, shapeError } from "../errors.js";

/** The label of an image whose class is not known. */
export const UNLABELLED = -1;

/** Bins of top confidence in the calibration error. */
const CALIBRATION_BINS = 15;

/** Metrics of a classifier; every one but the counts is null where no image carries a label. */
export interface ClassificationMetrics {
  /** Share of labelled images whose most probable class is the label. */
  readonly accuracy: number | null;
  /** Mean recall over the classes present in the labels. */
  readonly balancedAccuracy: number | null;
  /** Mean F1 over the classes present in the labels or in the predictions. */
  readonly macroF1: number | null;
  /** Mean one-vs-rest AUROC over the classes that have both positives and negatives; null if none has. */
  readonly auroc: number | null;
  /** Expected calibration error of the top confidence, over 15 bins of equal width. */
  readonly ece: number | null;
  /** Counts, [true class][predicted class]. */
  readonly confusion: readonly (readonly number[])[];
  /** Images that the metrics are measured on. */
  readonly labelled: number;
  /** Images left out for want of a label. */
  readonly unlabelled: number;
}

/**
 * Metrics of class probabilities against labels. The prediction is the most probable class, the first one of
 * equals; images labelled -1 are left out and counted.
 *
 * F1_c = 2 TP / (2 TP + FP + FN). AUROC_c is the probability that a positive's score exceeds a negative's,
 * ties counting one half (the Mann-Whitney statistic by midranks). ECE = Σ_b (n_b / n) |accuracy_b -
 * confidence_b| with bins (b / 15, (b + 1) / 15] (Guo et al. 2017, "On Calibration of Modern Neural
 * Networks", eq. 3).
 *
 * @param probabilities [n, classes] row-major.
 * @param labels [n], 0 .. classes - 1, or -1 where the class is not known.
 * @throws EchoDuetError `shape` where lengths do not agree; `data` where a label is out of range or a
 * probability is not in 0..1.
 */
export function classificationMetrics(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
): ClassificationMetrics {
  checkInput(probabilities, labels, classes);
  const rows = labelledRows(probabilities, labels, classes);
  const confusion = confusionMatrix(rows, classes);
  return {
    ...confusionScores(confusion),
    auroc: macroAuroc(rows, classes),
    ece: rows.length > 0 ? calibrationError(rows) : null,
    confusion,
    labelled: rows.length,
    unlabelled: labels.length - rows.length,
  };
}

/** Metrics that follow from the counts [true class][predicted class]; null where there are none. */
export function confusionScores(
  confusion: readonly (readonly number[])[],
): Pick<ClassificationMetrics, "accuracy" | "balancedAccuracy" | "macroF1"> {
  const labelled = sum(confusion.map(sum));
  const correct = sum(confusion.map((row, c) => row[c]));
  return {
    accuracy: labelled > 0 ? correct / labelled : null,
    balancedAccuracy: mean(presentClasses(confusion).map((c) => confusion[c][c] / sum(confusion[c]))),
    macroF1: mean(f1Scores(confusion)),
  };
}

/** One bin of a reliability diagram. */
export interface ReliabilityBin {
  /** Confidences in (low, high]. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Mean confidence, and share that is right; null for an empty bin. */
  readonly confidence: number | null;
  readonly accuracy: number | null;
}

/**
 * The bins of the calibration error: predictions by their confidence, in 15 bins (b / 15, (b + 1) / 15], with mean
 * confidence and share right (Guo et al. 2017). Σ_b (n_b / n) |accuracy_b - confidence_b| is the ECE.
 * @param confidences [n], 0..1
 * @param correct [n], whether each prediction is right
 */
export function reliabilityBins(
  confidences: ArrayLike<number>,
  correct: ArrayLike<boolean>,
): readonly ReliabilityBin[] {
  const sums = Array.from({ length: CALIBRATION_BINS }, () => ({ count: 0, confidence: 0, correct: 0 }));
  for (let i = 0; i < confidences.length; i++) {
    const bin = sums[calibrationBin(confidences[i])];
    bin.count++;
    bin.confidence += Math.min(confidences[i], 1);
    if (correct[i]) bin.correct++;
  }
  return sums.map(({ count, confidence, correct: right }, bin) => ({
    low: bin / CALIBRATION_BINS,
    high: (bin + 1) / CALIBRATION_BINS,
    count,
    confidence: count > 0 ? confidence / count : null,
    accuracy: count > 0 ? right / count : null,
  }));
}

function calibrationBin(confidence: number): number {
  return Math.max(Math.ceil(Math.min(confidence, 1) * CALIBRATION_BINS) - 1, 0);
}

/**
 * Area under the ROC curve of one score: (R - p (p + 1) / 2) / (p q), with R the sum of the positives'
 * ranks (ties share their mean rank), p positives and q negatives; null where either is missing.
 */
export function auroc(scores: ArrayLike<number>, positive: ArrayLike<boolean>): number | null {
  const order = Array.from(scores, (_, index) => index).sort((a, b) => scores[a] - scores[b]);
  const positives = order.filter((index) => positive[index]).length;
  const negatives = order.length - positives;
  if (positives === 0 || negatives === 0) return null;
  let rankSum = 0;
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && scores[order[end]] === scores[order[start]]) end++;
    const midrank = (start + 1 + end) / 2;
    for (let i = start; i < end; i++) if (positive[order[i]]) rankSum += midrank;
    start = end;
  }
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/** A labelled image with its prediction. */
interface LabelledRow {
  readonly label: number;
  readonly predicted: number;
  /** [classes] */
  readonly probabilities: readonly number[];
}

function checkInput(probabilities: ArrayLike<number>, labels: ArrayLike<number>, classes: number): void {
  if (probabilities.length !== labels.length * classes) {
    shapeError(
      `classification metrics: probabilities expect [${labels.length}, ${classes}] = ` +
        `${labels.length * classes} numbers, got ${probabilities.length}`,
    );
  }
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i];
    if (!(Number.isInteger(label) && label >= UNLABELLED && label < classes)) {
      dataError(`label of image ${i} expects ${UNLABELLED}..${classes - 1}, got ${label}`);
    }
  }
  for (let i = 0; i < probabilities.length; i++) {
    const p = probabilities[i];
    // Softmax in float32 may exceed 1 by rounding.
    if (!(p >= 0 && p <= 1 + 1e-5)) {
      dataError(
        `probability of image ${Math.floor(i / classes)} expects 0..1, got ${p}; pass softmax outputs`,
      );
    }
  }
}

function dataError(message: string): never {
  throw new EchoDuetError("data", `classification metrics: ${message}`);
}

function labelledRows(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
): LabelledRow[] {
  const rows: LabelledRow[] = [];
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] === UNLABELLED) continue;
    const row = Array.from({ length: classes }, (_, c) => probabilities[i * classes + c]);
    rows.push({ label: labels[i], predicted: row.indexOf(Math.max(...row)), probabilities: row });
  }
  return rows;
}

function confusionMatrix(rows: readonly LabelledRow[], classes: number): number[][] {
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (const { label, predicted } of rows) confusion[label][predicted]++;
  return confusion;
}

function presentClasses(confusion: readonly (readonly number[])[]): number[] {
  return confusion.flatMap((row, c) => (sum(row) > 0 ? [c] : []));
}

/** F1 of each class that occurs in the labels or in the predictions. */
function f1Scores(confusion: readonly (readonly number[])[]): number[] {
  return confusion.flatMap((row, c) => {
    // TP + FN labels and TP + FP predictions make 2 TP + FP + FN.
    const labelsAndPredictions = sum(row) + sum(confusion.map((other) => other[c]));
    return labelsAndPredictions > 0 ? [(2 * row[c]) / labelsAndPredictions] : [];
  });
}

function macroAuroc(rows: readonly LabelledRow[], classes: number): number | null {
  const areas = Array.from({ length: classes }, (_, c) =>
    auroc(
      rows.map((row) => row.probabilities[c]),
      rows.map((row) => row.label === c),
    ),
  );
  return mean(areas.filter((area) => area !== null));
}

function calibrationError(rows: readonly LabelledRow[]): number {
  // Per bin: Σ correct - Σ confidence. Its size over n is (n_b / n) |accuracy_b - confidence_b|.
  const gaps = new Float64Array(CALIBRATION_BINS);
  for (const { label, predicted, probabilities } of rows) {
    const confidence = Math.min(probabilities[predicted], 1);
    gaps[calibrationBin(confidence)] += (predicted === label ? 1 : 0) - confidence;
  }
  return gaps.reduce((total, gap) => total + Math.abs(gap), 0) / rows.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number | null {
  return values.length > 0 ? sum(values) / values.length : null;
}
