import { type RandomStream, randomStream } from "../../tensor/index.js";
import type { CyclePose, Proportions, Valve } from "./anatomy.js";

/** How a patient's scanner shows its pictures, and the proportions of the patient's heart. */
export interface PatientLook {
  proportions: Proportions;
  /** Half the opening angle of the sector, radians. */
  halfAngle: number;
  /** Radius at which the picture starts, depth units. */
  nearRadius: number;
  /** Dynamic range of the log compression, dB, and its offset. */
  dynamicRange: number;
  gain: number;
  /** Loss of brightness from the apex to the full depth, dB, after the scanner's own compensation. */
  depthLoss: number;
  /** Brightness of tissue away from the heart. */
  background: number;
  /** Factor of the red and blue channels of the grey picture. */
  tint: readonly [red: number, blue: number];
  colourBar: boolean;
  ticks: boolean;
}

/** Where a clip's heart lies and what its jet is like. Lengths in depth units, angles in radians. */
export interface ClipLook {
  shift: readonly [number, number];
  scale: number;
  rotation: number;
  jetLength: number;
  jetWidth: number;
  jetTurn: number;
  /** Half the opening angle of the colour box and its margins in depth around the jet. */
  colourHalfAngle: number;
  colourMargin: number;
  /** First phase of the clip in the regurgitant part of the cycle, and the step a frame. */
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
  return {
    proportions: {
      left: r.uniform(0.9, 1.12),
      right: r.uniform(0.88, 1.15),
      atria: r.uniform(0.9, 1.18),
      wall: r.uniform(0.8, 1.3),
    },
    halfAngle: r.uniform(0.68, 0.82),
    nearRadius: r.uniform(0.015, 0.05),
    dynamicRange: r.uniform(46, 60),
    gain: r.uniform(-4, 3),
    depthLoss: r.uniform(0, 9),
    background: r.uniform(0.018, 0.045),
    tint: [r.uniform(0.92, 1), r.uniform(0.94, 1.08)],
    colourBar: r.uniform() < 0.6,
    ticks: r.uniform() < 0.6,
  };
}

/** The look of one clip of a patient: between the patient's and the frame's variation. */
export function clipLook(seed: number, patient: number, clip: number): ClipLook {
  const r = randomStream(seed, "simulate", "clip", patient, clip);
  return {
    shift: [r.uniform(-0.045, 0.045), r.uniform(-0.03, 0.04)],
    scale: r.uniform(0.92, 1.1),
    rotation: r.uniform(-0.16, 0.16),
    jetLength: r.uniform(0.21, 0.29),
    jetWidth: r.uniform(0.14, 0.2),
    jetTurn: r.uniform(-0.2, 0.2),
    colourHalfAngle: r.uniform(0.26, 0.42),
    colourMargin: r.uniform(0.06, 0.14),
    phase: r.uniform(0.2, 0.8),
    phaseStep: r.uniform(0.06, 0.13),
    offset: noiseOffset(r),
  };
}

/**
 * The pose of frame number `frame`. Frames run to and fro through the part of the cycle in which the valve
 * leaks: systole for MR and TR (ventricles contract, inlet valves closed), diastole for AR and PR.
 */
export function framePose(
  seed: number,
  key: { patient: number; clip: number; frame: number },
  look: ClipLook,
  valve: Valve,
): FramePose {
  const r = randomStream(seed, "simulate", "frame", key.patient, key.clip, key.frame);
  const turns = look.phase + look.phaseStep * key.frame;
  const phase = Math.abs(turns - 2 * Math.round(turns / 2));
  const wave = Math.sin(Math.PI * phase);
  const systolic = valve === "MR" || valve === "TR";
  return {
    cycle: {
      contraction: systolic ? wave : 0.5 * (1 - phase) ** 2,
      inletOpening: systolic ? 0 : 0.4 + 0.6 * wave,
      outletOpening: systolic ? 0.4 + 0.6 * wave : 0,
    },
    jetGrowth: 0.72 + 0.28 * wave,
    drift: [0.006 * r.normal(), 0.012 * wave + 0.004 * r.normal()],
    offset: noiseOffset(r),
  };
}

function noiseOffset(r: RandomStream): readonly [number, number] {
  return [r.integer(256), r.integer(256)];
}
