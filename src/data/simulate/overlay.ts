import { ADVANCE, traceText } from "./font.js";
import { colourTable, type Machine, type Rgb, SPEEDS } from "./machines.js";
import type { PolarWindow, RgbPicture, SectorMap } from "./sector.js";
import type { ClipLook, FramePose, PatientLook } from "./variation.js";

/** What an overlay shows of a frame. */
interface Shown {
  patient: PatientLook;
  clip: ClipLook;
  frame: FramePose;
}

const YELLOW: Rgb = [255, 238, 20];
const PALE: Rgb = [150, 150, 135];
const TEAL: Rgb = [60, 150, 140];
const GREEN: Rgb = [90, 200, 80];
const WHITE: Rgb = [245, 245, 245];

/** Draws the colour box and what the patient's scanner shows around the sector; all sizes follow the picture's. */
export function drawOverlay(picture: RgbPicture, map: SectorMap, window: PolarWindow, shown: Shown): void {
  const pen = new Pen(picture, map);
  drawColourBox(pen, window, shown.patient.machine);
  OVERLAYS[shown.patient.machine.overlay](pen, shown);
}

/** Burns a line of text into the upper left corner, over whatever is there. */
export function burnText(picture: RgbPicture, map: SectorMap, text: string): void {
  new Pen(picture, map).text(text, 0.02, 0.02, 1.4, WHITE);
}

const OVERLAYS: Record<Machine["overlay"], (pen: Pen, shown: Shown) => void> = {
  cropped: (pen, { patient }) => {
    depthMarks(pen, patient);
    pen.mark("V", 0.547 + patient.apex[0] - 0.505, 0.024, 2.1, YELLOW, 2);
    const [x, y] = pen.place(0.36, -patient.halfAngle - 0.16);
    pen.triangle(x, y, 0.011, YELLOW);
  },
  caliper: (pen, { patient }) => {
    for (let i = 1; i < patient.depthCm; i++) {
      pen.dot(
        ...pen.place(i / patient.depthCm, patient.halfAngle + 0.02),
        i % 5 === 0 ? 0.004 : 0.002,
        WHITE,
      );
    }
    const [fromX, fromY] = pen.place(0.56, patient.halfAngle + 0.14);
    const [toX, toY] = pen.place(0.78, patient.halfAngle + 0.1);
    pen.line(fromX, fromY, toX, toY, WHITE);
    pen.dot((fromX + toX) / 2, (fromY + toY) / 2, 0.006, GREEN);
    pen.dot(0.545 * pen.width, 0.1 * pen.height, 0.018, [96, 112, 150]);
    pen.bar(0.935, 0.955, 0.055, 0.36, (t) => [255 * (1 - t), 255 * (1 - t), 255 * (1 - t)]);
    pen.colourBar(0.956, 0.985, 0.055, 0.36, patient.machine);
    pen.textLeftOf(`+${patient.nyquist.toFixed(1)}`, 0.992, 0.025, 1, WHITE);
    pen.textLeftOf(`-${patient.nyquist.toFixed(1)}`, 0.992, 0.375, 1, WHITE);
  },
  trace: (pen, shown) => {
    depthMarks(pen, shown.patient);
    pen.mark("V", 0.535, 0.028, 1.3, [215, 225, 20], 1);
    pen.colourBar(0.956, 0.985, 0.065, 0.32, shown.patient.machine);
    drawTrace(pen, shown, 0.88, TEAL);
    pen.textLeftOf(String(shown.patient.heartRate), 0.992, 0.9, 1.2, PALE);
    pen.textLeftOf("HR", 0.992, 0.935, 1.2, PALE);
  },
  plain: (pen, shown) => {
    pen.dot(pen.map.apex[0] - 0.06 * pen.height, 0.05 * pen.height, 0.009, GREEN);
    for (let i = 1; i < shown.patient.depthCm; i++) {
      const y = pen.map.apex[1] + (i / shown.patient.depthCm) * pen.map.pixelsPerDepth;
      const x = 0.93 * pen.width;
      pen.line(x, y, x + (i % 5 === 0 ? 0.02 : 0.01) * pen.width, y, PALE);
    }
    pen.colourBar(0.03, 0.055, 0.06, 0.36, shown.patient.machine);
    drawTrace(pen, shown, 0.95, GREEN);
  },
};

