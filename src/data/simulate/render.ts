import type { Anatomy, Valve, View } from "./anatomy.js";
import {
  JET,
  type Jet,
  jetCore,
  LAMINAR_FLOW,
  laminarFlow,
  NO_FLOW,
  placeJet,
  strayFlow,
} from "./doppler.js";
import { type Beam, echoTracer } from "./echo.js";
import { buildAnatomy } from "./heart.js";
import { colourTable, SPEEDS } from "./machines.js";
import { type NoiseBank, smoothNoise } from "./noise.js";
import { drawOverlay } from "./overlay.js";
import {
  BEAMS,
  beamAngle,
  type PolarWindow,
  type RgbPicture,
  ROWS,
  rowRadius,
  type SectorMap,
} from "./sector.js";
import type { Point } from "./shapes.js";
import type { ClipLook, FramePose, PatientLook } from "./variation.js";
import { LARGEST_WARP, unwarp, warpU, warpV } from "./warp.js";

/** All that one frame shows. */
export interface Scene {
  view: View;
  valve: Valve;
  patient: PatientLook;
  clip: ClipLook;
  frame: FramePose;
}

/** Pixels [x1, y1, x2, y2], x2 and y2 exclusive. */
export type PixelBox = [number, number, number, number];

/** A rendered frame and its truth. */
export interface RenderedFrame {
  picture: RgbPicture;
  /** The label: box around the leaking valve's leaflets and the turbulent core of its jet. */
  box: PixelBox;
  /** Box around the pixels of the core alone. */
  jetBox: PixelBox;
}

/** Samples of a beam from one place whose warping is worked out to the next. */
const WARP_EVERY = 4;
/** Grey level above which a scanner shows tissue and not flow. */
const TISSUE_FIRST = 105;

/** Echo and flow on the polar grid [ROWS, BEAMS] of the scanner, before scan conversion. */
interface PolarFrame {
  grey: Float32Array;
  flow: Uint8Array;
  velocity: Float32Array;
}

/** Renders one frame: echo and Doppler on the polar grid, scan conversion, then the scanner's overlay. */
export function renderFrame(bank: NoiseBank, map: SectorMap, scene: Scene): RenderedFrame {
  const anatomy = buildAnatomy(scene.view, scene.frame.cycle, scene.patient.proportions);
  const jet = placeJet(anatomy.leaks[scene.valve]!, scene.clip, scene.frame);
  const window = colourWindow(jet, bank, scene);
  const polar = renderPolar(bank, scene, { anatomy, jet, window });
  for (let pass = 0; pass < scene.patient.machine.smoothing; pass++) smoothAcross(polar.grey);
  const { picture, jetBox } = scanConvert(map, polar, scene.patient);
  drawOverlay(picture, map, window, scene);
  return { picture, jetBox, box: labelBox(jetBox, anatomy, map, { bank, scene }) };
}

/** A place of the anatomy in the sector's coordinates: unwarped, the clip's scale and rotation about (0, 0.5), its shift. */
function toSector(place: Point, bank: NoiseBank, { clip, frame }: Scene): Point {
  const [u, v] = unwarp(bank, clip.offset[0], place);
  const cos = Math.cos(clip.rotation) * clip.scale;
  const sin = Math.sin(clip.rotation) * clip.scale;
  const dv = v - 0.5;
  return [
    u * cos - dv * sin + clip.shift[0] + frame.drift[0],
    0.5 + u * sin + dv * cos + clip.shift[1] + frame.drift[1],
  ];
}

/** The clip's colour box: around the jet at its largest, by the clip's margins. */
function colourWindow(jet: Jet, bank: NoiseBank, scene: Scene): PolarWindow {
  const { clip, patient } = scene;
  const still = { ...scene, frame: { ...scene.frame, drift: [0, 0] as const } };
  const corners = [0, clip.jetLength].flatMap((along) =>
    [-0.6, 0.6].map((side) =>
      toSector(
        [
          jet.origin[0] + along * jet.cos - side * clip.jetWidth * jet.sin,
          jet.origin[1] + along * jet.sin + side * clip.jetWidth * jet.cos,
        ],
        bank,
        still,
      ),
    ),
  );
  const angles = corners.map(([u, v]) => Math.atan2(u, v));
  const radii = corners.map(([u, v]) => Math.hypot(u, v));
  const [left, right, up, down] = clip.boxMargins;
  return {
    angleFrom: Math.max(-patient.halfAngle, Math.min(...angles) - left),
    angleTo: Math.min(patient.halfAngle, Math.max(...angles) + right),
    radiusFrom: Math.max(patient.nearRadius + 0.02, Math.min(...radii) - up),
    radiusTo: Math.min(0.985, Math.max(...radii) + down),
  };
}

