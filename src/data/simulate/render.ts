import { type Anatomy, buildAnatomy, type Valve, type View } from "./anatomy.js";
import { JET, jetField, LAMINAR_FLOW, laminarFlow, NO_FLOW, velocityColour } from "./doppler.js";
import { cell, type NoiseBank, smoothNoise, speckle } from "./noise.js";
import { drawColourBar, drawColourBoxOutline, drawTicks } from "./overlay.js";
import {
  BEAMS,
  beamAngle,
  type PolarWindow,
  type RgbPicture,
  ROWS,
  rowRadius,
  type SectorMap,
} from "./sector.js";
import { cavityDistance, type Distance, strokesEcho } from "./shapes.js";
import type { ClipLook, FramePose, PatientLook } from "./variation.js";

/** All that one frame shows. */
export interface Scene {
  view: View;
  valve: Valve;
  patient: PatientLook;
  clip: ClipLook;
  frame: FramePose;
}

/** A rendered frame and its label: the box around the jet's pixels, [x1, y1, x2, y2] with x2, y2 exclusive. */
export interface RenderedFrame {
  picture: RgbPicture;
  box: [number, number, number, number];
}

/** Largest displacement of the anatomy by its warping, depth units. */
const WARP = 0.02;
/** Echo amplitude of blood, about 48 dB under the brightest tissue. */
const BLOOD = 0.004;

/** Echo and flow on the polar grid [ROWS, BEAMS] of the scanner, before scan conversion. */
interface PolarFrame {
  echo: Float32Array;
  flow: Uint8Array;
  velocity: Float32Array;
}

/** Renders one frame: echo and Doppler on the polar grid, scan conversion, then the scanner's overlay. */
export function renderFrame(bank: NoiseBank, map: SectorMap, scene: Scene): RenderedFrame {
  const anatomy = buildAnatomy(scene.view, scene.frame.cycle, scene.patient.proportions);
  const pose = inversePose(scene.clip, scene.frame);
  const window = colourWindow(anatomy, scene);
  const polar = renderPolar(bank, scene, anatomy, pose, window);
  const rendered = scanConvert(map, polar, scene.patient);
  drawColourBoxOutline(rendered.picture, map, window);
  if (scene.patient.ticks) drawTicks(rendered.picture, map);
  if (scene.patient.colourBar) drawColourBar(rendered.picture);
  return rendered;
}

/** Similarity from the sector's coordinates to the anatomy's. */
interface Pose {
  u: number;
  v: number;
  cos: number;
  sin: number;
}

/** Undoes the clip's shift, rotation and scale about (0, 0.5), and the frame's drift. */
function inversePose(clip: ClipLook, frame: FramePose): Pose {
  return {
    u: clip.shift[0] + frame.drift[0],
    v: 0.5 + clip.shift[1] + frame.drift[1],
    cos: Math.cos(clip.rotation) / clip.scale,
    sin: Math.sin(clip.rotation) / clip.scale,
  };
}

/** The clip's colour box around the jet: a window of angles and radii. */
function colourWindow(anatomy: Anatomy, scene: Scene): PolarWindow {
  const { clip, patient } = scene;
  const jet = anatomy.jets[scene.valve]!;
  const reach = clip.jetLength / 2;
  const au = jet.orifice[0] + jet.direction[0] * reach;
  const av = jet.orifice[1] + jet.direction[1] * reach - 0.5;
  const cos = Math.cos(clip.rotation) * clip.scale;
  const sin = Math.sin(clip.rotation) * clip.scale;
  const u = au * cos - av * sin + clip.shift[0];
  const v = 0.5 + au * sin + av * cos + clip.shift[1];
  const angle = Math.atan2(u, v);
  const radius = Math.hypot(u, v);
  const halfDepth = clip.jetLength * 0.6 + clip.colourMargin;
  return {
    angleFrom: Math.max(-patient.halfAngle, angle - clip.colourHalfAngle),
    angleTo: Math.min(patient.halfAngle, angle + clip.colourHalfAngle),
    radiusFrom: Math.max(patient.nearRadius + 0.05, radius - halfDepth),
    radiusTo: Math.min(0.99, radius + halfDepth),
  };
}

