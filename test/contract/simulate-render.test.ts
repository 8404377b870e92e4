import { describe, expect, test } from "vitest";
import { SCENES } from "../../src/data/simulate/anatomy.js";
import { noiseBank } from "../../src/data/simulate/noise.js";
import { type RenderedFrame, renderFrame } from "../../src/data/simulate/render.js";
import { type SectorMap, sectorMap } from "../../src/data/simulate/sector.js";
import { clipLook, framePose, patientLook } from "../../src/data/simulate/variation.js";

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

/** Sector pixels, below the mark at its apex, in the fast colours yellow and cyan: the jet where normal flow is slow. */
function mosaicPixels({ picture, map }: Rendered): [x: number, y: number][] {
  const out: [number, number][] = [];
  for (let i = 0; i < picture.width * picture.height; i++) {
    if (map.row[i]! < 0 || i < 0.12 * picture.height * picture.width) continue;
    const [r, g, b] = [picture.data[i * 3]!, picture.data[i * 3 + 1]!, picture.data[i * 3 + 2]!];
    const yellow = r > 170 && g > 120 && b < 90;
    const cyan = b > 190 && g > 140 && r < 110;
    if (yellow || cyan) out.push([i % picture.width, Math.floor(i / picture.width)]);
  }
  return out;
}

describe("renderFrame", () => {
  test("labels a box that holds every mosaic pixel of the jet", () => {
    for (const frame of frames(0, 4)) {
      const mosaic = mosaicPixels(frame);
      expect(mosaic.length).toBeGreaterThan(10);
      const [x1, y1, x2, y2] = frame.box;
      const outside = mosaic.filter(([x, y]) => x < x1 || y < y1 || x >= x2 || y >= y2);
      expect(outside).toEqual([]);
    }
  });

  test("puts the jet's own box into the label, and the label into the picture", () => {
    for (const { box, jetBox, picture } of [...frames(0, 2), ...frames(1, 3)]) {
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
});
