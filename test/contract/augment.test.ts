import { describe, expect, it } from "vitest";
import {
  augmentBatch,
  augments,
  type FrameBatch,
  letterboxGeometry,
  noAugmentation as none,
} from "../../src/data/index.js";
import { hostTensor } from "../../src/tensor/index.js";

const place = { seed: 7, epoch: 3, first: 0 };
const side = 32;
const pixels = side * side;

/** Wide images: 8 rows of padding at the top and at the bottom of the 32 x 32 input, image i of level 100 + i. */
function batchOf(count: number): FrameBatch {
  const data = new Uint8Array(count * 3 * pixels).fill(114);
  for (let i = 0; i < 3 * count; i++) {
    data.fill(100 + Math.floor(i / 3), i * pixels + 8 * side, i * pixels + 24 * side);
  }
  const letterbox = letterboxGeometry({ width: 64, height: 32 }, { width: side, height: side });
  return {
    images: hostTensor("uint8", [count, 3, side, side], data),
    letterboxes: Array.from({ length: count }, () => letterbox),
    targets: Float32Array.from(Array.from({ length: count }, (_, i) => [i, i, 0.5, 0.5, 0.4, 0.3]).flat()),
    views: Int32Array.from({ length: count }, (_, i) => i),
    detectionMask: new Uint8Array(count).fill(1),
    frames: [],
  };
}

/** Writes a patch of 4 x 4 pixels into the middle of the first image. */
function paint(batch: FrameBatch, colour: readonly [number, number, number]): FrameBatch {
  colour.forEach((value, channel) => {
    for (let y = 14; y < 18; y++) {
      const row = channel * pixels + y * side;
      batch.images.data.fill(value, row + 14, row + 18);
    }
  });
  return batch;
}

const pixel = ({ images }: FrameBatch, x: number, y: number): number[] =>
  [0, 1, 2].map((channel) => images.data[channel * pixels + y * side + x]);

describe("augments", () => {
  it("is false with every strength at 0, true with any above", () => {
    expect(augments(none)).toBe(false);
    const { unsafe, ...safe } = none;
    for (const name of Object.keys(safe)) expect(augments({ ...none, [name]: 0.1 }), name).toBe(true);
    for (const name of Object.keys(unsafe)) {
      expect(augments({ ...none, unsafe: { ...unsafe, [name]: 0.1 } }), name).toBe(true);
    }
  });
});