function renderPolar(
  bank: NoiseBank,
  scene: Scene,
  anatomy: Anatomy,
  pose: Pose,
  window: PolarWindow,
): PolarFrame {
  const { patient, clip, frame } = scene;
  const size = ROWS * BEAMS;
  const out = {
    echo: new Float32Array(size),
    flow: new Uint8Array(size),
    velocity: new Float32Array(size),
  };
  const haze = Float64Array.from(
    { length: ROWS },
    (_, row) => 0.25 * Math.exp(-(rowRadius(row, patient.nearRadius) - patient.nearRadius) / 0.025),
  );
  const warpAt = clip.offset[0] + 0.5;
  const cavities = anatomy.cavities.map(cavityDistance);
  const reflect = reflectivity(anatomy, bank, scene);
  const jet = jetField(bank, anatomy, scene.valve, clip, frame);
  for (let beam = 0; beam < BEAMS; beam++) {
    const angle = beamAngle(beam, patient.halfAngle);
    const [beamU, beamV] = [Math.sin(angle), Math.cos(angle)];
    const beamGain = 6 * smoothNoise(bank, beam / 13 + clip.offset[0], clip.offset[1]);
    const inWindow = angle > window.angleFrom && angle < window.angleTo;
    for (let row = 0; row < ROWS; row++) {
      const radius = rowRadius(row, patient.nearRadius);
      const [du, dv] = [radius * beamU - pose.u, radius * beamV - pose.v];
      const plainU = du * pose.cos + dv * pose.sin;
      const plainV = 0.5 + dv * pose.cos - du * pose.sin;
      // Low-frequency warping: no heart is made of ellipses.
      const u = plainU + WARP * smoothNoise(bank, plainU * 6 + warpAt, plainV * 6);
      const v = plainV + WARP * smoothNoise(bank, plainV * 6, plainU * 6 + warpAt);
      const i = row * BEAMS + beam;
      const depth = cavityDepth(cavities, u, v);
      const grain = speckle(
        bank,
        cell(row + clip.offset[0], beam + clip.offset[1]),
        cell(row + frame.offset[0], beam + frame.offset[1]),
        0.6,
      );
      const decibel = 20 * Math.log10((reflect(u, v, depth) + haze[row]!) * grain + 1e-5);
      const gain = patient.gain + beamGain - patient.depthLoss * (radius - 0.4);
      out.echo[i] = 255 * Math.min(1, Math.max(0, (decibel + gain) / patient.dynamicRange + 1));
      const velocity = jet(u, v, beamU, beamV);
      if (!Number.isNaN(velocity)) {
        out.flow[i] = JET;
        out.velocity[i] = velocity;
      } else if (inWindow && depth < -0.008 && radius > window.radiusFrom && radius < window.radiusTo) {
        const slow = laminarFlow(bank, clip, frame, u, v);
        out.flow[i] = Number.isNaN(slow) ? NO_FLOW : LAMINAR_FLOW;
        out.velocity[i] = slow;
      }
    }
  }
  return out;
}

/** Distance to the nearest cavity's border, negative in blood. */
function cavityDepth(cavities: readonly Distance[], u: number, v: number): number {
  let nearest = Number.POSITIVE_INFINITY;
  for (const distance of cavities) nearest = Math.min(nearest, distance(u, v));
  return nearest;
}

/** Echo amplitude 0..1 of a place, given its signed distance to blood: dark blood, bright walls and strokes. */
function reflectivity(anatomy: Anatomy, bank: NoiseBank, scene: Scene) {
  const strokes = strokesEcho(anatomy.strokes);
  const { wall } = anatomy;
  const { background } = scene.patient;
  const [ou, ov] = scene.clip.offset;
  return (u: number, v: number, depth: number): number => {
    const bright = strokes(u, v);
    if (depth <= -0.012 && bright === 0) return BLOOD;
    const patches = Math.exp(1.3 * smoothNoise(bank, u * 6 + ov, v * 9 + ou));
    let tissue = BLOOD;
    if (depth > -0.012) {
      const layer = depth / wall.thickness;
      const solid = (background + wall.brightness * Math.exp(-layer * layer)) * patches;
      tissue += solid * Math.min(1, Math.max(0, (depth + 0.012) / 0.02));
    }
    return bright > 0 ? Math.max(tissue, bright * Math.sqrt(patches)) : tissue;
  };
}

/** Bilinear for the echo; nearest for colour, which shows the scanner's coarse cells as the real thing does. */
function scanConvert(map: SectorMap, polar: PolarFrame, patient: PatientLook): RenderedFrame {
  const { width, height } = map;
  const data = new Uint8Array(width * height * 3);
  const box: [number, number, number, number] = [width, height, 0, 0];
  for (let pixel = 0; pixel < width * height; pixel++) {
    const row = map.row[pixel]!;
    if (row < 0) continue;
    const beam = map.beam[pixel]!;
    const nearest = Math.round(row) * BEAMS + Math.round(beam);
    if (polar.flow[nearest] !== NO_FLOW) {
      data.set(velocityColour(polar.velocity[nearest]!), pixel * 3);
      if (polar.flow[nearest] === JET) growBox(box, pixel % width, Math.floor(pixel / width));
      continue;
    }
    const grey = interpolate(polar.echo, row, beam);
    data[pixel * 3] = grey * patient.tint[0];
    data[pixel * 3 + 1] = grey * 0.98;
    data[pixel * 3 + 2] = Math.min(255, grey * patient.tint[1]);
  }
  return { picture: { width, height, data }, box };
}

function growBox(box: [number, number, number, number], x: number, y: number): void {
  if (x < box[0]) box[0] = x;
  if (y < box[1]) box[1] = y;
  if (x >= box[2]) box[2] = x + 1;
  if (y >= box[3]) box[3] = y + 1;
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
