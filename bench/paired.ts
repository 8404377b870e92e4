import { quantile } from "./rounds.js";

/** The middle of paired ratios. */
export interface PairedRatio {
  readonly ratio: number;
  /** 95 % interval of the median by order statistics. */
  readonly interval: readonly [number, number];
}

/** Seconds of one run. */
async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}

/**
 * Seconds of each contender, one list a contender: in every round each runs once, and each round begins with another
 * one, so that what else the machine does meets all.
 */
export async function takeTurns(
  contenders: readonly (() => Promise<unknown>)[],
  rounds: number,
): Promise<number[][]> {
  const seconds = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const at = (round + turn) % contenders.length;
      seconds[at].push(await timed(contenders[at]));
    }
  }
  return seconds;
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
