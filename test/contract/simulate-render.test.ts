import { describe, expect, test } from "vitest";
import { SCENES, VIEWS } from "../../src/data/simulate/anatomy.js";
import { cyclePose } from "../../src/data/simulate/cycle.js";
import { alias } from "../../src/data/simulate/doppler.js";
import { buildAnatomy } from "../../src/data/simulate/heart.js";
import { cell, noiseBank, speckle } from "../../src/data/simulate/noise.js";
import { type RenderedFrame, renderFrame } from "../../src/data/simulate/render.js";
import { type SectorMap, sectorMap } from "../../src/data/simulate/sector.js";
import { clipLook, framePose, patientLook } from "../../src/data/simulate/variation.js";
import { unwarp, warpU, warpV } from "../../src/data/simulate/warp.js";

const SEED = 3;
const bank = noiseBank(SEED);

interface Rendered extends RenderedFrame {
  map: SectorMap;
}

/** One frame of every scene for some patients. */
function frames(difficulty: number, patients: number): Rendered[] {
  return Array.from({ length: patients }, (_, i) => i + 1).flatMap((patient) => {
    const look = patientLook(SEED, patient);
    const map = sectorMap(320, 240, look);
    return SCENES.map(({ view, valve }, i) => {
      const key = { patient, clip: i + 1, frame: 0 };
      const clip = clipLook(SEED, key, valve, difficulty);
      const frame = framePose(SEED, key, clip, valve);
      return { map, ...renderFrame(bank, map, { view, valve, patient: look, clip, frame }) };
    });
  });
}

type Pixel = readonly [x: number, y: number, red: number, green: number, blue: number];

/** Pixels of the sector, below the mark at its apex. */
function sectorPixels({ picture, map }: Rendered): Pixel[] {
  const { width, height, data } = picture;
  const out: Pixel[] = [];
  for (let i = Math.ceil(0.12 * height) * width; i < width * height; i++) {
    if (map.row[i]! < 0) continue;
    out.push([i % width, Math.floor(i / width), data[i * 3]!, data[i * 3 + 1]!, data[i * 3 + 2]!]);
  }
  return out;
}

/** The fast colours yellow and cyan: the jet, where normal flow is slow. */
function isMosaic([, , r, g, b]: Pixel): boolean {
  return (r > 170 && g > 120 && b < 90) || (b > 190 && g > 140 && r < 110);
}

function isOutside([x, y]: Pixel, [x1, y1, x2, y2]: RenderedFrame["box"]): boolean {
  return x < x1 || y < y1 || x >= x2 || y >= y2;
}

describe("renderFrame", () => {
  const plain = frames(0, 3);
  const hard = frames(1, 3);

  test("labels a box that holds every mosaic pixel of the jet, with other flow outside it", () => {
    for (const frame of plain) {
      const pixels = sectorPixels(frame);
      const mosaic = pixels.filter(isMosaic);
      expect(mosaic.length).toBeGreaterThan(10);
      expect(mosaic.filter((pixel) => isOutside(pixel, frame.box))).toEqual([]);
      const flow = pixels.filter(([, , r, , b]) => Math.abs(r - b) > 50);
      expect(flow.filter((pixel) => isOutside(pixel, frame.box)).length).toBeGreaterThan(100);
    }
  });

  test("puts the jet's own box into the label, and the label into the picture", () => {
    for (const { box, jetBox, picture } of [...plain, ...hard]) {
      expect(jetBox[2] - jetBox[0]).toBeGreaterThan(3);
      expect(jetBox[3] - jetBox[1]).toBeGreaterThan(3);
      expect(box[0]).toBeLessThanOrEqual(jetBox[0]);
      expect(box[1]).toBeLessThanOrEqual(jetBox[1]);
      expect(box[2]).toBeGreaterThanOrEqual(jetBox[2]);
      expect(box[3]).toBeGreaterThanOrEqual(jetBox[3]);
      expect(Math.min(...box)).toBeGreaterThanOrEqual(0);
      expect(box[2]).toBeLessThanOrEqual(picture.width);
      expect(box[3]).toBeLessThanOrEqual(picture.height);
    }
  });

  test("makes hard jets smaller, and normal flow as fast as they are", () => {
    const mean = (of: readonly number[]): number => of.reduce((a, b) => a + b, 0) / of.length;
    const area = ({ jetBox: [x1, y1, x2, y2] }: Rendered): number => (x2 - x1) * (y2 - y1);
    const fastElsewhere = (frame: Rendered): number =>
      sectorPixels(frame).filter((pixel) => isMosaic(pixel) && isOutside(pixel, frame.box)).length;
    expect(mean(hard.map(area))).toBeLessThan(0.85 * mean(plain.map(area)));
    expect(mean(hard.map(fastElsewhere))).toBeGreaterThan(mean(plain.map(fastElsewhere)) + 5);
  });

  test("has the grey levels of real frames: mostly dark, few bright", () => {
    const grey = [...plain, ...hard]
      .flatMap(sectorPixels)
      .filter(([, , r, , b]) => Math.abs(r - b) < 40)
      .map(([, , , green]) => green)
      .sort((a, b) => a - b);
    const at = (share: number): number => grey[Math.floor(share * (grey.length - 1))]!;
    // Of real frames: 5, 30, 88 and 203.
    expect(at(0.25)).toBeLessThan(30);
    expect(at(0.5)).toBeGreaterThan(15);
    expect(at(0.5)).toBeLessThan(85);
    expect(at(0.95)).toBeGreaterThan(160);
  });

  test("takes no longer than it may (loose: three times what a busy core needs)", () => {
    const before = process.cpuUsage();
    const count = frames(0.5, 1).length;
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000 / count).toBeLessThan(180);
  });
});