function renderPolar(
  bank: NoiseBank,
  scene: Scene,
  { anatomy, jet, window }: { anatomy: Anatomy; jet: Jet; window: PolarWindow },
): PolarFrame {
  const { patient, clip, frame } = scene;
  const out = {
    grey: new Float32Array(ROWS * BEAMS),
    flow: new Uint8Array(ROWS * BEAMS),
    velocity: new Float32Array(ROWS * BEAMS),
  };
  const trace = echoTracer(bank, { anatomy, patient, clip, frame });
  const core = jetCore(bank, jet, scene.valve, clip, frame);
  const laminar = laminarFlow(bank, anatomy, jet, clip, frame);
  const stray = strayFlow(bank, clip, frame);
  const depth = new Float64Array(ROWS);
  const grey = new Float64Array(ROWS);
  const beam = emptyBeam();
  for (let b = 0; b < BEAMS; b++) {
    aim(beam, b, bank, scene);
    trace(beam, depth, grey);
    const { directionU, directionV } = beam.ray;
    const inWindow = beam.angle > window.angleFrom && beam.angle < window.angleTo;
    for (let row = 0; row < ROWS; row++) {
      const i = row * BEAMS + b;
      out.grey[i] = grey[row]!;
      if (!inWindow) continue;
      const radius = rowRadius(row, patient.nearRadius);
      if (radius < window.radiusFrom || radius > window.radiusTo) continue;
      const streak = smoothNoise(bank, b / 6 + frame.offset[0], row / 1.8 + frame.offset[1]);
      const u = beam.u[row]!;
      const v = beam.v[row]!;
      let velocity = core(u, v, directionU, directionV, streak);
      let kind = JET;
      // Flow is laminar in blood, stray in tissue, and not shown where tissue is bright.
      if (Number.isNaN(velocity) && grey[row]! <= TISSUE_FIRST) {
        kind = LAMINAR_FLOW;
        const quiet = depth[row]! + 0.006 * streak < 0.004 ? laminar : stray;
        velocity = quiet(u, v, directionU, directionV, streak);
      }
      if (Number.isNaN(velocity)) continue;
      out.flow[i] = kind;
      out.velocity[i] = velocity;
    }
  }
  return out;
}

function emptyBeam(): Beam {
  return {
    index: 0,
    angle: 0,
    ray: { u: 0, v: 0, directionU: 0, directionV: 1, stray: LARGEST_WARP * Math.SQRT2 },
    spacing: 0,
    u: new Float64Array(ROWS),
    v: new Float64Array(ROWS),
  };
}

/** Points `beam` at number `index`: undoes the clip's pose and the warping that makes no two hearts alike. */
function aim(beam: Beam, index: number, bank: NoiseBank, { patient, clip, frame }: Scene): void {
  const angle = beamAngle(index, patient.halfAngle);
  const cos = Math.cos(clip.rotation) / clip.scale;
  const sin = Math.sin(clip.rotation) / clip.scale;
  const [beamU, beamV] = [Math.sin(angle), Math.cos(angle)];
  beam.index = index;
  beam.angle = angle;
  const start = rowRadius(0, patient.nearRadius);
  const originU = -clip.shift[0] - frame.drift[0];
  const originV = -0.5 - clip.shift[1] - frame.drift[1];
  const { ray } = beam;
  ray.directionU = (beamU * cos + beamV * sin) * clip.scale;
  ray.directionV = (beamV * cos - beamU * sin) * clip.scale;
  ray.u = (start * beamU + originU) * cos + (start * beamV + originV) * sin;
  ray.v = 0.5 + (start * beamV + originV) * cos - (start * beamU + originU) * sin;
  beam.spacing = (1 - start) / (ROWS - 1) / clip.scale;
  const straight = (row: number): [u: number, v: number] => [
    ray.u + row * beam.spacing * ray.directionU,
    ray.v + row * beam.spacing * ray.directionV,
  ];
  // The warping is smooth: every few samples are enough, with straight lines between them.
  let [u, v] = straight(0);
  beam.u[0] = u + warpU(bank, clip.offset[0], u, v);
  beam.v[0] = v + warpV(bank, clip.offset[0], u, v);
  for (let from = 0; from < ROWS - 1; from += WARP_EVERY) {
    const to = Math.min(ROWS - 1, from + WARP_EVERY);
    [u, v] = straight(to);
    const endU = u + warpU(bank, clip.offset[0], u, v);
    const endV = v + warpV(bank, clip.offset[0], u, v);
    for (let row = from + 1; row <= to; row++) {
      const t = (row - from) / (to - from);
      beam.u[row] = beam.u[from]! + t * (endU - beam.u[from]!);
      beam.v[row] = beam.v[from]! + t * (endV - beam.v[from]!);
    }
  }
}

