import { describe, expect, it } from "vitest";
import { resolveTrainConfig } from "../../src/config/index.js";
import {
  augmentBatch,
  augmentBatchFully,
  augments,
  augmentWarnings,
  type FrameBatch,
  letterboxGeometry,
  noAugmentation as none,
} from "../../src/data/index.js";
import { speckleBank, speckleSide } from "../../src/data/augmentation/speckle.js";
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

describe("the configuration", () => {
  const least = { data: "data.yaml", model: "joint-yolov5n" };

  it("has every augmentation, all off, and plain sampling by default", () => {
    const config = resolveTrainConfig(least, "test");
    expect(config.augment).toEqual(none);
    expect(config.sampling).toBe("none");
  });

  it("takes no unsafe augmentation by its bare name", () => {
    for (const name of ["hue", "flipHorizontal", "flipVertical", "flip"]) {
      expect(() => resolveTrainConfig({ ...least, augment: { [name]: 0.1 } }, "test"), name).toThrow(name);
      expect(augmentWarnings(none)).toEqual([]);
    }
  });
});

describe("unsafe augmentation", () => {
  it("warns, each kind with its reason", () => {
    const unsafe = { hue: 0.1, flipHorizontal: 0.5, flipVertical: 1 };
    expect(augmentWarnings({ ...none, unsafe })).toEqual([
      expect.stringMatching(/^augment\.unsafe\.hue 0\.1: .*direction of flow/),
      expect.stringMatching(/^augment\.unsafe\.flipHorizontal 0\.5: .*anatomy/),
      expect.stringMatching(/^augment\.unsafe\.flipVertical 1: .*probe/),
    ]);
    expect(augmentWarnings({ ...none, rotate: 10, mosaic: 1 })).toEqual([]);
  });

  it("turns red into green and blue by a third of the circle, and grey into nothing else", () => {
    const batch = paint(batchOf(1), [230, 20, 20]);
    const out = augmentBatchFully(batch, { ...none, unsafe: { ...none.unsafe, hue: 1 / 3 } }, place);
    expect([
      [20, 230, 20],
      [20, 20, 230],
    ]).toContainEqual(pixel(out, 15, 15));
    expect(pixel(out, 4, 12)).toEqual([100, 100, 100]);
  });

  it("mirrors images with their boxes, of a share of the images", () => {
    for (const [name, other] of [
      ["flipHorizontal", "flipVertical"],
      ["flipVertical", "flipHorizontal"],
    ]) {
      const batch = batchOf(64);
      for (let i = 0; i < 64; i++) batch.targets.set([0.3, 0.4, 0.2, 0.1], 6 * i + 2);
      batch.images.data[10 * side + 3] = 200;
      const out = augmentBatch(batch, { ...none, unsafe: { ...none.unsafe, [name]: 1, [other]: 0 } }, place);
      const flipped = name === "flipHorizontal" ? [0.7, 0.4] : [0.3, 0.6];
      expect(out.targets[2]).toBeCloseTo(flipped[0], 5);
      expect(out.targets[3]).toBeCloseTo(flipped[1], 5);
      const [x, y] = name === "flipHorizontal" ? [28, 10] : [3, 21];
      expect(out.images.data[y * side + x]).toBe(200);
      const half = augmentBatch(batch, { ...none, unsafe: { ...none.unsafe, [name]: 0.5 } }, place);
      const axis = name === "flipHorizontal" ? 2 : 3;
      const count = Array.from({ length: 64 }, (_, i) => half.targets[6 * i + axis]).filter(
        (centre) => Math.abs(centre - flipped[axis - 2]) < 1e-5,
      ).length;
      expect(count).toBeGreaterThan(16);
      expect(count).toBeLessThan(48);
    }
  });
});

/** A wide input, so that estimates of the sector have something to estimate. */
const wide = { width: 160, height: 128 };

/**
 * A fan of grey 90 from the top of a black picture, 60 degrees wide and 100 pixels deep, a ruler and a text
 * to its right, a colour bar to its left, and a patch of red flow in its middle; the box is that of the flow.
 */
function fanBatch(): FrameBatch {
  const plane = wide.width * wide.height;
  const data = new Uint8Array(3 * plane);
  const put = (x: number, y: number, rgb: readonly number[]) => {
    rgb.forEach((value, channel) => {
      data[channel * plane + y * wide.width + x] = value;
    });
  };
  for (let y = 0; y < wide.height; y++) {
    for (let x = 0; x < wide.width; x++) {
      const [across, down] = [x - 80, y - 8];
      if (inFan(x, y)) put(x, y, [90, 90, 90]);
      if (Math.abs(across) < 10 && down > 50 && down < 66) put(x, y, [200, 30, 30]);
      if (x > 4 && x < 10 && y > 10 && y < 60) put(x, y, [30, 30, 220]);
      if (x === 150 && y % 4 !== 0) put(x, y, [220, 220, 220]);
      if (x > 120 && x < 140 && y > 12 && y < 16 && (x + y) % 2 === 0) put(x, y, [220, 220, 220]);
    }
  }
  return {
    images: hostTensor("uint8", [1, 3, wide.height, wide.width], data),
    letterboxes: [letterboxGeometry(wide, wide)],
    targets: Float32Array.from([0, 1, 80.5 / 160, 66.5 / 128, 19 / 160, 15 / 128]),
    views: Int32Array.from([0]),
    detectionMask: Uint8Array.from([1]),
    frames: [],
  };
}

