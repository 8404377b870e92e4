import type { Point } from "./run-history.js";

/**
 * Exponential average over about `steps` points, without the pull of a start at zero:
 * m_t = Σ_k β^(t−k) y_k / Σ_k β^(t−k), β = exp(−1 / steps). Points that are not finite take no part and stay
 * as they are.
 */
export function smooth(points: readonly Point[], steps: number): Point[] {
  const keep = Math.exp(-1 / steps);
  let [sum, share] = [0, 0];
  return points.map(([x, y]) => {
    if (!Number.isFinite(y)) return [x, y];
    sum = keep * sum + y;
    share = keep * share + 1;
    return [x, sum / share];
  });
}

/**
 * At most `limit` of the points: of each stretch its least and its greatest, in their order, so that no peak is
 * lost. Points that are not finite are kept where a stretch has no others.
 */
export function thin(points: readonly Point[], limit: number): Point[] {
  if (points.length <= limit) return [...points];
  const stretches = Math.floor(limit / 2);
  return Array.from({ length: stretches }, (_, i) => {
    const from = Math.floor((i * points.length) / stretches);
    return extremes(points.slice(from, Math.floor(((i + 1) * points.length) / stretches)));
  }).flat();
}

function extremes(stretch: readonly Point[]): Point[] {
  const finite = stretch.filter(([, y]) => Number.isFinite(y));
  if (finite.length === 0) return stretch.slice(0, 1);
  const least = finite.reduce((a, b) => (b[1] < a[1] ? b : a));
  const greatest = finite.reduce((a, b) => (b[1] > a[1] ? b : a));
  if (least === greatest) return [least];
  return least[0] < greatest[0] ? [least, greatest] : [greatest, least];
}

/** Whether the numbers are all above zero and the greatest is 20 times the least, or more. */
export function spansDecades(values: readonly number[]): boolean {
  const finite = values.filter(Number.isFinite);
  const least = finite.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const greatest = finite.reduce((a, b) => Math.max(a, b), 0);
  return least > 0 && greatest >= 20 * least;
}

/** Points as ECharts takes them, to five digits; a number that is not finite is a gap. */
export function plotted(points: readonly Point[]): [number, number | null][] {
  return points.map(([x, y]) => [x, Number.isFinite(y) ? Number(y.toPrecision(5)) : null]);
}
