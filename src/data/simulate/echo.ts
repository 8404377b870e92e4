import type { Anatomy } from "./anatomy.js";
import { cell, type NoiseBank, smoothNoise, speckle } from "./noise.js";
import { rowRadius, ROWS } from "./sector.js";
import { cavityDistance, type Distance, type Ray, strokeEchoes } from "./shapes.js";
import type { ClipLook, FramePose, PatientLook } from "./variation.js";

/** Echo amplitude of blood, about 53 dB under the brightest tissue. */
const BLOOD = 0.0022;
/** Share of the speckle's power that stays in its place from frame to frame. */
const STILL = 0.6;
/** Strokes brighter than this (the pericardium, calcium) reverberate behind them. */
const REVERBERANT = 0.42;

/** What is needed to tell the echoes of one frame. */
export interface EchoScene {
  anatomy: Anatomy;
  patient: PatientLook;
  clip: ClipLook;
  frame: FramePose;
}

/** One beam through the anatomy: its place in the sector, and its samples' positions in the anatomy. */
export interface Beam {
  index: number;
  /** Angle from the vertical, radians. */
  angle: number;
  /** The beam without warping, in the anatomy. */
  ray: Ray;
  /** Distance between samples in the anatomy. */
  spacing: number;
  u: Float64Array;
  v: Float64Array;
}

/** Echoes along a beam: signed distance to blood per row, and grey level 0..255 after log compression. */
export type EchoTracer = (beam: Beam, depth: Float64Array, grey: Float64Array) => void;

/**
 * The echoes of a frame. Outwards along each beam: reflectivity of blood, walls (mirroring where they lie
 * across the beam) and strokes, reverberation and shadow behind bright ones, near-field haze, speckle, gain by
 * depth and beam, log compression.
 */
export function echoTracer(bank: NoiseBank, { anatomy, patient, clip, frame }: EchoScene): EchoTracer {
  const distance = nearest(anatomy.cavities.map(cavityDistance));
  const strokes = strokeEchoes(anatomy.strokes);
  const { wall } = anatomy;
  const [ou, ov] = clip.offset;
  const step = (1 - patient.nearRadius) / (ROWS - 1);
  const reverberation = Math.exp(-step / 0.05);
  const haze = nearField(bank, patient);
  const floor = 0.0012 * 10 ** (clip.difficulty * 0.35);
  return (beam, depth, grey) => {
    const lateral = lateralGain(bank, beam, patient, clip);
    let ringing = 0;
    let shadow = 0;
    let before = distance(beam.u[0]!, beam.v[0]!);
    strokes.aim(beam.ray);
    for (let row = 0; row < ROWS; row++) {
      const u = beam.u[row]!;
      const v = beam.v[row]!;
      const radius = rowRadius(row, patient.nearRadius);
      const toBlood = distance(u, v);
      depth[row] = toBlood;
      const slope = (toBlood - before) / step;
      before = toBlood;
      const bright = strokes.at(u, v, row * beam.spacing);
      let amplitude = BLOOD;
      if (toBlood > -0.03 || bright > 0) {
        const fine = smoothNoise(bank, u * 26 + ou, v * 32 + ov);
        const patches = Math.exp(2.4 * smoothNoise(bank, u * 5 + ov, v * 7 + ou) + 0.7 * fine);
        // Borders are ragged: trabeculae, and speckle that straddles them.
        const inside = toBlood + 0.012 * fine + 0.006 * smoothNoise(bank, u * 70 + ov, v * 80 + ou);
        if (inside > -0.012) {
          const layer = toBlood / wall.thickness;
          const surface = toBlood / 0.012;
          const facing = 0.2 * slope * slope * (slope > 0 ? 1 : 0.5) * Math.exp(-surface * surface);
          const muscle = wall.brightness * (0.3 + 0.7 * Math.abs(slope)) * Math.exp(-layer * layer);
          amplitude +=
            (patient.background + muscle + facing) * patches * Math.min(1, (inside + 0.012) / 0.03);
        }
        if (bright > 0) {
          const broken = Math.exp(1.5 * smoothNoise(bank, u * 15 + ou, v * 15 + ov) - 0.5);
          amplitude = Math.max(amplitude, bright * Math.sqrt(patches) * broken);
        }
      }
      ringing *= reverberation;
      if (bright > REVERBERANT) {
        ringing = Math.max(ringing, 0.55 * bright);
        shadow = Math.min(10, shadow + 60 * step * bright);
      }
      if (toBlood > 0.02) amplitude += 0.3 * ringing;
      const grain = speckle(
        bank,
        cell(row + ou, beam.index + ov),
        cell(row + frame.offset[0], beam.index + frame.offset[1]),
        STILL,
      );
      const decibel = (20 / Math.LN10) * Math.log((amplitude + haze[row]!) * grain + floor);
      const gain = patient.gain + clip.gain - patient.depthLoss * (radius - 0.4) - shadow + lateral(radius);
      grey[row] = 255 * Math.min(1, Math.max(0, (decibel + gain) / patient.dynamicRange + 1));
    }
  };
}

function nearest(distances: readonly Distance[]): Distance {
  return (u, v) => {
    let least = Number.POSITIVE_INFINITY;
    for (const distance of distances) least = Math.min(least, distance(u, v));
    return least;
  };
}

/** Echo of the transducer's near field and the chest wall's layers by row. */
function nearField(bank: NoiseBank, patient: PatientLook): Float64Array {
  return Float64Array.from({ length: ROWS }, (_, row) => {
    const beyond = rowRadius(row, patient.nearRadius) - patient.nearRadius;
    const layers = 0.55 + 0.45 * smoothNoise(bank, beyond * 60, patient.background * 5000);
    return 0.22 * Math.exp(-beyond / 0.03) + patient.chestWall * layers * Math.exp(-((beyond / 0.15) ** 2));
  });
}

/** Gain in dB by radius of one beam: uneven contact, loss at the sector's edges, a rib's or lung's shadow. */
function lateralGain(
  bank: NoiseBank,
  { index, angle }: Beam,
  patient: PatientLook,
  clip: ClipLook,
): (radius: number) => number {
  const [ou, ov] = clip.offset;
  const uneven = 6 * smoothNoise(bank, index / 15 + ou, ov);
  const towardsEdge = Math.max(0, Math.abs(angle) / patient.halfAngle - 0.55) / 0.45;
  const edge = patient.edgeLoss[angle < 0 ? 0 : 1] * towardsEdge ** 1.5;
  const [centre, halfWidth, loss] = clip.shadow;
  const shade = loss * Math.exp(-(((angle - centre) / halfWidth) ** 2));
  return (radius) => {
    const patches = 9 * smoothNoise(bank, index / 30 + ov, radius * 4 + ou);
    return uneven + patches - (edge + shade) * Math.min(1, 1.8 * radius);
  };
}
