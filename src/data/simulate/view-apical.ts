import { type Anatomy, ellipse, leaflets, polyline, type Proportions, stroke } from "./anatomy.js";
import type { CyclePose } from "./cycle.js";

/** Four chambers around the cross of the septa and the valve plane; apex at the top, left heart at the right. */
export function apicalFourChamber(pose: CyclePose, p: Proportions): Anatomy {
  const squeeze = 1 - 0.26 * pose.contraction;
  const fill = 0.94 + 0.14 * pose.contraction;
  const plane = 0.615 - 0.035 * pose.contraction;
  const atrium = plane + 0.02 + 0.115 * p.atria * fill;
  const mitral = [
    [0.012, plane],
    [0.22, plane + 0.006],
  ] as const;
  const tricuspid = [
    [-0.012, plane - 0.022],
    [-0.225, plane - 0.012],
  ] as const;
  const ejecting = pose.outletOpening;
  const filling = pose.inletOpening;
  return {
    cavities: [
      ellipse(0.115, plane - 0.01 - 0.215 * p.left, 0.1 * p.left * squeeze, 0.215 * p.left, -0.12),
      ellipse(0.118, plane - 0.05, 0.092 * squeeze, 0.07),
      ellipse(-0.125, plane - 0.02 - 0.155 * p.right, 0.085 * p.right * squeeze, 0.16 * p.right, 0.22),
      ellipse(-0.125, plane - 0.06, 0.09 * squeeze, 0.06),
      ellipse(0.125, atrium, 0.112 * p.atria * fill, 0.112 * p.atria * fill),
      ellipse(-0.13, atrium, 0.115 * p.atria * fill, 0.115 * p.atria * fill),
    ],
    strokes: [
      ...polyline(
        [
          [0.02, 0.19],
          [-0.005, 0.34],
          [0.0, plane - 0.01],
        ],
        0.012 * p.wall * (1 + 0.25 * pose.contraction),
        0.16,
      ),
      stroke([0.0, plane - 0.02], [0.0, plane + 0.02], 0.012, 0.5),
      ...polyline(
        [
          [0.0, plane],
          [0.006, plane + 0.1],
          [0.0, plane + 0.24],
        ],
        0.006,
        0.24,
      ),
      stroke([0.22, plane], [0.27, plane + 0.03], 0.01, 0.3),
      stroke([-0.225, plane - 0.01], [-0.28, plane + 0.02], 0.01, 0.3),
      ...polyline(
        [
          [0.235, 0.27],
          [0.3, 0.46],
          [0.295, plane + 0.03],
          [0.3, plane + 0.16],
          [0.2, plane + 0.3],
          [0.02, plane + 0.32],
        ],
        0.016,
        0.2,
      ),
      ...polyline(
        [
          [-0.235, 0.33],
          [-0.285, 0.5],
          [-0.3, plane + 0.1],
          [-0.2, plane + 0.29],
          [0.02, plane + 0.32],
        ],
        0.012,
        0.14,
      ),
      ...leaflets(
        mitral,
        [0.115, plane + 0.002],
        [
          [0.075, plane - 0.1],
          [0.175, plane - 0.08],
        ],
        filling,
      ),
      ...leaflets(
        tricuspid,
        [-0.115, plane - 0.012],
        [
          [-0.075, plane - 0.09],
          [-0.175, plane - 0.085],
        ],
        filling,
      ),
    ],
    wall: { brightness: 0.06, thickness: 0.045 * p.wall },
    streams: [
      { from: [0.14, 0.25], to: [0.06, plane - 0.02], halfWidth: 0.06, speed: 0.5 * ejecting },
      { from: [-0.12, plane - 0.03], to: [-0.12, 0.32], halfWidth: 0.055, speed: 0.25 * ejecting },
      { from: [0.13, plane + 0.24], to: [0.12, plane + 0.06], halfWidth: 0.04, speed: 0.3 * ejecting },
      { from: [0.12, plane + 0.12], to: [0.13, plane - 0.27], halfWidth: 0.06, speed: 0.75 * filling },
      { from: [-0.12, plane + 0.12], to: [-0.12, plane - 0.22], halfWidth: 0.06, speed: 0.55 * filling },
    ],
    leaks: {
      MR: {
        hinges: mitral,
        orifice: mitral,
        direction: [0.05, 1],
        region: [
          [0.0, plane - 0.055],
          [0.24, plane + 0.08],
        ],
      },
      TR: {
        hinges: tricuspid,
        orifice: tricuspid,
        direction: [0.04, 1],
        region: [
          [-0.24, plane - 0.075],
          [0.0, plane + 0.08],
        ],
      },
    },
  };
}
