import { type RandomStream, randomStream } from "../../tensor/index.js";

/** Side of the square banks of noise, a power of two so that indices wrap by a mask. */
const SIDE = 256;

/** Noise drawn once per simulation and read at random offsets: far cheaper than new numbers for every frame. */
export interface NoiseBank {
  /** Real and imaginary part of a fully developed speckle field, unit variance, [SIDE, SIDE]. */
  real: Float32Array;
  imaginary: Float32Array;
  /** Smooth noise in about -1..1, [SIDE, SIDE], read by `smoothNoise`. */
  smooth: Float32Array;
}

/** The noise of a simulation with this seed. */
export function noiseBank(seed: number): NoiseBank {
  const random = randomStream(seed, "simulate", "noise");
  return {
    real: blurredNormals(random),
    imaginary: blurredNormals(random),
    smooth: Float32Array.from({ length: SIDE * SIDE }, () => random.uniform(-1, 1)),
  };
}

/** Rayleigh amplitude (mean about 1.25) at integer speckle cells of two superposed fields. */
export function speckle(bank: NoiseBank, still: number, moving: number, stillShare: number): number {
  const a = Math.sqrt(stillShare);
  const b = Math.sqrt(1 - stillShare);
  const re = a * bank.real[still]! + b * bank.real[moving]!;
  const im = a * bank.imaginary[still]! + b * bank.imaginary[moving]!;
  return Math.sqrt(re * re + im * im);
}

/** Index into a bank of the cell (row, column), wrapped. */
export function cell(row: number, column: number): number {
  return ((row & (SIDE - 1)) * SIDE) | (column & (SIDE - 1));
}

/** Bilinear value noise in -1..1 at real coordinates (one feature per unit). */
export function smoothNoise(bank: NoiseBank, x: number, y: number): number {
  const x0 = Math.floor(x);
  const y0 = Math.floor(y);
  const fx = x - x0;
  const fy = y - y0;
  const s = bank.smooth;
  const top = s[cell(y0, x0)]! * (1 - fx) + s[cell(y0, x0 + 1)]! * fx;
  const bottom = s[cell(y0 + 1, x0)]! * (1 - fx) + s[cell(y0 + 1, x0 + 1)]! * fx;
  return top * (1 - fy) + bottom * fy;
}

/** White Gaussian noise blurred by [1 2 1] along depth and twice along the beams' axis, back at unit variance. */
function blurredNormals(random: RandomStream): Float32Array {
  const white = Float32Array.from({ length: SIDE * SIDE }, () => random.normal());
  const across = blur(blur(white, 0, 1), 0, 1);
  const out = blur(across, 1, 0);
  let power = 0;
  for (const value of out) power += value * value;
  const scale = 1 / Math.sqrt(power / out.length);
  return out.map((value) => value * scale);
}

function blur(input: Float32Array, rowStep: number, columnStep: number): Float32Array {
  return input.map((value, i) => {
    const row = Math.floor(i / SIDE);
    const column = i % SIDE;
    const before = input[cell(row - rowStep, column - columnStep)]!;
    const after = input[cell(row + rowStep, column + columnStep)]!;
    return (before + 2 * value + after) / 4;
  });
}
