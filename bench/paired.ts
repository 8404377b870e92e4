import { takeTurns } from "../src/experiments/index.js";
import { quantile } from "../src/tensor/index.js";

/** The middle of paired ratios. */
export interface PairedRatio {
  readonly ratio: number;
  /** 95 % interval of the median by order statistics. */
  readonly interval: readonly [number, number];
}

/** Seconds of each contender, which take turns: one list a contender, one entry a round. */
export function secondsInTurns(
  contenders: readonly (() => Promise<unknown>)[],
  rounds: number,
): Promise<number[][]> {
  const timed = (run: () => Promise<unknown>) => async () => {
    const start = performance.now();
    await run();
    return (performance.now() - start) / 1000;
  };
  return takeTurns(contenders.map(timed), rounds, () => {});
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The median of `own[i] / other[i]` with its interval: the order statistics that hold it (normal approximation of the ranks). */
export function pairedRatio(own: readonly number[], other: readonly number[]): PairedRatio {
  const ratios = own.map((seconds, i) => seconds / other[i]);
  const sorted = ratios.toSorted((a, b) => a - b);
  const reach = (1.96 * Math.sqrt(sorted.length)) / 2;
  const low = Math.max(0, Math.floor(sorted.length / 2 - reach) - 1);
  return { ratio: median(ratios), interval: [sorted[low], sorted[sorted.length - 1 - low]] };
}

/** `1.024 (0.973-1.066)`. */
export function showRatio({ ratio, interval }: PairedRatio): string {
  return `${ratio.toFixed(3)} (${interval.map((end) => end.toFixed(3)).join("-")})`;
}