const inFan = (x: number, y: number): boolean => {
  const [across, down] = [x - 80, y - 8];
  return down > 0 && Math.hypot(across, down) < 100 && Math.abs(Math.atan2(across, down)) < Math.PI / 6;
};
const widePixel = ({ images }: FrameBatch, x: number, y: number): number[] =>
  [0, 1, 2].map((channel) => images.data[(channel * wide.height + y) * wide.width + x]);

/** Counts the pixels of a wide batch that `test` holds for. */
function count(test: (x: number, y: number) => boolean): number {
  let found = 0;
  for (let y = 0; y < wide.height; y++) for (let x = 0; x < wide.width; x++) if (test(x, y)) found++;
  return found;
}

describe("the erasing of overlays", () => {
  it("erases ruler and text, and nothing of the sector, the flow or the colour bar", () => {
    const before = fanBatch();
    const out = augmentBatch(before, { ...none, overlay: 1 }, place);
    const changed = (x: number, y: number) => `${widePixel(out, x, y)}` !== `${widePixel(before, x, y)}`;
    const white = (batch: FrameBatch) => count((x, y) => widePixel(batch, x, y).every((v) => v === 220));
    expect(white(before)).toBeGreaterThan(100);
    expect(white(out)).toBe(0);
    // The tip of the fan is thinner than a mark.
    expect(count((x, y) => changed(x, y) && x < 115 && y > 12)).toBe(0);
  });

  it("leaves what lies in a box", () => {
    const batch = fanBatch();
    batch.targets.set([150 / 160, 0.5, 8 / 160, 1], 2);
    const out = augmentBatch(batch, { ...none, overlay: 1 }, place);
    expect(widePixel(out, 150, 61)).toEqual([220, 220, 220]);
    expect(count((x, y) => x < 145 && widePixel(out, x, y).every((v) => v === 220))).toBe(0);
  });

  it("happens to its share of the images", () => {
    const erased = Array.from({ length: 60 }, (_, epoch) =>
      augmentBatch(fanBatch(), { ...none, overlay: 0.5 }, { ...place, epoch }),
    ).filter((out) => widePixel(out, 150, 61)[0] === 0).length;
    expect(erased).toBeGreaterThan(15);
    expect(erased).toBeLessThan(45);
  });
});

describe("the erasing of the sector's edge", () => {
  const fan = count(inFan);

  it("takes one edge of the sector away, of random size up to its strength", () => {
    const sizes = Array.from({ length: 30 }, (_, epoch) => {
      const out = augmentBatch(fanBatch(), { ...none, sectorEdge: 0.3 }, { ...place, epoch });
      const lost = count((x, y) => inFan(x, y) && widePixel(out, x, y)[0] === 0);
      // What is erased is black, and nothing outside of the sector changes but for its margin.
      expect(widePixel(out, 150, 61)).toEqual([220, 220, 220]);
      expect(widePixel(out, 7, 30)).toEqual([30, 30, 220]);
      return lost / fan;
    });
    expect(Math.min(...sizes)).toBeLessThan(0.1);
    expect(Math.max(...sizes)).toBeGreaterThan(0.2);
    // The far 30 % of the depth are half of the area.
    expect(Math.max(...sizes)).toBeLessThan(0.55);
  });

  it("leaves at least nine tenths of the flow and of each box", () => {
    const red = (batch: FrameBatch) => count((x, y) => widePixel(batch, x, y)[0] === 200);
    const whole = red(fanBatch());
    for (let epoch = 0; epoch < 40; epoch++) {
      const batch = fanBatch();
      // A box of tissue at the left edge of the fan, beside that of the flow.
      const box = [0, 0, 56 / 160, 90 / 128, 16 / 160, 24 / 128];
      const out = augmentBatch(
        { ...batch, targets: Float32Array.from([...batch.targets, ...box]) },
        { ...none, sectorEdge: 0.9 },
        { ...place, epoch },
      );
      expect(red(out)).toBeGreaterThanOrEqual(0.9 * whole);
      const kept = count((x, y) => x >= 48 && x < 64 && y >= 78 && y < 102 && widePixel(out, x, y)[0] > 0);
      expect(kept).toBeGreaterThanOrEqual(
        0.85 * count((x, y) => x >= 48 && x < 64 && y >= 78 && y < 102 && inFan(x, y)),
      );
    }
  });

  it("leaves a picture alone in which too little is lit", () => {
    const batch = batchOf(1);
    batch.images.data.fill(3);
    const out = augmentBatch(batch, { ...none, sectorEdge: 0.5, overlay: 1 }, place);
    expect(out.images.data).toEqual(batch.images.data);
  });
});

