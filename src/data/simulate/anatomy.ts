import type { Cavity, Point, Stroke } from "./shapes.js";

/** The simulated views, in the order of the one-hot columns. */
export const VIEWS = ["A4C", "PSAX", "PLAX"] as const;
/** The simulated regurgitant valves, in the order of the class indices. */
export const VALVES = ["AR", "MR", "PR", "TR"] as const;
export type View = (typeof VIEWS)[number];
export type Valve = (typeof VALVES)[number];

/** Which valve's regurgitation each view can show: the pairs that the simulator draws. */
export const SCENES: readonly { view: View; valve: Valve }[] = [
  { view: "A4C", valve: "MR" },
  { view: "PSAX", valve: "PR" },
  { view: "PLAX", valve: "AR" },
  { view: "A4C", valve: "TR" },
  { view: "PSAX", valve: "TR" },
  { view: "PLAX", valve: "MR" },
];

/** Where in the cycle a frame lies. */
export interface CyclePose {
  /** 0 relaxed .. 1 fully contracted ventricles. */
  contraction: number;
  /** Mitral and tricuspid valves: 0 closed .. 1 open. */
  inletOpening: number;
  /** Aortic and pulmonary valves: 0 closed .. 1 open. */
  outletOpening: number;
}

/** A patient's proportions, each a factor near 1. */
export interface Proportions {
  left: number;
  right: number;
  atria: number;
  wall: number;
}

/** A heart as one view cuts it, with the place and direction of each jet that the view can show. */
export interface Anatomy {
  cavities: Cavity[];
  strokes: Stroke[];
  /** Brightness and thickness (depth units) of the walls around the cavities. */
  wall: { brightness: number; thickness: number };
  jets: Partial<Record<Valve, { orifice: Point; direction: Point }>>;
}

/** The heart in `view` at one moment of the cycle, before the clip's shift, scale and rotation. */
export function buildAnatomy(view: View, pose: CyclePose, proportions: Proportions): Anatomy {
  return BUILDERS[view](pose, proportions);
}

const BUILDERS: Record<View, (pose: CyclePose, p: Proportions) => Anatomy> = {
  A4C: apicalFourChamber,
  PSAX: parasternalShortAxis,
  PLAX: parasternalLongAxis,
};

function ellipse(u: number, v: number, ru: number, rv: number, angle = 0): Cavity {
  return { kind: "ellipse", centre: [u, v], radii: [ru, rv], angle };
}

function stroke(from: Point, to: Point, halfWidth: number, brightness: number): Stroke {
  return { from, to, halfWidth, brightness };
}

function mix(a: Point, b: Point, t: number): Point {
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t];
}

/** Two leaflets from their hinges to tips that move from the closed to the open position. */
function leaflets(hinges: readonly [Point, Point], closed: Point, open: readonly [Point, Point], t: number) {
  return [
    stroke(hinges[0], mix(closed, open[0], t), 0.007, 0.5),
    stroke(hinges[1], mix(closed, open[1], t), 0.007, 0.5),
  ];
}

/** Four chambers around the cross of the septa and the valve plane; apex at the top, left heart at the right. */
function apicalFourChamber(pose: CyclePose, p: Proportions): Anatomy {
  const squeeze = 1 - 0.2 * pose.contraction;
  const fill = 1 + 0.1 * pose.contraction;
  const plane = 0.61 - 0.02 * pose.contraction;
  const atrium = plane + 0.03 + 0.105 * p.atria * fill;
  return {
    cavities: [
      ellipse(0.13, plane - 0.01 - 0.2 * p.left, 0.105 * p.left * squeeze, 0.2 * p.left, -0.14),
      ellipse(-0.135, plane - 0.01 - 0.155 * p.right, 0.095 * p.right * squeeze, 0.155 * p.right, 0.24),
      ellipse(0.135, atrium, 0.12 * p.atria * fill, 0.105 * p.atria * fill),
      ellipse(-0.14, atrium, 0.12 * p.atria * fill, 0.105 * p.atria * fill),
    ],
    strokes: [
      stroke([0.0, 0.24], [0.0, plane], 0.02 * p.wall, 0.35),
      stroke([0.0, plane], [0.0, plane + 0.26], 0.009, 0.35),
      stroke([0.24, plane], [0.3, plane + 0.04], 0.02, 0.4),
      stroke([-0.24, plane], [-0.3, plane + 0.04], 0.02, 0.4),
      ...leaflets(
        [
          [0.01, plane],
          [0.245, plane],
        ],
        [0.13, plane + 0.004],
        [
          [0.085, plane - 0.1],
          [0.185, plane - 0.07],
        ],
        pose.inletOpening,
      ),
      ...leaflets(
        [
          [-0.01, plane - 0.018],
          [-0.24, plane - 0.01],
        ],
        [-0.13, plane - 0.01],
        [
          [-0.08, plane - 0.09],
          [-0.185, plane - 0.08],
        ],
        pose.inletOpening,
      ),
    ],
    wall: { brightness: 0.2, thickness: 0.03 * p.wall },
    jets: {
      MR: { orifice: [0.13, plane + 0.005], direction: [0.06, 1] },
      TR: { orifice: [-0.13, plane - 0.005], direction: [0.02, 1] },
    },
  };
}

