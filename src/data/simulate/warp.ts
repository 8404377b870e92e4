import { type NoiseBank, smoothNoise } from "./noise.js";
import type { Point } from "./shapes.js";

/** Amplitude (depth units) and frequency (features a depth unit) of each octave of the warping. */
const OCTAVES = [
  [0.026, 5],
  [0.01, 13],
  [0.0035, 33],
] as const;

/** Largest displacement, depth units. */
export const LARGEST_WARP = OCTAVES.reduce((sum, [amplitude]) => sum + amplitude, 0);

/** How far (u, v) is displaced along u into the ideal anatomy: no heart is made of ellipses. */
export function warpU(bank: NoiseBank, offset: number, u: number, v: number): number {
  let sum = 0;
  for (const [amplitude, frequency] of OCTAVES) {
    sum += amplitude * smoothNoise(bank, u * frequency + offset + 0.5, v * frequency + 0.25);
  }
  return sum;
}

/** As `warpU`, along v. */
export function warpV(bank: NoiseBank, offset: number, u: number, v: number): number {
  let sum = 0;
  for (const [amplitude, frequency] of OCTAVES) {
    sum += amplitude * smoothNoise(bank, v * frequency + 101.25, u * frequency + offset + 37.5);
  }
  return sum;
}

/** The place that the warping displaces to `target`, to within a thousandth of the depth. */
export function unwarp(bank: NoiseBank, offset: number, target: Point): Point {
  let [u, v] = target;
  for (let i = 0; i < 6; i++) {
    const [du, dv] = [warpU(bank, offset, u, v), warpV(bank, offset, u, v)];
    // Half steps: the finest octave is steep enough to make whole ones overshoot.
    u += 0.7 * (target[0] - du - u);
    v += 0.7 * (target[1] - dv - v);
  }
  return [u, v];
}