/** The outline of the colour box: two radial edges and two arcs. */
function drawColourBox(pen: Pen, window: PolarWindow, { outline }: Machine): void {
  const colour: Rgb = [outline.grey, outline.grey, outline.grey];
  const steps = 32;
  for (const angle of [window.angleFrom, window.angleTo]) {
    pen.path(
      [pen.place(window.radiusFrom, angle), pen.place(window.radiusTo, angle)],
      outline.thickness,
      colour,
    );
  }
  for (const radius of [window.radiusFrom, window.radiusTo]) {
    const arc = Array.from({ length: steps + 1 }, (_, i) =>
      pen.place(radius, window.angleFrom + (i / steps) * (window.angleTo - window.angleFrom)),
    );
    pen.path(arc, outline.thickness, colour);
  }
}

/** Depth marks beside the sector's left edge, every centimetre, with numbers every five (or two where shallow). */
function depthMarks(pen: Pen, { halfAngle, depthCm }: PatientLook): void {
  const numbered = depthCm < 10 ? 2 : 5;
  for (let cm = 1; cm < depthCm; cm++) {
    const far = cm % numbered === 0;
    const radius = cm / depthCm;
    const out = (far ? 0.03 : 0.012) / radius;
    const start = halfAngle + 0.006 / radius;
    pen.path([pen.place(radius, -start), pen.place(radius, -start - out)], 0.6, PALE);
    if (!far) continue;
    const [x, y] = pen.place(radius, -start - out - 0.035 / radius);
    pen.textAt(String(cm), x - (cm > 9 ? 6 : 3) * pen.unit, y - 3.5 * pen.unit, 1, PALE);
  }
}

/** An electrocardiogram of a few beats, with a mark at the frame's place in the cycle. */
function drawTrace(pen: Pen, { patient, clip, frame }: Shown, share: number, colour: Rgb): void {
  const left = 0.03 * pen.width;
  const right = 0.88 * pen.width;
  const beats = 3 + (patient.heartRate % 3);
  const start = (clip.offset[0] / 256) % 1;
  const points = Array.from({ length: 240 }, (_, i) => {
    const phase = (start + (i / 239) * beats) % 1;
    return [
      left + (i / 239) * (right - left),
      (share - 0.03 * electrocardiogram(phase)) * pen.height,
    ] as const;
  });
  pen.path(points, 0.8, colour);
  const now = ((2 - start + frame.cycle.phase) % 1) / beats;
  const x = left + now * (right - left);
  pen.path(
    [
      [x, (share - 0.035) * pen.height],
      [x, (share + 0.02) * pen.height],
    ],
    0.6,
    PALE,
  );
}

/** Height of an electrocardiogram at a phase of the cycle (0: the R wave): P, QRS and T as bumps, R about 1. */
function electrocardiogram(phase: number): number {
  const wave = (at: number, width: number, height: number): number => {
    const away = phase - at - Math.round(phase - at);
    return height * Math.exp(-((away / width) ** 2));
  };
  return (
    wave(0, 0.012, 1) +
    wave(-0.03, 0.012, -0.15) +
    wave(0.03, 0.014, -0.3) +
    wave(0.3, 0.05, 0.3) +
    wave(-0.15, 0.03, 0.15)
  );
}

/** Draws on a picture in pixels; `unit` is the size of one of its pixels at a height of 320. */
class Pen {
  readonly width: number;
  readonly height: number;
  readonly unit: number;

  constructor(
    readonly picture: RgbPicture,
    readonly map: SectorMap,
  ) {
    this.width = picture.width;
    this.height = picture.height;
    this.unit = picture.height / 320;
  }

  /** Pixel coordinates of a place of the sector. */
  place(radius: number, angle: number): readonly [x: number, y: number] {
    const length = radius * this.map.pixelsPerDepth;
    return [this.map.apex[0] + Math.sin(angle) * length, this.map.apex[1] + Math.cos(angle) * length];
  }

  /** Lines through points, `thickness` units thick (at least about a pixel), soft at their edges. */
  path(points: readonly (readonly [x: number, y: number])[], thickness: number, colour: Rgb): void {
    for (const [i, to] of points.slice(1).entries()) this.#segment(points[i]!, to, thickness, colour);
  }

  line(x1: number, y1: number, x2: number, y2: number, colour: Rgb): void {
    this.#segment([x1, y1], [x2, y2], 1, colour);
  }

