import type { PatientLook } from "./variation.js";

/** Samples along a beam and beams of the scanner's polar grid. */
export const ROWS = 272;
export const BEAMS = 168;

/** An RGB picture, [height, width, 3] uint8. */
export interface RgbPicture {
  width: number;
  height: number;
  data: Uint8Array;
}

/** A window of the sector: angles in radians from the vertical, radii in depth units. */
export interface PolarWindow {
  angleFrom: number;
  angleTo: number;
  radiusFrom: number;
  radiusTo: number;
}

/** Scan conversion of one patient's sector: the polar coordinates of each pixel, -1 outside. */
export interface SectorMap {
  width: number;
  height: number;
  /** Pixel coordinates of the apex, and pixels per unit of depth. */
  apex: readonly [x: number, y: number];
  pixelsPerDepth: number;
  halfAngle: number;
  nearRadius: number;
  /** Fractional row and beam per pixel, [height, width]. */
  row: Float32Array;
  beam: Float32Array;
}

/** Angle of a beam from the vertical, radians, positive to the right. */
export function beamAngle(beam: number, halfAngle: number): number {
  return ((2 * beam) / (BEAMS - 1) - 1) * halfAngle;
}

/** Radius of a row in depth units. */
export function rowRadius(row: number, nearRadius: number): number {
  return nearRadius + (row / (ROWS - 1)) * (1 - nearRadius);
}

/** The patient's sector in a picture of this size. */
export function sectorMap(
  width: number,
  height: number,
  patient: Pick<PatientLook, "halfAngle" | "nearRadius" | "apex" | "depth">,
): SectorMap {
  const { halfAngle, nearRadius } = patient;
  const pixelsPerDepth = patient.depth * height;
  const apex = [patient.apex[0] * width, patient.apex[1] * height] as const;
  const row = new Float32Array(width * height).fill(-1);
  const beam = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const u = (x + 0.5 - apex[0]) / pixelsPerDepth;
      const v = (y + 0.5 - apex[1]) / pixelsPerDepth;
      const radius = Math.sqrt(u * u + v * v);
      const angle = Math.atan2(u, v);
      if (radius < nearRadius || radius > 1 || Math.abs(angle) > halfAngle) continue;
      row[y * width + x] = ((radius - nearRadius) / (1 - nearRadius)) * (ROWS - 1);
      beam[y * width + x] = ((angle / halfAngle + 1) / 2) * (BEAMS - 1);
    }
  }
  return { width, height, apex, pixelsPerDepth, halfAngle, nearRadius, row, beam };
}