describe("augmentBatch", () => {
  it("leaves a batch as it is, bit for bit, without any strength", () => {
    const batch = batchOf(3);
    // A label that reaches over the edge by the parser's tolerance is left alone too.
    batch.targets[2] = 0.8000001;
    expect(augmentBatch(batch, none, place)).toEqual(batchOfWith(0.8000001));
    // Gain alone moves nothing.
    const { targets } = augmentBatch(batchOf(3), { ...none, gain: 0.3 }, place);
    expect(targets).toEqual(batchOf(3).targets);
  });

  function batchOfWith(centre: number): FrameBatch {
    const batch = batchOf(3);
    batch.targets[2] = centre;
    return batch;
  }

  it("does not change the batch that it is given", () => {
    const batch = batchOf(4);
    augmentBatch(batch, { ...none, scale: 0.3, translate: 0.2, gain: 0.3, mosaic: 0.5 }, place);
    expect(batch).toEqual(batchOf(4));
  });

  it("changes the brightness of grey tissue, of no colour and of no padding", () => {
    const options = { ...none, gain: 0.5 };
    const levels = Array.from({ length: 20 }, (_, epoch) => {
      const out = augmentBatch(paint(batchOf(1), [30, 90, 220]), options, { ...place, epoch });
      const [level, green, blue] = pixel(out, 4, 12);
      expect([green, blue]).toEqual([level, level]);
      for (const [x, y] of [
        [8, 8],
        [31, 23],
        [0, 16],
      ])
        expect(pixel(out, x, y)).toEqual([level, level, level]);
      expect(pixel(out, 15, 15)).toEqual([30, 90, 220]);
      for (const [x, y] of [
        [0, 0],
        [16, 7],
        [16, 24],
        [31, 31],
      ])
        expect(pixel(out, x, y)).toEqual([114, 114, 114]);
      return level;
    });
    expect(Math.min(...levels)).toBeGreaterThanOrEqual(50);
    expect(Math.max(...levels)).toBeLessThanOrEqual(150);
    expect(Math.max(...levels) - Math.min(...levels)).toBeGreaterThan(40);
  });

  it("stops at white", () => {
    for (let epoch = 0; epoch < 10; epoch++) {
      const out = augmentBatch(
        paint(batchOf(1), [250, 250, 250]),
        { ...none, gain: 0.9 },
        { ...place, epoch },
      );
      const expected = Math.min(255, pixel(out, 4, 12)[0] * 2.5);
      expect(Math.abs(pixel(out, 15, 15)[0] - expected)).toBeLessThan(3);
    }
  });

  it("fills what an image leaves free with the letterbox's grey", () => {
    const shifted = Array.from({ length: 10 }, (_, epoch) =>
      augmentBatch(batchOf(1), { ...none, translate: 0.5 }, { ...place, epoch }),
    );
    const values = new Set(shifted.flatMap(({ images }) => [...images.data]));
    expect(Math.min(...values)).toBe(100);
    expect(Math.max(...values)).toBe(114);
  });

  it("takes the view of mosaics, and of no other image", () => {
    const out = augmentBatch(batchOf(64), { ...none, mosaic: 0.5 }, place);
    const original = batchOf(64);
    const mosaics = [...out.views].filter((view) => view === -1).length;
    expect(mosaics).toBeGreaterThan(16);
    expect(mosaics).toBeLessThan(48);
    out.views.forEach((view, i) => {
      const image = (batch: FrameBatch) => batch.images.data.subarray(3 * i * pixels, 3 * (i + 1) * pixels);
      const unchanged = Buffer.compare(image(out), image(original)) === 0;
      expect(view).toBe(unchanged ? i : -1);
    });
  });

  it("keeps images that nobody looked at out of mosaics, with their views", () => {
    const batch = batchOf(16);
    const masked = [0, 3, 4, 9];
    for (const i of masked) batch.detectionMask[i] = 0;
    for (let epoch = 1; epoch <= 5; epoch++) {
      const out = augmentBatch(batch, { ...none, mosaic: 1 }, { ...place, epoch });
      expect(out.detectionMask).toEqual(batch.detectionMask);
      out.views.forEach((view, i) => {
        expect(view).toBe(masked.includes(i) ? i : -1);
      });
      // Box i of the batch has class i: those of the mosaics are of images that somebody looked at.
      const classes = [...out.targets].filter(
        (_, at) => at % 6 === 1 && !masked.includes(out.targets[at - 1]),
      );
      expect(classes.length).toBeGreaterThan(12);
      expect(classes.some((label) => masked.includes(label))).toBe(false);
    }
  });

  it("draws anew for each seed, epoch and place", () => {
    const options = { ...none, translate: 0.2 };
    const boxes = [place, { ...place, seed: 8 }, { ...place, epoch: 4 }, { ...place, first: 1 }].map((at) =>
      augmentBatch(batchOf(1), options, at).targets.join(),
    );
    expect(new Set(boxes).size).toBe(4);
    const two = augmentBatch(batchOf(2), options, place).targets;
    expect([...two.subarray(8, 12)].join()).toBe(boxes[3].split(",").slice(2).join());
  });

  it("cuts a box at the edge of its image, also where the image has been made smaller", () => {
    const batch = batchOf(1);
    batch.targets.set([0, 0, 1, 0.5, 0.4, 0.2]);
    const scales = Array.from({ length: 20 }, (_, epoch) => {
      const [, , cx, , w, h] = augmentBatch(batch, { ...none, scale: 0.4 }, { ...place, epoch }).targets;
      const scale = h / 0.2;
      expect(cx + w / 2).toBeCloseTo(Math.min(1, 0.5 + scale / 2), 5);
      expect(w).toBeCloseTo(scale < 1 ? 0.2 * scale : 1 - (0.5 + 0.3 * scale), 5);
      return scale;
    });
    expect(Math.min(...scales)).toBeLessThan(0.8);
    expect(Math.max(...scales)).toBeGreaterThan(1.2);
  });
});
