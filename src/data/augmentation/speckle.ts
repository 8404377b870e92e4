import { type RandomStream, randomStream } from "../../tensor/index.js";

/** Side of the square bank, a power of two so that positions wrap by a mask. */
export const speckleSide = 512;

/**
 * Log-compressed speckle, float32 [512, 512], mean 0, standard deviation 1, read at random offsets.
 *
 * The echo of many scatterers within one resolution cell is a complex Gaussian, its amplitude Rayleigh
 * distributed (Goodman, Speckle Phenomena in Optics, 2007, section 3.2). A B-mode picture shows the logarithm
 * of the amplitude: skewed, with dark gaps and few bright grains. The cells are wider across the beams than
 * along them.
 */
export function speckleBank(): Float32Array {
  bank ??= makeBank();
  return bank;
}

/** Depth of the gaps between grains, in standard deviations. */
const darkest = 2.5;

let bank: Float32Array | null = null;

function makeBank(): Float32Array {
  const real = correlatedNormals(randomStream(0, "augment", "speckle", "real"));
  const imaginary = correlatedNormals(randomStream(0, "augment", "speckle", "imaginary"));
  const logs = real.map((re, i) => Math.log(Math.hypot(re, imaginary[i]) + 1e-6));
  // The logarithm's dark tail has no end: the floor of the display cuts it, and its filter across the beams
  // softens the gaps.
  const shown = standardised(logs).map((value) => Math.max(value, -darkest));
  return standardised(smoothed(shown, 1));
}

/** Gaussian noise blurred to a standard deviation of 1.7 pixels across and 1.2 down. */
function correlatedNormals(random: RandomStream): Float32Array {
  let field: Float32Array = Float32Array.from({ length: speckleSide * speckleSide }, () => random.normal());
  for (let i = 0; i < 6; i++) field = smoothed(field, 1);
  for (let i = 0; i < 3; i++) field = smoothed(field, speckleSide);
  return field;
}

/** [1 2 1] / 4 along one axis, wrapped. */
function smoothed(input: Float32Array, step: number): Float32Array {
  const mask = speckleSide * speckleSide - 1;
  return input.map((value, i) => {
    // Across, the neighbour stays in its row.
    const before = step === 1 ? (i & ~(speckleSide - 1)) | ((i - 1) & (speckleSide - 1)) : (i - step) & mask;
    const after = step === 1 ? (i & ~(speckleSide - 1)) | ((i + 1) & (speckleSide - 1)) : (i + step) & mask;
    return (input[before] + 2 * value + input[after]) / 4;
  });
}

function standardised(values: Float32Array): Float32Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return values.map((value) => (value - mean) / Math.sqrt(variance));
}