/** The aortic ring in the middle, the right ventricle around it as a crescent, the atria below. */
function parasternalShortAxis(pose: CyclePose, p: Proportions): Anatomy {
  const squeeze = 1 - 0.18 * pose.contraction;
  const ring = 0.1 * p.left;
  const centre: Point = [0, 0.5];
  const radius = ring + 0.045 + 0.06 * p.right;
  const at = (angle: number, r: number): Point => [r * Math.cos(angle), centre[1] + r * Math.sin(angle)];
  const halfWidth = 0.06 * p.right * squeeze;
  const right = -0.42;
  const left = -3.4;
  const trunk = at(right + 0.1, radius + 0.012);
  const cusps = [-0.5, 1.6, 3.65].map((angle) =>
    stroke(at(angle, ring * pose.outletOpening * 0.8), at(angle, ring), 0.007, 0.5),
  );
  const inflow = at(left, radius);
  return {
    cavities: [
      ellipse(centre[0], centre[1], ring, ring),
      { kind: "arc", centre, radius, halfWidth, start: left, end: right },
      { kind: "tube", from: trunk, to: [trunk[0] + 0.05, trunk[1] + 0.24], halfWidth: 0.052 },
      ellipse(inflow[0] + 0.0, inflow[1] + 0.04 + 0.1 * p.atria, 0.095 * p.atria, 0.1 * p.atria),
      ellipse(0.03, centre[1] + ring + 0.035 + 0.085 * p.atria, 0.135 * p.atria, 0.085 * p.atria),
    ],
    strokes: [
      ...cusps,
      stroke(at(right, radius - 0.06), at(right, radius - 0.06 * pose.outletOpening), 0.008, 0.5),
      stroke(at(right, radius + 0.06), at(right, radius + 0.06 * pose.outletOpening), 0.008, 0.5),
      stroke([inflow[0] - 0.07, inflow[1] + 0.03], [inflow[0] - 0.01, inflow[1] + 0.035], 0.008, 0.5),
      stroke([inflow[0] + 0.07, inflow[1] + 0.03], [inflow[0] + 0.01, inflow[1] + 0.035], 0.008, 0.5),
      ...polyline(
        [
          [-0.34, 0.84],
          [-0.12, 0.91],
          [0.14, 0.9],
          [0.36, 0.82],
        ],
        0.022,
        0.45,
      ),
    ],
    wall: { brightness: 0.28, thickness: 0.024 * p.wall },
    jets: {
      PR: { orifice: at(right, radius), direction: [-0.62, -0.78] },
      TR: { orifice: [inflow[0], inflow[1] + 0.03], direction: [0.08, 1] },
    },
  };
}

/** The left ventricle along its length, the aortic root at the upper right and the left atrium below it. */
function parasternalLongAxis(pose: CyclePose, p: Proportions): Anatomy {
  const squeeze = 1 - 0.24 * pose.contraction;
  const fill = 1 + 0.1 * pose.contraction;
  const valve: Point = [0.05, 0.42];
  const atrium: Point = [0.06 + 0.125 * p.atria, 0.58];
  return {
    cavities: [
      ellipse(-0.02, 0.245, 0.18 * p.right, 0.048 * p.right, 0.12),
      ellipse(-0.17, 0.49, 0.215 * p.left, 0.1 * p.left * squeeze, -0.08),
      { kind: "tube", from: [0.02, 0.43], to: [0.36, 0.33], halfWidth: 0.052 * p.left },
      ellipse(atrium[0], atrium[1], 0.13 * p.atria * fill, 0.085 * p.atria * fill, -0.08),
      ellipse(0.13, 0.79, 0.042, 0.04),
    ],
    strokes: [
      stroke([-0.38, 0.385], [0.0, 0.345], 0.024 * p.wall, 0.3),
      stroke([0.0, 0.345], [0.32, 0.275], 0.011, 0.6),
      stroke([0.06, 0.478], [0.34, 0.4], 0.011, 0.55),
      ...polyline(
        [
          [-0.44, 0.66],
          [-0.2, 0.705],
          [0.06, 0.715],
          [0.4, 0.69],
        ],
        0.03,
        0.7,
      ),
      ...leaflets(
        [
          [valve[0], valve[1] - 0.055],
          [valve[0] + 0.025, valve[1] + 0.055],
        ],
        [valve[0] + 0.045, valve[1] - 0.005],
        [
          [valve[0] + 0.07, valve[1] - 0.06],
          [valve[0] + 0.09, valve[1] + 0.025],
        ],
        pose.outletOpening,
      ),
      ...leaflets(
        [
          [0.055, 0.485],
          [0.045, 0.64],
        ],
        [0.005, 0.565],
        [
          [-0.07, 0.47],
          [-0.06, 0.62],
        ],
        pose.inletOpening,
      ),
    ],
    wall: { brightness: 0.2, thickness: 0.026 * p.wall },
    jets: {
      AR: { orifice: [valve[0] + 0.02, valve[1] + 0.01], direction: [-0.99, 0.12] },
      MR: { orifice: [0.02, 0.565], direction: [0.98, 0.1] },
    },
  };
}

function polyline(points: readonly Point[], halfWidth: number, brightness: number): Stroke[] {
  return points.slice(1).map((to, i) => stroke(points[i]!, to, halfWidth, brightness));
}