/** A [1 2 1] / 4 pass along the beams' axis, as scanners smooth their pictures. */
function smoothAcross(grey: Float32Array): void {
  for (let row = 0; row < ROWS; row++) {
    let before = grey[row * BEAMS]!;
    for (let i = row * BEAMS + 1; i < row * BEAMS + BEAMS - 1; i++) {
      const here = grey[i]!;
      grey[i] = (before + 2 * here + grey[i + 1]!) / 4;
      before = here;
    }
  }
}

/** Bilinear for the echo; nearest for colour, which shows the scanner's coarse cells as the real thing does. */
function scanConvert(
  map: SectorMap,
  polar: PolarFrame,
  { machine }: PatientLook,
): { picture: RgbPicture; jetBox: PixelBox } {
  const { width, height } = map;
  const data = new Uint8Array(width * height * 3);
  const jetBox: PixelBox = [width, height, 0, 0];
  const table = colourTable(machine.map);
  const [red, green, blue] = machine.tint;
  for (let pixel = 0; pixel < width * height; pixel++) {
    const row = map.row[pixel]!;
    if (row < 0) continue;
    const beam = map.beam[pixel]!;
    const nearest = Math.round(row) * BEAMS + Math.round(beam);
    const flow = polar.flow[nearest]!;
    const to = pixel * 3;
    if (flow !== NO_FLOW) {
      const from = Math.round((polar.velocity[nearest]! + 1) * SPEEDS) * 3;
      data[to] = table[from]!;
      data[to + 1] = table[from + 1]!;
      data[to + 2] = table[from + 2]!;
      if (flow === JET) {
        data[to + 1] = Math.min(255, data[to + 1]! + machine.map.variance * ((nearest % 5) / 5));
        growBox(jetBox, pixel % width, Math.floor(pixel / width));
      }
      continue;
    }
    const grey = interpolate(polar.grey, row, beam);
    data[to] = Math.min(255, grey * red);
    data[to + 1] = Math.min(255, grey * green);
    data[to + 2] = Math.min(255, grey * blue);
  }
  return { picture: { width, height, data }, jetBox };
}

function growBox(box: PixelBox, x: number, y: number): void {
  if (x < box[0]) box[0] = x;
  if (y < box[1]) box[1] = y;
  if (x >= box[2]) box[2] = x + 1;
  if (y >= box[3]) box[3] = y + 1;
}

/** The box around the core, the valve's hinges and its region, within the picture. */
function labelBox(
  jetBox: PixelBox,
  anatomy: Anatomy,
  map: SectorMap,
  { bank, scene }: { bank: NoiseBank; scene: Scene },
): PixelBox {
  const box: PixelBox = [...jetBox];
  const { hinges, region } = anatomy.leaks[scene.valve]!;
  for (const place of [...hinges, ...region]) {
    const [u, v] = toSector(place, bank, scene);
    const x = Math.floor(map.apex[0] + u * map.pixelsPerDepth);
    const y = Math.floor(map.apex[1] + v * map.pixelsPerDepth);
    growBox(box, Math.min(map.width - 1, Math.max(0, x)), Math.min(map.height - 1, Math.max(0, y)));
  }
  return box;
}

function interpolate(grid: Float32Array, row: number, beam: number): number {
  const r0 = Math.min(ROWS - 2, Math.floor(row));
  const b0 = Math.min(BEAMS - 2, Math.floor(beam));
  const [fr, fb] = [row - r0, beam - b0];
  const i = r0 * BEAMS + b0;
  const upper = grid[i]! * (1 - fb) + grid[i + 1]! * fb;
  const lower = grid[i + BEAMS]! * (1 - fb) + grid[i + BEAMS + 1]! * fb;
  return upper * (1 - fr) + lower * fr;
}
