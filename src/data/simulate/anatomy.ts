import type { Cavity, Point, Stroke } from "./shapes.js";

/** The simulated views, in the order of the one-hot columns. */
export const VIEWS = ["A4C", "PSAX", "PLAX"] as const;
/** The simulated regurgitant valves, in the order of the class indices. */
export const VALVES = ["AR", "MR", "PR", "TR"] as const;
export type View = (typeof VIEWS)[number];
export type Valve = (typeof VALVES)[number];

/** One view of one regurgitant valve. */
export interface SceneKind {
  readonly view: View;
  readonly valve: Valve;
}

/** Which valve's regurgitation each view can show: the pairs that the simulator draws. */
export const SCENES: readonly SceneKind[] = [
  { view: "A4C", valve: "MR" },
  { view: "PSAX", valve: "PR" },
  { view: "PLAX", valve: "AR" },
  { view: "A4C", valve: "TR" },
  { view: "PSAX", valve: "TR" },
  { view: "PLAX", valve: "MR" },
];

/** A patient's proportions, each a factor near 1. */
export interface Proportions {
  left: number;
  right: number;
  atria: number;
  wall: number;
}

/** Ordered blood flow along a line: fastest in the middle, slower towards the ends and sides. */
export interface Stream {
  from: Point;
  to: Point;
  halfWidth: number;
  /** Speed on the axis in Nyquist velocities. */
  speed: number;
}

/** A valve that can leak: the hinges of its leaflets and where a jet would go. */
export interface Leak {
  hinges: readonly [Point, Point];
  /** The line somewhere on which the jet leaves the valve, and its direction. */
  orifice: readonly [Point, Point];
  direction: Point;
  /** Two opposite corners of what belongs to the valve for whoever labels it: its leaflets' reach and landing zone. */
  region: readonly [Point, Point];
}

/** A heart as one view cuts it, at one moment of the cycle. */
export interface Anatomy {
  cavities: Cavity[];
  strokes: Stroke[];
  /** Brightness and thickness (depth units) of the walls around the cavities. */
  wall: { brightness: number; thickness: number };
  /** Normal flow at this moment. */
  streams: Stream[];
  leaks: Partial<Record<Valve, Leak>>;
}

/** An ellipse with its half-axes before the turn by `angle`. */
export function ellipse(u: number, v: number, ru: number, rv: number, angle = 0): Cavity {
  return { kind: "ellipse", centre: [u, v], radii: [ru, rv], angle };
}

/** A bright line. */
export function stroke(from: Point, to: Point, halfWidth: number, brightness: number): Stroke {
  return { from, to, halfWidth, brightness };
}

/** Bright lines through all points. */
export function polyline(points: readonly Point[], halfWidth: number, brightness: number): Stroke[] {
  return points.slice(1).map((to, i) => stroke(points[i]!, to, halfWidth, brightness));
}

/** The point at share t of the way from a to b. */
export function mix(a: Point, b: Point, t: number): Point {
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t];
}

/** Two leaflets, bent in the middle, from their hinges to tips that move from the closed to the open position. */
export function leaflets(
  hinges: readonly [Point, Point],
  closed: Point,
  open: readonly [Point, Point],
  t: number,
): Stroke[] {
  return hinges.flatMap((hinge, i) => {
    const tip = mix(closed, open[i]!, t);
    const middle = mix(hinge, tip, 0.5);
    // A closed leaflet domes towards the side to which it opens.
    const bulge = 0.12 * (1 - t);
    const bent = mix(middle, open[i]!, bulge);
    return polyline([hinge, bent, tip], 0.004, 0.42);
  });
}
