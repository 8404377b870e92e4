import type { Anatomy, Leak, Valve } from "./anatomy.js";
import { mix } from "./anatomy.js";
import { type NoiseBank, smoothNoise } from "./noise.js";
import type { Point } from "./shapes.js";
import type { ClipLook, FramePose } from "./variation.js";

/** What colour Doppler shows at one place. */
export const NO_FLOW = 0;
export const LAMINAR_FLOW = 1;
/** The turbulent, aliased core of the regurgitant jet. */
export const JET = 2;

/** Peak velocity of each valve's jet in Nyquist velocities: left-sided jets alias most. */
const PEAK_VELOCITY: Record<Valve, number> = { AR: 1.35, MR: 1.55, PR: 1.05, TR: 1.4 };
/** Slowest velocity shown in the core of the plainest jet. */
const JET_MINIMUM = 0.5;

/** A jet placed in the anatomy: its origin, unit direction and measures in depth units. */
export interface Jet {
  origin: Point;
  cos: number;
  sin: number;
  length: number;
  halfWidth: number;
  tail: number;
}

/** The jet of a leak in a clip, as far as it has grown in a frame. */
export function placeJet(leak: Leak, look: ClipLook, pose: FramePose): Jet {
  const angle = Math.atan2(leak.direction[1], leak.direction[0]) + look.jetTurn;
  return {
    origin: mix(leak.orifice[0], leak.orifice[1], look.orifice),
    cos: Math.cos(angle),
    sin: Math.sin(angle),
    length: look.jetLength * pose.jetGrowth,
    halfWidth: (look.jetWidth / 2) * (0.8 + 0.2 * pose.jetGrowth),
    tail: look.tailLength * pose.jetGrowth,
  };
}

/** Velocity towards the transducer at a place seen along a beam, in Nyquist velocities; NaN where none is shown. */
export type FlowField = (u: number, v: number, beamU: number, beamV: number, streak: number) => number;

/** The turbulent core: narrow at the orifice, widening, with a ragged border and aliased velocities. */
export function jetCore(
  bank: NoiseBank,
  jet: Jet,
  valve: Valve,
  { jetSpeed, difficulty }: ClipLook,
  pose: FramePose,
): FlowField {
  const { origin, cos, sin, length, halfWidth } = jet;
  const [ou, ov] = pose.offset;
  const slowest = JET_MINIMUM * (1 - 0.5 * difficulty);
  return (u, v, beamU, beamV, streak) => {
    const along = ((u - origin[0]) * cos + (v - origin[1]) * sin) / length;
    if (along < -0.08 || along > 1) return Number.NaN;
    const across = ((v - origin[1]) * cos - (u - origin[0]) * sin) / halfWidth;
    const ragged = 1 + 0.35 * smoothNoise(bank, u * 22 + ou, v * 22 + ov) + 0.25 * streak;
    if (Math.abs(across) > jetProfile(along) * ragged) return Number.NaN;
    if (difficulty > 0 && streak < -1.5 + 0.9 * difficulty) return Number.NaN;
    const speed = jetSpeed * PEAK_VELOCITY[valve] * (1 - 0.4 * along) * (1 - 0.35 * across * across);
    const turbulence = 0.6 * smoothNoise(bank, u * 42 + ov, v * 42 + ou) + 0.4 * streak;
    return atLeast(alias(projected(cos * beamU + sin * beamV) * speed + turbulence), slowest);
  };
}

/** Half-width of the core at 0..1 of its length, as a share of its largest half-width. */
function jetProfile(along: number): number {
  const opening = 0.4 + 0.6 * Math.min(1, Math.max(0, along) / 0.45) ** 0.8;
  const rounding = Math.max(0, (along - 0.6) / 0.4);
  return opening * Math.sqrt(1 - rounding * rounding);
}

/**
 * Flow outside the core: the streams of the heart at this moment, the jet's slower surroundings and tail, and a
 * slow swirl, shown where it is faster than the wall filter.
 */
