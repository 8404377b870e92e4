/**
 * The two-dimensional shapes from which the simulator builds hearts. Coordinates are those of the sector: u to
 * the right and v downwards (away from the transducer), in units of the imaging depth, apex at (0, 0).
 */
export type Point = readonly [u: number, v: number];

/** A blood-filled space. Angles in radians, clockwise on the screen (v points down). */
export type Cavity =
  | { kind: "ellipse"; centre: Point; radii: Point; angle: number }
  | { kind: "tube"; from: Point; to: Point; halfWidth: number }
  | { kind: "arc"; centre: Point; radius: number; halfWidth: number; start: number; end: number };

/** A bright line: a leaflet, a septum or the pericardium. */
export interface Stroke {
  from: Point;
  to: Point;
  halfWidth: number;
  brightness: number;
}

/** A number for every place; of a shape, its signed distance: negative inside, in depth units. */
export type Distance = (u: number, v: number) => number;

/** Distance from a point to the segment `from`-`to`. */
function segmentDistance(from: Point, to: Point): Distance {
  const [fu, fv] = from;
  const du = to[0] - fu;
  const dv = to[1] - fv;
  const inverse = 1 / Math.max(du * du + dv * dv, 1e-12);
  return (u, v) => {
    const along = Math.min(1, Math.max(0, ((u - fu) * du + (v - fv) * dv) * inverse));
    const a = u - fu - along * du;
    const b = v - fv - along * dv;
    return Math.sqrt(a * a + b * b);
  };
}

/** How fast a stroke fades beyond its half-width, depth units: thick ones have soft borders. */
function fadeOf(halfWidth: number): number {
  return 0.003 + 0.55 * halfWidth;
}

/** A straight beam: where it starts, its unit direction, and how far its samples may stray from it sideways. */
export interface Ray {
  u: number;
  v: number;
  directionU: number;
  directionV: number;
  stray: number;
}

/** Echoes of strokes along beams. */
export interface StrokeEchoes {
  /** Makes ready for the samples of one beam. */
  aim(ray: Ray): void;
  /** Echo 0..1 at (u, v), a sample of the beam at this distance from its start. */
  at(u: number, v: number, distance: number): number;
}

/** Numbers a stroke has in the flat array, and a stroke in reach of the beam: its offset there and its span. */
const WIDTH = 10;

/**
 * Echo of the brightest stroke at a place: its brightness within the half-width, falling off as a Gaussian
 * beyond, 0 far away. A stroke across the beam mirrors it; one along the beam hardly shows. Flat arrays and
 * only the strokes that a beam can meet, since this runs at every sample.
 */
export function strokeEchoes(strokes: readonly Stroke[]): StrokeEchoes {
  const flat = Float64Array.from(
    strokes.flatMap(({ from, to, halfWidth, brightness }) => {
      const [du, dv] = [to[0] - from[0], to[1] - from[1]];
      const squared = Math.max(du * du + dv * dv, 1e-12);
      const fade = fadeOf(halfWidth);
      const reach = halfWidth + 2.6 * fade;
      return [
        from[0],
        from[1],
        du,
        dv,
        1 / squared,
        halfWidth,
        brightness,
        fade,
        reach,
        1 / Math.sqrt(squared),
      ];
    }),
  );
  const met = new Int32Array(strokes.length);
  const begin = new Float64Array(strokes.length);
  const end = new Float64Array(strokes.length);
  const mirror = new Float64Array(strokes.length);
  let count = 0;
  return {
    aim({ u, v, directionU, directionV, stray }) {
      count = 0;
      for (let i = 0; i < flat.length; i += WIDTH) {
        const [a, b] = [flat[i]! - u, flat[i + 1]! - v];
        const [du, dv] = [flat[i + 2]!, flat[i + 3]!];
        const margin = flat[i + 8]! + stray;
        const side = a * directionV - b * directionU;
        const otherSide = side + du * directionV - dv * directionU;
        if (Math.min(side, otherSide) > margin || Math.max(side, otherSide) < -margin) continue;
        const along = a * directionU + b * directionV;
        const otherAlong = along + du * directionU + dv * directionV;
        met[count] = i;
        begin[count] = Math.min(along, otherAlong) - margin;
        end[count] = Math.max(along, otherAlong) + margin;
        mirror[count] = 0.22 + 0.78 * Math.abs(du * directionV - dv * directionU) * flat[i + 9]!;
        count++;
      }
    },
    at(u, v, distance) {
      let echo = 0;
      for (let k = 0; k < count; k++) {
        if (distance < begin[k]! || distance > end[k]!) continue;
        const i = met[k]!;
        const a = u - flat[i]!;
        const b = v - flat[i + 1]!;
        const du = flat[i + 2]!;
        const dv = flat[i + 3]!;
        const along = Math.min(1, Math.max(0, (a * du + b * dv) * flat[i + 4]!));
        const x = a - along * du;
        const y = b - along * dv;
        const squared = x * x + y * y;
        if (squared > flat[i + 8]! * flat[i + 8]!) continue;
        const beyond = Math.max(0, Math.sqrt(squared) - flat[i + 5]!) / flat[i + 7]!;
        echo = Math.max(echo, flat[i + 6]! * mirror[k]! * Math.exp(-beyond * beyond));
      }
      return echo;
    },
  };
}

/** Signed distance to a cavity's border; for an ellipse to first order, k (k - 1) / |grad k^2 / 2|. */
export function cavityDistance(cavity: Cavity): Distance {
  switch (cavity.kind) {
    case "ellipse":
      return ellipseDistance(cavity.centre, cavity.radii, cavity.angle);
    case "tube": {
      const toAxis = segmentDistance(cavity.from, cavity.to);
      return (u, v) => toAxis(u, v) - cavity.halfWidth;
    }
    case "arc":
      return arcDistance(cavity.centre, cavity.radius, cavity.halfWidth, cavity.start, cavity.end);
  }
}

function ellipseDistance(centre: Point, radii: Point, angle: number): Distance {
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const [ru, rv] = radii;
  return (u, v) => {
    const a = ((u - centre[0]) * cos + (v - centre[1]) * sin) / ru;
    const b = ((v - centre[1]) * cos - (u - centre[0]) * sin) / rv;
    const k = Math.sqrt(a * a + b * b);
    if (k < 1e-6) return -Math.min(ru, rv);
    return (k * (k - 1)) / Math.sqrt((a * a) / (ru * ru) + (b * b) / (rv * rv));
  };
}

function arcDistance(centre: Point, radius: number, halfWidth: number, start: number, end: number): Distance {
  const middle = (start + end) / 2;
  const halfSpan = (end - start) / 2;
  const tip = (angle: number): Point => [
    centre[0] + radius * Math.cos(angle),
    centre[1] + radius * Math.sin(angle),
  ];
  const [first, last] = [tip(start), tip(end)];
  return (u, v) => {
    const a = u - centre[0];
    const b = v - centre[1];
    const turn = Math.atan2(b, a) - middle;
    const wrapped = turn - 2 * Math.PI * Math.round(turn / (2 * Math.PI));
    if (Math.abs(wrapped) <= halfSpan) return Math.abs(Math.sqrt(a * a + b * b) - radius) - halfWidth;
    const toFirst = (u - first[0]) ** 2 + (v - first[1]) ** 2;
    const toLast = (u - last[0]) ** 2 + (v - last[1]) ** 2;
    return Math.sqrt(Math.min(toFirst, toLast)) - halfWidth;
  };
}