describe("speckle", () => {
  const side = 256;
  const amplitudes = Array.from({ length: side * side }, (_, i) =>
    speckle(
      bank,
      cell(Math.floor(i / side), i % side),
      cell(Math.floor(i / side) + 31, (i % side) + 77),
      0.6,
    ),
  );

  test("has a Rayleigh envelope before compression", () => {
    const sorted = [...amplitudes].sort((a, b) => a - b);
    // Kolmogorov-Smirnov distance to 1 - exp(-a^2 / 2), the envelope of two unit normals.
    const distance = Math.max(
      ...sorted
        .filter((_, i) => i % 16 === 0)
        .map((a, i) => Math.abs((i * 16) / sorted.length - 1 + Math.exp((-a * a) / 2))),
    );
    expect(distance).toBeLessThan(0.02);
  });

  test("has a lateral correlation length that grows with depth", () => {
    const map = sectorMap(640, 640, { halfAngle: 0.8, nearRadius: 0.02, apex: [0.5, 0], depth: 1 });
    const value = (x: number, y: number): number => {
      const at = y * map.width + x;
      return amplitudes[(Math.round(map.row[at]!) % side) * side + (Math.round(map.beam[at]!) % side)]!;
    };
    /** Pixels along the row at which the correlation has fallen to a half, about the axis at this depth. */
    const width = (depth: number): number => {
      const rows = Array.from({ length: 60 }, (_, i) => Math.round(depth * 640) - 30 + i);
      const reach = Math.round(0.4 * depth * 640);
      const correlation = (lag: number): number => {
        const pairs = rows.flatMap((y) =>
          Array.from({ length: reach }, (_, i) => [
            value(320 - reach / 2 + i, y),
            value(320 - reach / 2 + i + lag, y),
          ]),
        );
        const mean = pairs.reduce((sum, [a]) => sum + a!, 0) / pairs.length;
        const product = pairs.reduce((sum, [a, b]) => sum + (a! - mean) * (b! - mean), 0);
        return product / pairs.reduce((sum, [a]) => sum + (a! - mean) ** 2, 0);
      };
      let lag = 1;
      while (lag < 40 && correlation(lag) > 0.5) lag++;
      return lag;
    };
    expect(width(0.9)).toBeGreaterThan(1.8 * width(0.3));
  });
});

describe("the heart", () => {
  test("contracts and fills once a cycle, inlet and outlet valves open in turn", () => {
    const poses = Array.from({ length: 200 }, (_, i) => cyclePose(i / 200));
    for (const { contraction, inletOpening, outletOpening } of poses) {
      for (const value of [contraction, inletOpening, outletOpening]) {
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(1);
      }
      expect(Math.min(inletOpening, outletOpening)).toBe(0);
    }
    expect(Math.max(...poses.map(({ contraction }) => contraction))).toBeGreaterThan(0.99);
    expect(cyclePose(0).contraction).toBeLessThan(0.01);
    expect(cyclePose(0.999).contraction).toBeLessThan(0.01);
  });

  test.each(VIEWS)(
    "moves its chambers, walls and valves in %s, and leaks only where the view shows it",
    (view) => {
      const proportions = { left: 1, right: 1, atria: 1, wall: 1 };
      const [relaxed, contracted] = [0.9, 0.36].map((phase) =>
        buildAnatomy(view, cyclePose(phase), proportions),
      );
      expect(contracted!.cavities).not.toEqual(relaxed!.cavities);
      expect(contracted!.strokes).not.toEqual(relaxed!.strokes);
      expect(contracted!.streams).not.toEqual(relaxed!.streams);
      const shown = SCENES.filter((scene) => scene.view === view).map(({ valve }) => valve);
      expect(Object.keys(relaxed!.leaks).sort()).toEqual([...shown].sort());
    },
  );

  test("aliases velocities into the Nyquist range", () => {
    expect([0.3, 1.2, -1.2, 2.1].map(alias)).toEqual([
      0.3,
      expect.closeTo(-0.8),
      expect.closeTo(0.8),
      expect.closeTo(0.1),
    ]);
  });

  test("can be unwarped: label corners lie where the anatomy is seen", () => {
    for (const target of [
      [0.1, 0.6],
      [-0.2, 0.5],
      [0.05, 0.45],
    ] as const) {
      const [u, v] = unwarp(bank, 41, target);
      expect(u + warpU(bank, 41, u, v)).toBeCloseTo(target[0], 2);
      expect(v + warpV(bank, 41, u, v)).toBeCloseTo(target[1], 2);
    }
  });
});
