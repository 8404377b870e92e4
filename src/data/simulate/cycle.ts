import type { Valve } from "./anatomy.js";

/** Where in the cycle a frame lies. */
export interface CyclePose {
  /** 0 the onset of systole .. 1 the next one. */
  phase: number;
  /** 0 relaxed .. 1 fully contracted ventricles. */
  contraction: number;
  /** Mitral and tricuspid valves: 0 closed .. 1 open. */
  inletOpening: number;
  /** Aortic and pulmonary valves: 0 closed .. 1 open. */
  outletOpening: number;
}

/** End of ejection and start of filling, as phases. */
const EJECTION_END = 0.38;
const FILLING_START = 0.44;
/** The phases between which each valve leaks: systole for the inlet valves, diastole for the outlet valves. */
const LEAKING: Record<Valve, readonly [number, number]> = {
  AR: [0.46, 0.97],
  MR: [0.05, 0.37],
  PR: [0.46, 0.97],
  TR: [0.05, 0.37],
};

/**
 * The heart at `phase`: it contracts until the end of ejection and relaxes quickly; the inlet valves open wide
 * in early filling, drift half shut and open again with the atria's beat.
 */
export function cyclePose(phase: number): CyclePose {
  const contracting = phase < EJECTION_END;
  const contraction = contracting
    ? 0.5 - 0.5 * Math.cos((Math.PI * phase) / EJECTION_END)
    : phase < 0.62
      ? 0.5 + 0.5 * Math.cos((Math.PI * (phase - EJECTION_END)) / (0.62 - EJECTION_END))
      : 0;
  const early = bump(phase, 0.56, 0.08);
  const late = 0.75 * bump(phase, 0.89, 0.06);
  const filling = phase > FILLING_START && phase < 0.985;
  return {
    phase,
    contraction,
    inletOpening: filling ? Math.max(0.35, early, late) : 0,
    outletOpening:
      contracting && phase > 0.03 ? Math.sin((Math.PI * (phase - 0.03)) / (EJECTION_END - 0.03)) ** 0.4 : 0,
  };
}

/** The phase at share t (0..1) of the part of the cycle in which `valve` leaks. */
export function leakingPhase(valve: Valve, t: number): number {
  const [from, to] = LEAKING[valve];
  return from + (to - from) * t;
}

function bump(phase: number, centre: number, width: number): number {
  return Math.exp(-(((phase - centre) / width) ** 2));
}
