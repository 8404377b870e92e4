import { type Anatomy, ellipse, polyline, type Proportions, stroke } from "./anatomy.js";
import type { CyclePose } from "./cycle.js";
import type { Point } from "./shapes.js";

/** Angles, clockwise from the right, at which the right ventricle around the aorta starts and ends. */
const TRICUSPID_ANGLE = -3.45;
const PULMONARY_ANGLE = 0.32;

/** The aortic ring in the middle, the right ventricle around it as a crescent, the atria below. */
export function parasternalShortAxis(pose: CyclePose, p: Proportions): Anatomy {
  const squeeze = 1 - 0.22 * pose.contraction;
  const fill = 0.94 + 0.12 * pose.contraction;
  const ring = 0.088 * p.left;
  const centre: Point = [0, 0.47 - 0.012 * pose.contraction];
  const radius = ring + 0.045 + 0.055 * p.right;
  const halfWidth = 0.058 * p.right * squeeze;
  const at = (angle: number, r: number): Point => [
    centre[0] + r * Math.cos(angle),
    centre[1] + r * Math.sin(angle),
  ];
  const trunk = at(PULMONARY_ANGLE + 0.12, radius + 0.005);
  const inlet = at(TRICUSPID_ANGLE, radius + 0.01);
  const pulmonary = [at(PULMONARY_ANGLE, radius - 0.062), at(PULMONARY_ANGLE, radius + 0.062)] as const;
  const tricuspid = [
    [inlet[0] - 0.1, inlet[1] + 0.03],
    [inlet[0] + 0.09, inlet[1] + 0.03],
  ] as const;
  const rightAtrium: Point = [inlet[0] - 0.015, inlet[1] + 0.05 + 0.11 * p.atria];
  const cusps = [-0.5, 1.6, 3.65].map((angle) =>
    stroke(at(angle, ring * pose.outletOpening * 0.8), at(angle, ring), 0.004, 0.4),
  );
  const circle = Array.from({ length: 15 }, (_, i) => at((i / 14) * 2 * Math.PI, ring + 0.011));
  const opening = 0.06 * pose.outletOpening;
  const ejecting = pose.outletOpening;
  const filling = pose.inletOpening;
  return {
    cavities: [
      ellipse(centre[0], centre[1], ring, ring),
      { kind: "arc", centre, radius, halfWidth, start: TRICUSPID_ANGLE, end: PULMONARY_ANGLE },
      { kind: "tube", from: trunk, to: [trunk[0] - 0.035, trunk[1] + 0.24], halfWidth: 0.055 },
      ellipse(rightAtrium[0], rightAtrium[1], 0.125 * p.atria * fill, 0.115 * p.atria * fill),
      ellipse(0.025, centre[1] + ring + 0.03 + 0.085 * p.atria, 0.125 * p.atria * fill, 0.085 * p.atria),
    ],
    strokes: [
      ...cusps,
      ...polyline(circle, 0.006 * p.wall, 0.45),
      stroke(at(2.3, ring + 0.01), [-0.11, centre[1] + ring + 0.24], 0.006, 0.3),
      stroke(at(0.35, ring + 0.012), [trunk[0] - 0.1, trunk[1] + 0.24], 0.006, 0.3),
      stroke(pulmonary[0], at(PULMONARY_ANGLE + 0.15, radius - opening), 0.004, 0.4),
      stroke(pulmonary[1], at(PULMONARY_ANGLE + 0.15, radius + opening), 0.004, 0.4),
      stroke(tricuspid[0], [inlet[0] - 0.005 - 0.06 * filling, inlet[1] + 0.03 - 0.07 * filling], 0.004, 0.4),
      stroke(tricuspid[1], [inlet[0] + 0.005 + 0.05 * filling, inlet[1] + 0.03 - 0.07 * filling], 0.004, 0.4),
      ...polyline(
        [
          [-0.46, 0.66],
          [-0.36, 0.82],
          [-0.14, 0.91],
          [0.12, 0.9],
          [0.3, 0.84],
          [0.42, 0.68],
        ],
        0.014,
        0.55,
      ),
    ],
    wall: { brightness: 0.078, thickness: 0.03 * p.wall },
    streams: [
      { from: [0.13, 0.26], to: pulmonary[1], halfWidth: 0.06, speed: 0.7 * ejecting },
      { from: trunk, to: [trunk[0] - 0.035, trunk[1] + 0.24], halfWidth: 0.055, speed: 0.8 * ejecting },
      { from: [-0.16, 0.34], to: [0.1, 0.3], halfWidth: 0.05, speed: 0.4 * ejecting },
      {
        from: rightAtrium,
        to: [inlet[0] + 0.02, inlet[1] - 0.17],
        halfWidth: 0.06,
        speed: 0.6 * filling,
      },
      { from: [0.1, centre[1] + ring + 0.17], to: [0, centre[1] + ring + 0.05], halfWidth: 0.05, speed: 0.3 },
    ],
    leaks: {
      PR: {
        hinges: pulmonary,
        orifice: pulmonary,
        direction: [-0.2, -1],
        region: [
          [trunk[0] - 0.115, trunk[1] - 0.22],
          [trunk[0] + 0.095, trunk[1] + 0.06],
        ],
      },
      TR: {
        hinges: tricuspid,
        orifice: tricuspid,
        direction: [0.06, 1],
        region: [
          [inlet[0] - 0.115, inlet[1] - 0.055],
          [inlet[0] + 0.115, inlet[1] + 0.13],
        ],
      },
    },
  };
}
