import { type RandomStream, randomStream } from "../../tensor/index.js";
import type { Proportions, Valve } from "./anatomy.js";
import { type CyclePose, cyclePose, leakingPhase } from "./cycle.js";
import { MACHINES, type Machine, type Range } from "./machines.js";

/** How a patient's scanner shows its pictures, and the proportions of the patient's heart. */
export interface PatientLook {
  proportions: Proportions;
  machine: Machine;
  /** Apex of the sector as shares of the picture's width and height; depth as a share of the height. */
  apex: readonly [x: number, y: number];
  depth: number;
  /** Half the opening angle of the sector, radians. */
  halfAngle: number;
  /** Radius at which the picture starts, depth units. */
  nearRadius: number;
  /** Dynamic range of the log compression, dB, and its offset. */
  dynamicRange: number;
  gain: number;
  /** Loss of brightness from the apex to the full depth, dB, after the scanner's own compensation. */
  depthLoss: number;
  /** Brightness of tissue away from the heart, and of the chest wall. */
  background: number;
  chestWall: number;
  /** Imaging depth in centimetres, which the depth marks tell. */
  depthCm: number;
  /** Half the Nyquist range, cm/s, and beats a minute: numbers at the picture's edge. */
  nyquist: number;
  heartRate: number;
  /** Loss towards the sector's left and right edges, dB. */
  edgeLoss: readonly [number, number];
}

/** Where a clip's heart lies and what its jet is like. Lengths in depth units, angles in radians. */
export interface ClipLook {
  /** 0 the plainest jet .. 1 faint, noisy, occluded, among fast normal flow. */
  difficulty: number;
  shift: readonly [number, number];
  scale: number;
  rotation: number;
  /** Where between the valve's hinges it leaks, 0..1. */
  orifice: number;
  /** Length and width of the jet's turbulent core, and of the slower tail beyond it. */
  jetLength: number;
  jetWidth: number;
  tailLength: number;
  jetTurn: number;
  /** Factor of the peak velocity. */
  jetSpeed: number;
  /** How far the colour box reaches beyond the jet: to the left and right (radians), up and down (depth). */
  boxMargins: readonly [left: number, right: number, up: number, down: number];
  /** Factor of normal flow's speed, strength of the swirl, and of stray colour in tissue. */
  flow: number;
  swirl: number;
  stray: number;
  /** Lowest speed that is shown, Nyquist velocities. */
  wallFilter: number;
  /** A shadow: its angle, half-width (radians) and strength (dB). */
  shadow: readonly [angle: number, halfWidth: number, loss: number];
  gain: number;
  /** First place in the leaking part of the cycle, and the step a frame, both shares of that part. */
  phase: number;
  phaseStep: number;
  offset: readonly [number, number];
}

/** One frame: the cycle's pose, how far the jet has grown (0..1), and the frame's own noise. */
export interface FramePose {
  cycle: CyclePose;
  jetGrowth: number;
  drift: readonly [number, number];
  offset: readonly [number, number];
}

/** The look of patient number `patient`. */
export function patientLook(seed: number, patient: number): PatientLook {
  const r = randomStream(seed, "simulate", "patient", patient);
  const machine = pickMachine(r.uniform());
  const between = (range: Range): number => r.uniform(range[0], range[1]);
  return {
    proportions: {
      left: r.uniform(0.9, 1.12),
      right: r.uniform(0.88, 1.18),
      atria: r.uniform(0.88, 1.2),
      wall: r.uniform(0.8, 1.35),
    },
    machine,
    apex: [between(machine.apexX), between(machine.apexY)],
    depth: between(machine.depth),
    halfAngle: between(machine.halfAngle),
    nearRadius: between(machine.nearRadius),
    dynamicRange: between(machine.dynamicRange),
    gain: between(machine.gain),
    depthLoss: r.uniform(-4, 8),
    background: 0.0015 * 5 ** r.uniform(),
    chestWall: 0.004 * 8 ** r.uniform(),
    depthCm: r.uniform() < 0.15 ? r.uniform(7, 9) : r.uniform(12, 17),
    nyquist: [56.2, 61.6, 70.4, 77][r.integer(4)]!,
    heartRate: 52 + r.integer(50),
    edgeLoss: [r.uniform(-2, 16), r.uniform(-2, 16)],
  };
}

