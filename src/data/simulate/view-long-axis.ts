import { type Anatomy, ellipse, leaflets, polyline, type Proportions } from "./anatomy.js";
import type { CyclePose } from "./cycle.js";

/** The left ventricle along its length, the aortic root at the upper right and the left atrium below it. */
export function parasternalLongAxis(pose: CyclePose, p: Proportions): Anatomy {
  const squeeze = 1 - 0.28 * pose.contraction;
  const fill = 0.94 + 0.14 * pose.contraction;
  const slide = -0.02 * pose.contraction;
  const root = 0.055 * p.left;
  const aortic = [
    [0.06 + slide, 0.485 - root],
    [0.085 + slide, 0.485 + root],
  ] as const;
  const mitral = [
    [0.04 + slide, 0.555],
    [-0.05 + slide, 0.735],
  ] as const;
  const ejecting = pose.outletOpening;
  const filling = pose.inletOpening;
  return {
    cavities: [
      ellipse(0.0, 0.275, 0.2 * p.right, 0.05 * p.right * squeeze, 0.1),
      ellipse(-0.19, 0.565, 0.2 * p.left, 0.115 * p.left * squeeze, 0.06),
      ellipse(-0.03, 0.525, 0.1, 0.06, -0.1),
      { kind: "tube", from: [0.02, 0.49], to: [0.42, 0.44], halfWidth: root },
      ellipse(0.12, 0.665, 0.165 * p.atria * fill, 0.095 * p.atria * fill, -0.06),
      ellipse(0.16, 0.86, 0.04, 0.035),
    ],
    strokes: [
      ...polyline(
        [
          [-0.42, 0.39],
          [-0.2, 0.395],
          [0.02, 0.42],
        ],
        0.015 * p.wall * (1 + 0.25 * pose.contraction),
        0.16,
      ),
      ...polyline(
        [
          [0.02, 0.415],
          [0.2, 0.4],
          [0.42, 0.365],
        ],
        0.006,
        0.36,
      ),
      ...polyline(
        [
          [0.06, 0.555],
          [0.24, 0.53],
          [0.42, 0.5],
        ],
        0.006,
        0.36,
      ),
      ...polyline(
        [
          [-0.5, 0.6],
          [-0.38, 0.7],
          [-0.2, 0.775],
          [-0.02, 0.8],
          [0.18, 0.805],
          [0.36, 0.775],
        ],
        0.013,
        0.8,
      ),
      ...polyline(
        [
          [-0.06, 0.74],
          [-0.02, 0.78],
        ],
        0.01,
        0.45,
      ),
      ...leaflets(
        aortic,
        [0.105 + slide, 0.485],
        [
          [0.12 + slide, 0.48 - 0.85 * root],
          [0.14 + slide, 0.48 + 0.8 * root],
        ],
        ejecting,
      ),
      ...leaflets(
        mitral,
        [-0.085 + slide, 0.635],
        [
          [-0.13 + slide, 0.53],
          [-0.13 + slide, 0.7],
        ],
        filling,
      ),
    ],
    wall: { brightness: 0.066, thickness: 0.05 * p.wall },
    streams: [
      { from: [-0.25, 0.55], to: [0.06, 0.49], halfWidth: 0.055, speed: 0.9 * ejecting },
      { from: [0.06, 0.49], to: [0.42, 0.44], halfWidth: 0.05, speed: 0.9 * ejecting },
      { from: [0.1, 0.69], to: [-0.24, 0.56], halfWidth: 0.06, speed: 1.0 * filling },
      { from: [0.16, 0.28], to: [-0.1, 0.26], halfWidth: 0.04, speed: 0.5 },
    ],
    leaks: {
      AR: {
        hinges: aortic,
        orifice: aortic,
        direction: [-0.98, 0.14],
        region: [
          [-0.14 + slide, 0.41],
          [0.135 + slide, 0.58],
        ],
      },
      MR: {
        hinges: mitral,
        orifice: [
          [-0.07 + slide, 0.6],
          [-0.085 + slide, 0.67],
        ],
        direction: [0.85, 0.32],
        region: [
          [-0.15 + slide, 0.575],
          [-0.01 + slide, 0.75],
        ],
      },
    },
  };
}