export function laminarFlow(
  bank: NoiseBank,
  anatomy: Anatomy,
  jet: Jet,
  look: ClipLook,
  pose: FramePose,
): FlowField {
  const [ou, ov] = look.offset;
  const streams = anatomy.streams.filter(({ speed }) => speed > 0.02).map(streamLine);
  // At first the picture is calm; flow may alias only where the clip is hard.
  const fastest = 0.34 + 0.9 * look.difficulty;
  return (u, v, beamU, beamV, streak) => {
    let velocity = 0;
    for (const stream of streams) velocity += look.flow * stream(u, v, beamU, beamV);
    velocity += surroundings(jet, u, v, beamU, beamV) * look.jetSpeed;
    const x = u + pose.drift[0];
    const y = v + 2 * pose.drift[1];
    const swirl =
      smoothNoise(bank, x * 6 + ou, y * 6 + ov) + 0.5 * smoothNoise(bank, x * 17 + ov, y * 17 + ou);
    velocity += look.swirl * swirl + 0.035 * streak;
    if (Math.abs(velocity) + 0.1 * streak < look.wallFilter) return Number.NaN;
    return alias(Math.sign(velocity) * Math.min(fastest, Math.abs(velocity)));
  };
}

/** Stray colour in tissue: patches of wall motion and reverberation. */
export function strayFlow(bank: NoiseBank, look: ClipLook, pose: FramePose): FlowField {
  const [ou, ov] = look.offset;
  const level = 0.75 - 0.45 * look.stray;
  return (u, v, _beamU, _beamV, streak) => {
    const x = u * 5 + pose.drift[0] * 20 + ov;
    const patch = smoothNoise(bank, x, v * 6 + ou);
    if (Math.abs(patch) + 0.2 * streak < level) return Number.NaN;
    return Math.sign(patch) * (0.1 + 0.3 * Math.abs(streak));
  };
}

function streamLine({ from, to, halfWidth, speed }: Anatomy["streams"][number]) {
  const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
  const du = (to[0] - from[0]) / length;
  const dv = (to[1] - from[1]) / length;
  return (u: number, v: number, beamU: number, beamV: number): number => {
    const along = ((u - from[0]) * du + (v - from[1]) * dv) / length;
    if (along < -0.15 || along > 1.15) return 0;
    const across = ((v - from[1]) * du - (u - from[0]) * dv) / halfWidth;
    if (Math.abs(across) > 2) return 0;
    const profile = Math.exp(-across * across) * (1 - ((along - 0.5) / 0.65) ** 2);
    return speed * profile * projected(du * beamU + dv * beamV);
  };
}

/** The jet's slower rim and tail: a wider, longer envelope around the core without turbulence. */
function surroundings(jet: Jet, u: number, v: number, beamU: number, beamV: number): number {
  const { origin, cos, sin, length, halfWidth, tail } = jet;
  const along = ((u - origin[0]) * cos + (v - origin[1]) * sin) / (length + tail);
  if (along < -0.15 || along > 1) return 0;
  const across = ((v - origin[1]) * cos - (u - origin[0]) * sin) / (1.3 * halfWidth);
  if (Math.abs(across) > 2) return 0;
  const onset = Math.min(1, (along + 0.15) / 0.15);
  const profile = onset * (1 - along * along) * Math.exp(-across * across);
  return 0.5 * profile * projected(cos * beamU + sin * beamV);
}

/**
 * Velocity towards the transducer of unit flow at this cosine to the beam. Flow across the beam is shown faster
 * than its cosine says, as real flow has no single direction.
 */
function projected(cosine: number): number {
  return -(cosine + 0.35 * Math.tanh(8 * cosine)) / 1.35;
}

/** The velocity that a scanner shows: wrapped into -1..1. */
export function alias(velocity: number): number {
  return velocity - 2 * Math.round(velocity / 2);
}

function atLeast(velocity: number, slowest: number): number {
  return (velocity < 0 ? -1 : 1) * Math.max(slowest, Math.abs(velocity));
}