  #segment(
    [x1, y1]: readonly [number, number],
    [x2, y2]: readonly [number, number],
    thickness: number,
    colour: Rgb,
  ): void {
    const half = Math.max(0.5, (thickness * this.unit) / 2);
    const squared = Math.max((x2 - x1) ** 2 + (y2 - y1) ** 2, 1e-9);
    const length = Math.sqrt(squared);
    const steep = Math.abs(y2 - y1) > Math.abs(x2 - x1);
    const reach = Math.ceil(half + 1);
    for (let i = 0; i <= Math.ceil(length); i++) {
      const t = Math.min(1, i / length);
      const [cx, cy] = [x1 + t * (x2 - x1), y1 + t * (y2 - y1)];
      for (let k = -reach; k <= reach; k++) {
        const [x, y] = steep ? [Math.floor(cx) + k, Math.floor(cy)] : [Math.floor(cx), Math.floor(cy) + k];
        const away = Math.abs((x + 0.5 - x1) * (y2 - y1) - (y + 0.5 - y1) * (x2 - x1)) / length;
        this.#blend(x, y, colour, Math.min(1, Math.max(0, half + 0.5 - away)));
      }
    }
  }

  /** A disc; the radius is a share of the picture's height. */
  dot(x: number, y: number, radius: number, colour: Rgb): void {
    const r = Math.max(0.7, radius * this.height);
    for (let py = Math.floor(y - r - 1); py <= y + r + 1; py++) {
      for (let px = Math.floor(x - r - 1); px <= x + r + 1; px++) {
        const away = Math.hypot(px + 0.5 - x, py + 0.5 - y);
        this.#blend(px, py, colour, Math.min(1, Math.max(0, r + 0.5 - away)));
      }
    }
  }

  /** A triangle that points to the upper right. */
  triangle(x: number, y: number, size: number, colour: Rgb): void {
    const side = size * this.height;
    for (let i = 0; i <= side * 2; i++) {
      for (let k = 0; k <= i; k++)
        this.#blend(Math.floor(x + i / 2), Math.floor(y + k / 2 - i / 6), colour, 1);
    }
  }

  /** Text with its upper left corner at shares of the picture. */
  text(text: string, x: number, y: number, scale: number, colour: Rgb): void {
    this.textAt(text, x * this.width, y * this.height, scale, colour);
  }

  /** Text with its upper right corner at shares of the picture. */
  textLeftOf(text: string, x: number, y: number, scale: number, colour: Rgb): void {
    const width = (text.length * ADVANCE - 1) * Math.max(1, scale * this.unit);
    this.textAt(text, x * this.width - width, y * this.height, scale, colour);
  }

  /** Text with its upper left corner at pixels; `scale` 1 is 7 units high. */
  textAt(text: string, x: number, y: number, scale: number, colour: Rgb): void {
    const size = Math.max(1, scale * this.unit);
    traceText(text, (dx, dy) => this.#block(x + dx * size, y + dy * size, size, size, colour));
  }

  /** A character as a mark: drawn bold. */
  mark(text: string, x: number, y: number, scale: number, colour: Rgb, weight: number): void {
    for (let i = 0; i < weight; i++) {
      this.textAt(text, x * this.width + i * this.unit, y * this.height, scale, colour);
    }
  }

  /** A vertical bar whose colour depends on the place 0 (top) .. 1 (bottom). */
  bar(left: number, right: number, top: number, bottom: number, colour: (t: number) => Rgb): void {
    const [from, to] = [Math.round(top * this.height), Math.round(bottom * this.height)];
    for (let y = from; y < to; y++) {
      const here = colour((y - from) / (to - from));
      for (let x = Math.round(left * this.width); x < right * this.width; x++) this.#blend(x, y, here, 1);
    }
  }

  /** The machine's colour map, towards the transducer on top. */
  colourBar(left: number, right: number, top: number, bottom: number, { map }: Machine): void {
    const table = colourTable(map);
    this.bar(left, right, top, bottom, (t) => {
      const at = Math.round((1 - t) * 2 * SPEEDS) * 3;
      return [table[at]!, table[at + 1]!, table[at + 2]!];
    });
  }

  /** Fills a rectangle by the share of each pixel that it covers. */
  #block(x: number, y: number, width: number, height: number, colour: Rgb): void {
    for (let py = Math.floor(y); py < y + height; py++) {
      for (let px = Math.floor(x); px < x + width; px++) {
        const covered =
          (Math.min(px + 1, x + width) - Math.max(px, x)) * (Math.min(py + 1, y + height) - Math.max(py, y));
        this.#blend(px, py, colour, covered);
      }
    }
  }

  #blend(x: number, y: number, colour: Rgb, share: number): void {
    if (share <= 0 || x < 0 || y < 0 || x >= this.width || y >= this.height) return;
    const at = (y * this.width + x) * 3;
    const { data } = this.picture;
    for (let c = 0; c < 3; c++) data[at + c] = data[at + c]! * (1 - share) + colour[c]! * share;
  }
}