function pickMachine(share: number): Machine {
  let left = share;
  for (const machine of MACHINES) {
    left -= machine.share;
    if (left < 0) return machine;
  }
  return MACHINES[0]!;
}

/** Lengths of the turbulent core by valve: long in the outflow tracts, short beyond the inlet valves. */
const CORE_LENGTH: Record<Valve, Range> = {
  AR: [0.12, 0.22],
  MR: [0.11, 0.2],
  PR: [0.15, 0.26],
  TR: [0.12, 0.22],
};

/**
 * The look of one clip of a patient: between the patient's and the frame's variation. The clip's own
 * difficulty is drawn between 0 and `difficulty`.
 */
export function clipLook(
  seed: number,
  key: { patient: number; clip: number },
  valve: Valve,
  difficulty: number,
): ClipLook {
  const r = randomStream(seed, "simulate", "clip", key.patient, key.clip);
  const hard = difficulty * r.uniform();
  const between = (low: number, high: number): number => r.uniform(low, high);
  return {
    difficulty: hard,
    shift: [between(-0.06, 0.06) * (1 + hard), between(-0.05, 0.05) * (1 + hard)],
    scale: 1 + between(-0.1, 0.16) * (1 + 0.6 * hard),
    rotation: between(-0.17, 0.17) * (1 + 0.5 * hard),
    orifice: between(0.3, 0.7),
    jetLength: between(...CORE_LENGTH[valve]) * (1 - 0.4 * hard),
    jetWidth: between(0.08, 0.17) * (1 - 0.4 * hard),
    tailLength: between(0.05, 0.2),
    jetTurn: between(-0.3, 0.3),
    jetSpeed: between(0.9, 1.2) * (1 - 0.5 * hard),
    boxMargins: [between(0.08, 0.8), between(0.08, 0.8), between(0.06, 0.5), between(0.1, 0.5)],
    flow: between(0.5, 0.8) + 1.1 * hard * between(0.3, 1),
    swirl: between(0.25, 0.45) + 0.25 * hard * between(0, 1),
    stray: between(0, 0.25) + 0.5 * hard * between(0, 1),
    wallFilter: between(0.06, 0.14) - 0.02 * hard,
    shadow: [between(-0.5, 0.5), between(0.03, 0.09), between(0, 6) + 16 * hard * between(0, 1)],
    gain: between(-2, 2) + hard * between(-6, 4),
    phase: r.uniform(),
    phaseStep: between(0.07, 0.14),
    offset: noiseOffset(r),
  };
}

/**
 * The pose of frame number `frame`: frames step through the part of the cycle in which the valve leaks (systole
 * for MR and TR, diastole for AR and PR), beat after beat.
 */
export function framePose(
  seed: number,
  key: { patient: number; clip: number; frame: number },
  look: ClipLook,
  valve: Valve,
): FramePose {
  const r = randomStream(seed, "simulate", "frame", key.patient, key.clip, key.frame);
  const turns = look.phase + look.phaseStep * key.frame;
  const share = turns - Math.floor(turns);
  const cycle = cyclePose(leakingPhase(valve, share));
  return {
    cycle,
    jetGrowth: 0.72 + 0.28 * Math.sin(Math.PI * share) + 0.04 * r.normal(),
    // Breathing moves the heart slowly; the rest is the beat's irregularity.
    drift: [
      0.008 * Math.sin(0.35 * key.frame + look.offset[0]) + 0.002 * r.normal(),
      0.008 * Math.cos(0.31 * key.frame + look.offset[1]) + 0.002 * r.normal(),
    ],
    offset: noiseOffset(r),
  };
}

function noiseOffset(r: RandomStream): readonly [number, number] {
  return [r.integer(256), r.integer(256)];
}
