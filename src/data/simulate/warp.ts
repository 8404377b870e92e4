import { type NoiseBank, smoothNoise } from "./noise.js";
import type { Point } from "./shapes.js";

/** Amplitude (depth units) and frequency (features a depth unit) of each octave of the warping. */
const OCTAVES = [
  [0.026, 5],
  [0.01, 13],
  [0.0035, 33],
] as const;

/** How far the place (u, v) is displaced into the ideal anatomy: no heart is made of ellipses. */
export function warp(bank: NoiseBank, offset: number, u: number, v: number): [du: number, dv: number] {
  let du = 0;
  let dv = 0;
  for (const [amplitude, frequency] of OCTAVES) {
    const x = u * frequency + offset + 0.5;
    const y = v * frequency + 0.25;
    du += amplitude * smoothNoise(bank, x, y);
    dv += amplitude * smoothNoise(bank, y + 101, x + 37);
  }
  return [du, dv];
}

/** The place that `warp` displaces to `target`, to within a thousandth of the depth. */
export function unwarp(bank: NoiseBank, offset: number, target: Point): Point {
  let [u, v] = target;
  for (let i = 0; i < 6; i++) {
    const [du, dv] = warp(bank, offset, u, v);
    // Half steps: the finest octave is steep enough to make whole ones overshoot.
    u += 0.7 * (target[0] - du - u);
    v += 0.7 * (target[1] - dv - v);
  }
  return [u, v];
}
