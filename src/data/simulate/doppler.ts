import type { Anatomy, Valve } from "./anatomy.js";
import { type NoiseBank, smoothNoise } from "./noise.js";
import type { ClipLook, FramePose } from "./variation.js";

/** What colour Doppler shows at one place. */
export const NO_FLOW = 0;
export const LAMINAR_FLOW = 1;
export const JET = 2;

/** Peak velocity of each valve's jet in Nyquist velocities: left-sided jets alias most. */
const PEAK_VELOCITY: Record<Valve, number> = { AR: 1.5, MR: 1.5, PR: 0.85, TR: 1.15 };
/** Jets are shown no slower, laminar flow no faster, so that brightness alone tells them apart. */
const JET_MINIMUM = 0.42;
const LAMINAR_MAXIMUM = 0.16;

/** Velocity towards the transducer in Nyquist velocities at (u, v) of the anatomy, or NaN outside the jet. */
export type JetField = (u: number, v: number, beamU: number, beamV: number) => number;

/**
 * The jet of `valve`: narrow at the orifice, widening along its direction, with a ragged border. The shown
 * velocity is the jet's speed times the cosine to the beam (raised where it is small, as turbulence spreads
 * directions), with turbulence added and aliased into -1..1.
 */
export function jetField(
  bank: NoiseBank,
  anatomy: Anatomy,
  valve: Valve,
  look: ClipLook,
  pose: FramePose,
): JetField {
  const jet = anatomy.jets[valve]!;
  const angle = Math.atan2(jet.direction[1], jet.direction[0]) + look.jetTurn;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const length = look.jetLength * pose.jetGrowth;
  const halfWidth = (look.jetWidth / 2) * (0.8 + 0.2 * pose.jetGrowth);
  const [ou, ov] = pose.offset;
  return (u, v, beamU, beamV) => {
    const along = ((u - jet.orifice[0]) * cos + (v - jet.orifice[1]) * sin) / length;
    if (along < 0 || along > 1) return Number.NaN;
    const across = ((v - jet.orifice[1]) * cos - (u - jet.orifice[0]) * sin) / halfWidth;
    const ragged = 1 + 0.25 * smoothNoise(bank, u * 24 + ou, v * 24 + ov);
    if (Math.abs(across) > jetProfile(along) * ragged) return Number.NaN;
    const cosine = cos * beamU + sin * beamV;
    const projected = -(cosine + 0.35 * Math.tanh(8 * cosine)) / 1.35;
    const speed = PEAK_VELOCITY[valve] * (1 - 0.45 * along) * (1 - 0.3 * across * across);
    const turbulence = 0.5 * smoothNoise(bank, u * 55 + ov, v * 55 + ou);
    return bounded(alias(projected * speed + turbulence));
  };
}

/** Half-width of the jet at 0..1 of its length, as a share of its largest half-width. */
function jetProfile(along: number): number {
  const opening = 0.35 + 0.65 * Math.min(1, along / 0.45) ** 0.8;
  const rounding = Math.max(0, (along - 0.6) / 0.4);
  return opening * Math.sqrt(1 - rounding * rounding);
}

/** Slow flow in the chambers: patches in either direction, NaN where it is too slow to be shown. */
export function laminarFlow(bank: NoiseBank, look: ClipLook, pose: FramePose, u: number, v: number): number {
  const [ou, ov] = look.offset;
  const swirl = smoothNoise(bank, (u + pose.drift[0]) * 8 + ou, (v + 3 * pose.drift[1]) * 8 + ov);
  return Math.abs(swirl) < 0.2 ? Number.NaN : swirl * LAMINAR_MAXIMUM;
}

function alias(velocity: number): number {
  return velocity - 2 * Math.round(velocity / 2);
}

function bounded(velocity: number): number {
  return (velocity < 0 ? -1 : 1) * Math.max(JET_MINIMUM, Math.abs(velocity));
}

/** The scanner's colour map: towards the transducer dark red to yellow, away dark blue to cyan. */
export function velocityColour(velocity: number): [number, number, number] {
  const speed = Math.min(1, Math.abs(velocity));
  const base = Math.min(255, 45 + 480 * speed);
  const second = Math.max(0, (speed - 0.45) / 0.55) ** 0.8 * 245;
  return velocity > 0 ? [base, second, 0] : [0, second * 0.95, base];
}
