/** Points of the grid of confidences on which precision, recall and F1 are tabulated. */
export const CONFIDENCE_GRID_POINTS = 1000;

/** Points at which the precision envelope is read for the average precision. */
export const RECALL_POINTS = 101;

/** Width of the box filter that smooths the F1 curve, as a share of the grid. */
const SMOOTHING = 0.1;

/** Keeps quotients finite, as in YOLOv5. */
export const EPSILON = 1e-16;

/** `points` equally spaced numbers from 0 to 1, both included. */
export function unitGrid(points: number): Float64Array {
  const step = 1 / (points - 1);
  return Float64Array.from({ length: points }, (_, i) => (i === points - 1 ? 1 : i * step));
}

/** F1 at each point, 2 p r / (p + r + 1e-16). */
export function f1Curve(precision: Float64Array, recall: Float64Array): Float64Array {
  return precision.map((p, i) => (2 * p * recall[i]) / (p + recall[i] + EPSILON));
}

/** The mean of curves on the confidence grid, smoothed as YOLOv5 does; all 0 where there is none. */
export function smoothedMean(curves: readonly Float64Array[]): Float64Array {
  return smooth(meanOfCurves(curves));
}

function meanOfCurves(curves: readonly Float64Array[]): Float64Array {
  const mean = new Float64Array(CONFIDENCE_GRID_POINTS);
  for (const curve of curves) for (let i = 0; i < mean.length; i++) mean[i] += curve[i] / curves.length;
  return mean;
}

/** Moving average of a curve over an odd window of a tenth of it, its ends padded with their own values. */
function smooth(curve: Float64Array): Float64Array {
  const window = Math.floor(Math.round(curve.length * SMOOTHING * 2) / 2) + 1;
  const half = Math.floor(window / 2);
  const last = curve.length - 1;
  return curve.map((_, i) => {
    let sum = 0;
    // Summed afresh at each point: a running sum would let rounding decide between equal values.
    for (let j = i - half; j <= i + half; j++) sum += curve[Math.min(Math.max(j, 0), last)];
    return sum / window;
  });
}

/** The index of the largest value, the first one of equals. */
export function indexOfMaximum(values: Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