describe("blur", () => {
  it("leaves an even tissue even, with flow in its midst", () => {
    const batch = paint(batchOf(1), [220, 30, 30]);
    expect(augmentBatchFully(batch, { ...none, blur: 1 }, place).images.data).toEqual(batch.images.data);
  });

  it("softens an edge, keeps the mean and stays inside the image", () => {
    const batch = batchOf(1);
    for (const channel of [0, 1, 2]) {
      for (let y = 8; y < 24; y++) {
        for (let x = 0; x < side; x++) batch.images.data[channel * pixels + y * side + x] = x < 16 ? 40 : 160;
      }
    }
    const out = augmentBatchFully(batch, { ...none, blur: 1 }, place);
    const row = Array.from({ length: 6 }, (_, i) => pixel(out, 13 + i, 12)[0]);
    // A Gaussian's share beyond 1/2 and 3/2 pixels is .31 and .067: of 120 levels, 37 and 8.
    [40, 48, 77, 123, 152, 160].forEach((value, i) => {
      expect(Math.abs(row[i] - value)).toBeLessThanOrEqual(4);
    });
    expect(pixel(out, 16, 7)).toEqual([114, 114, 114]);
    expect(pixel(out, 31, 8)).toEqual([160, 160, 160]);
  });
});

describe("contrast and time gain", () => {
  it("bends the levels between black and white, which stay", () => {
    for (let epoch = 0; epoch < 10; epoch++) {
      const at = { ...place, epoch };
      const level = (grey: number) =>
        pixel(
          augmentBatchFully(paint(batchOf(1), [grey, grey, grey]), { ...none, contrast: 0.4 }, at),
          15,
          15,
        )[0];
      expect([level(0), level(255)]).toEqual([0, 255]);
      const expected = [0.6, 1.4].map((gamma) => Math.round(255 * (128 / 255) ** gamma));
      expect(expected).toContain(level(128));
    }
  });

  it("slopes from one end of the image to the other, with no change in the middle", () => {
    const out = augmentBatchFully(batchOf(1), { ...none, timeGain: 0.4 }, place);
    const levels = Array.from({ length: 16 }, (_, y) => pixel(out, 5, 8 + y)[0]);
    expect(Math.abs(levels[7] + levels[8] - 200)).toBeLessThanOrEqual(1);
    expect(Math.abs(levels[0] - levels[15])).toBeGreaterThan(70);
    const steps = levels.slice(1).map((level, i) => Math.sign(level - levels[i]));
    expect(new Set(steps).size).toBe(1);
  });
});

describe("speckle", () => {
  it("is standardised, skewed to the dark as a logarithm of Rayleigh amplitudes, and wider than high", () => {
    const bank = speckleBank();
    const mean = (value: (i: number) => number) =>
      bank.reduce((sum, _, i) => sum + value(i), 0) / bank.length;
    expect(mean((i) => bank[i])).toBeCloseTo(0, 3);
    expect(mean((i) => bank[i] ** 2)).toBeCloseTo(1, 3);
    expect(mean((i) => bank[i] ** 3)).toBeLessThan(-0.35);
    const across = mean((i) => bank[i] * bank[(i + 2) % bank.length]);
    const down = mean((i) => bank[i] * bank[(i + 2 * speckleSide) % bank.length]);
    expect(across).toBeGreaterThan(down + 0.05);
    expect(down).toBeGreaterThan(0.1);
    const far = mean((i) => bank[i] * bank[(i + 16) % bank.length]);
    expect(Math.abs(far)).toBeLessThan(0.05);
  });

  it("varies tissue by its strength about its grey", () => {
    const out = augmentBatchFully(batchOf(4), { ...none, speckle: 0.2 }, place);
    for (let image = 0; image < 4; image++) {
      const levels = out.images.data.subarray(3 * image * pixels + 8 * side, 3 * image * pixels + 24 * side);
      const mean = levels.reduce((sum, level) => sum + level, 0) / levels.length;
      const deviation = Math.sqrt(
        levels.reduce((sum, level) => sum + (level - mean) ** 2, 0) / levels.length,
      );
      expect(Math.abs(mean / (100 + image) - 1)).toBeLessThan(0.08);
      expect(Math.abs(deviation / (100 + image) - 0.2)).toBeLessThan(0.05);
    }
  });
});
