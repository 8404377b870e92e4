import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  augmentBatch,
  type FrameBatch,
  letterboxGeometry,
  noAugmentation as none,
} from "../../src/data/index.js";
import { hostTensor } from "../../src/tensor/index.js";

/** Not square, so that a mix-up of width and height shows. */
const size = { width: 96, height: 64 };
const pixels = size.width * size.height;
/** Flow colours of the boxes, one for each class. */
const colours = [
  [255, 0, 0],
  [0, 0, 255],
  [0, 255, 0],
  [255, 255, 0],
] as const;

/** Edges in pixels of the input, the last ones excluded. */
type Box = readonly [x1: number, y1: number, x2: number, y2: number];

/** Image i is dark grey with the i-th list of boxes in it: box k has class and colour (i + k) % 4. */
function batchOf(images: readonly (readonly Box[])[]): FrameBatch {
  const data = new Uint8Array(images.length * 3 * pixels).fill(40);
  const targets: number[] = [];
  images.forEach((boxes, image) => {
    boxes.forEach(([x1, y1, x2, y2], k) => {
      const label = (image + k) % colours.length;
      for (let y = y1; y < y2; y++) {
        for (let x = x1; x < x2; x++) {
          colours[label].forEach((value, channel) => {
            data[(3 * image + channel) * pixels + y * size.width + x] = value;
          });
        }
      }
      const [w, h] = [x2 - x1, y2 - y1];
      targets.push(image, label, (x1 + w / 2) / size.width, (y1 + h / 2) / size.height);
      targets.push(w / size.width, h / size.height);
    });
  });
  return {
    images: hostTensor("uint8", [images.length, 3, size.height, size.width], data),
    letterboxes: images.map(() => letterboxGeometry(size, size)),
    targets: Float32Array.from(targets),
    views: Int32Array.from(images, (_, i) => i % 3),
    detectionMask: new Uint8Array(images.length).fill(1),
    frames: [],
  };
}

interface Seen {
  readonly label: number;
  readonly box: Box;
  readonly area: number;
}

/** The connected patches of the boxes' colours in an image. */
function patches({ images }: FrameBatch, image: number): Seen[] {
  const at = (channel: number, pixel: number) => images.data[(3 * image + channel) * pixels + pixel];
  const labels = Array.from({ length: pixels }, (_, pixel) =>
    // On bilinear edges a colour counts from the half on: 40 + (255 - 40) / 2 for its bright channels.
    colours.findIndex((colour) => colour.every((value, c) => at(c, pixel) > 147 === value > 147)),
  );
  const found: Seen[] = [];
  labels.forEach((label, first) => {
    if (label < 0) return;
    const open = [first];
    const inside: number[] = [];
    labels[first] = -1;
    for (let pixel = open.pop(); pixel !== undefined; pixel = open.pop()) {
      inside.push(pixel);
      const x = pixel % size.width;
      const left = x > 0 ? [pixel - 1] : [];
      const right = x < size.width - 1 ? [pixel + 1] : [];
      for (const next of [...left, ...right, pixel - size.width, pixel + size.width]) {
        if (labels[next] !== label) continue;
        labels[next] = -1;
        open.push(next);
      }
    }
    const xs = inside.map((pixel) => pixel % size.width);
    const ys = inside.map((pixel) => Math.floor(pixel / size.width));
    const box = [Math.min(...xs), Math.min(...ys), Math.max(...xs) + 1, Math.max(...ys) + 1] as const;
    found.push({ label, box, area: inside.length });
  });
  return found;
}

interface Target {
  readonly label: number;
  readonly box: Box;
}

function targetsOf({ targets }: FrameBatch, image: number): Target[] {
  const rows = Array.from({ length: targets.length / 6 }, (_, i) => targets.subarray(6 * i, 6 * i + 6));
  return rows
    .filter(([index]) => index === image)
    .map(([, label, cx, cy, w, h]) => {
      const { width, height } = size;
      return {
        label,
        box: [(cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height],
      };
    });
}

const matches = (seen: Seen, target: Target): boolean =>
  seen.label === target.label && seen.box.every((edge, i) => Math.abs(edge - target.box[i]) <= 1.5);

/** Boxes of at least 12 pixels a side within an area. */
function boxWithin([x1, y1, x2, y2]: Box): fc.Arbitrary<Box> {
  const side = (low: number, high: number) =>
    fc
      .tuple(fc.integer({ min: low, max: high - 12 }), fc.integer({ min: 12, max: high - low }))
      .map(([start, length]) => [start, Math.min(start + length, high)] as const);
  return fc.tuple(side(x1, x2), side(y1, y2)).map(([[a, b], [c, d]]) => [a, c, b, d] as const);
}

const anywhere = boxWithin([0, 0, size.width, size.height]);
/** Away from the edges, so that the boxes of a mosaic's neighbours never touch. */
const inner = boxWithin([10, 8, size.width - 10, size.height - 8]);
const place = fc.record({
  seed: fc.nat({ max: 2 ** 32 - 1 }),
  epoch: fc.integer({ min: 1, max: 300 }),
  first: fc.nat({ max: 5000 }),
});
const upTo = (max: number) => fc.double({ min: 0, max, noNaN: true });
/** Without rotation, under which the bound of a painted rectangle is not that of its box. */
const strengths = fc
  .record({
    scale: fc.double({ min: 0, max: 0.6, noNaN: true }),
    translate: fc.double({ min: 0, max: 0.6, noNaN: true }),
    gain: fc.double({ min: 0, max: 0.9, noNaN: true }),
  })
  .map((moved) => ({ ...none, ...moved }));

/** Every safe augmentation but the mosaic, at strengths beyond what anyone would use. */
const safe = fc
  .record({
    rotate: upTo(20),
    scale: upTo(0.4),
    translate: upTo(0.2),
    gain: upTo(0.9),
    contrast: upTo(0.9),
    speckle: upTo(0.9),
    timeGain: upTo(0.9),
    blur: upTo(1),
    sectorEdge: upTo(0.9),
    overlay: upTo(1),
  })
  .map((strength) => ({ ...none, ...strength }));
const still = safe.map((options) => ({ ...options, rotate: 0, scale: 0, translate: 0 }));

const channelsAt = ({ images }: FrameBatch, pixel: number): number[] =>
  [0, 1, 2].map((channel) => images.data[channel * pixels + pixel]);
const spreadOf = (rgb: readonly number[]): number => Math.max(...rgb) - Math.min(...rgb);

describe("augmentation", () => {
  it("moves a box exactly as its pixels, clipped or not", () => {
    fc.assert(
      fc.property(anywhere, strengths, place, (box, options, at) => {
        const out = augmentBatch(batchOf([[box]]), options, at);
        const [target, ...others] = targetsOf(out, 0);
        const seen = patches(out, 0);
        expect(others).toEqual([]);
        if (target) expect(seen.filter((patch) => matches(patch, target))).toHaveLength(1);
        const [x1, y1, x2, y2] = box;
        const whole = (x2 - x1) * (y2 - y1) * (1 + options.scale) ** 2;
        // Rows and columns of half-covered pixels are the tolerance.
        if (!target && seen.length > 0) expect(seen[0].area).toBeLessThan(0.2 * whole + x2 - x1 + y2 - y1);
      }),
      { numRuns: 100 },
    );
  });

  it("drops a box when less than a fifth of it is left, and only then", () => {
    let dropped = 0;
    fc.assert(
      fc.property(anywhere, place, (box, at) => {
        const out = augmentBatch(batchOf([[box]]), { ...none, translate: 0.9 }, at);
        const [x1, y1, x2, y2] = box;
        const share = (patches(out, 0)[0]?.area ?? 0) / ((x2 - x1) * (y2 - y1));
        // A pixel's rounding on the two cut sides.
        const tolerance = 0.5 / (x2 - x1) + 0.5 / (y2 - y1);
        const kept = targetsOf(out, 0).length;
        if (!kept) dropped++;
        if (share > 0.2 + tolerance) expect(kept).toBe(1);
        if (share < 0.2 - tolerance) expect(kept).toBe(0);
      }),
      { numRuns: 100 },
    );
    expect(dropped).toBeGreaterThan(10);
  });

  it("puts the boxes of a mosaic where their pixels are", () => {
    const images = fc.array(inner, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(images, place, (boxes, at) => {
        const out = augmentBatch(batchOf(boxes.map((box) => [box])), { ...none, mosaic: 1, gain: 0.3 }, at);
        expect([...out.views]).toEqual(boxes.map(() => -1));
        boxes.forEach((_, image) => {
          const seen = patches(out, image);
          const targets = targetsOf(out, image);
          for (const target of targets) {
            expect(seen.filter((patch) => matches(patch, target))).toHaveLength(1);
          }
          for (const patch of seen.filter((one) => !targets.some((target) => matches(one, target)))) {
            const [x1, y1, x2, y2] = boxes[patch.label];
            expect(patch.area).toBeLessThan(0.2 * (x2 - x1) * (y2 - y1) + x2 - x1 + y2 - y1);
          }
        });
      }),
      { numRuns: 100 },
    );
  });

  it("never mirrors: what is left stays left, what is above stays above", () => {
    const left = boxWithin([5, 4, 40, 28]);
    const right = boxWithin([50, 36, 90, 60]);
    fc.assert(
      fc.property(left, right, strengths, place, (a, b, options, at) => {
        const out = augmentBatch(batchOf([[a, b]]), options, at);
        const [first, second] = [0, 1].map((label) => patches(out, 0).find((patch) => patch.label === label));
        if (!first || !second) return;
        expect(first.box[2]).toBeLessThanOrEqual(second.box[0]);
        expect(first.box[3]).toBeLessThanOrEqual(second.box[1]);
      }),
      { numRuns: 100 },
    );
  });

  it("keeps the red and the blue flow's shares of the colour and adds no other hue", () => {
    const red: Box = [30, 20, 46, 44];
    const blue: Box = [52, 24, 68, 40];
    fc.assert(
      fc.property(safe, place, (options, at) => {
        const { images } = augmentBatch(batchOf([[red, blue]]), options, at);
        const counts = { red: 0, blue: 0 };
        for (let i = 0; i < pixels; i++) {
          const [r, g, b] = [images.data[i], images.data[pixels + i], images.data[2 * pixels + i]];
          if (Math.max(r, g, b) - Math.min(r, g, b) < 60) continue;
          // The hue of either colour: the two other channels are equal, whatever it is mixed with.
          if (Math.abs(g - Math.min(r, b)) > 1) expect.fail(`red or blue became ${r}, ${g}, ${b}`);
          counts[r > b ? "red" : "blue"]++;
        }
        // At the least, a tenth of the flow is erased, and rows of mixed pixels on the patches' edges are lost.
        const share = counts.red / (counts.red + counts.blue);
        expect(Math.abs(share - 384 / 640)).toBeLessThan(0.1);
      }),
      { numRuns: 100 },
    );
  });

  it("keeps every target within the picture, with a size", () => {
    const options = fc.tuple(strengths, fc.double({ min: 0, max: 1, noNaN: true }));
    const images = fc.array(fc.array(anywhere, { maxLength: 3 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(images, options, place, (boxes, [strength, mosaic], at) => {
        const out = augmentBatch(batchOf(boxes), { ...strength, mosaic }, at);
        expect(out.targets.length % 6).toBe(0);
        boxes.forEach((_, image) => {
          for (const { box } of targetsOf(out, image)) {
            const [x1, y1, x2, y2] = box;
            expect(Math.min(x1, y1)).toBeGreaterThan(-1e-3);
            expect(x2).toBeLessThan(size.width + 1e-3);
            expect(y2).toBeLessThan(size.height + 1e-3);
            expect(Math.min(x2 - x1, y2 - y1)).toBeGreaterThan(0);
          }
        });
      }),
      { numRuns: 100 },
    );
  });

  it("leaves coloured pixels bit for bit where nothing moves, and keeps the tint of grey ones", () => {
    const levels = fc.array(fc.integer({ min: 0, max: 0xffffff }), { minLength: pixels, maxLength: pixels });
    fc.assert(
      fc.property(levels, still, place, (words, options, at) => {
        const batch = batchOf([[]]);
        words.forEach((word, pixel) => {
          // Half of the picture nearly grey, the other half of any colour.
          const base = word & 255;
          const tint = [0, (word >> 8) & 15, (word >> 12) & 15];
          const rgb =
            pixel % 2 === 0 ? tint.map((more) => base + more) : [base, (word >> 8) & 255, word >> 16];
          rgb.forEach((value, channel) => {
            batch.images.data[channel * pixels + pixel] = Math.min(255, value);
          });
        });
        // The edge's erasing takes flow away, by design and within its limit.
        const out = augmentBatch(batch, { ...options, sectorEdge: 0, overlay: 0 }, at);
        for (let pixel = 0; pixel < pixels; pixel++) {
          const before = channelsAt(batch, pixel);
          const after = channelsAt(out, pixel);
          const changes = new Set(after.map((value, channel) => value - before[channel]));
          if (changes.size !== 1) expect.fail(`${before} became ${after}`);
          if (spreadOf(before) >= 24 && !changes.has(0)) expect.fail(`flow ${before} became ${after}`);
        }
      }),
      { numRuns: 25 },
    );
  });

  it("moves the bound of a turned blob exactly as the blob, flipped or not", () => {
    const turned = fc.record({ rotate: upTo(45), scale: upTo(0.3), translate: upTo(0.1) });
    const flips = fc.record({ hue: fc.constant(0), flipHorizontal: upTo(1), flipVertical: upTo(1) });
    const centred = boxWithin([24, 12, 72, 52]);
    fc.assert(
      fc.property(centred, turned, flips, place, ([x1, y1, x2, y2], moves, unsafe, at) => {
        const batch = batchOf([[[x1, y1, x2, y2]]]);
        // The ellipse inscribed in the box; what the box paints outside of it becomes tissue again.
        for (let y = y1; y < y2; y++) {
          for (let x = x1; x < x2; x++) {
            const across = (2 * x + 1 - x1 - x2) / (x2 - x1);
            const down = (2 * y + 1 - y1 - y2) / (y2 - y1);
            if (across ** 2 + down ** 2 <= 1) continue;
            for (const channel of [0, 1, 2]) batch.images.data[channel * pixels + y * size.width + x] = 40;
          }
        }
        const out = augmentBatch(batch, { ...none, ...moves, unsafe }, at);
        const [target] = targetsOf(out, 0);
        const seen = patches(out, 0).toSorted((a, b) => b.area - a.area)[0];
        expect(target.label).toBe(seen.label);
        // Half-covered pixels at the four tips.
        seen.box.forEach((edge, i) => {
          expect(Math.abs(edge - target.box[i])).toBeLessThanOrEqual(2);
        });
      }),
      { numRuns: 100 },
    );
  });

  it("keeps what is left on the left under every safe augmentation", () => {
    const left: Box = [26, 22, 42, 42];
    const right: Box = [54, 22, 70, 42];
    const columnOf = (label: number, seen: readonly Seen[]) => {
      const patch = seen.find((one) => one.label === label);
      return patch ? (patch.box[0] + patch.box[2]) / 2 : null;
    };
    let compared = 0;
    fc.assert(
      fc.property(safe, place, (options, at) => {
        const out = augmentBatch(batchOf([[left, right]]), options, at);
        const seen = patches(out, 0);
        const [a, b] = [columnOf(0, seen), columnOf(1, seen)];
        if (a === null || b === null) return;
        compared++;
        expect(a).toBeLessThan(b);
      }),
      { numRuns: 50 },
    );
    expect(compared).toBeGreaterThan(40);
  });

  it("depends on seed, epoch and place alone where there is no mosaic", () => {
    const images = fc.array(fc.array(anywhere, { maxLength: 2 }), { minLength: 2, maxLength: 4 });
    fc.assert(
      fc.property(images, safe, place, (boxes, options, at) => {
        const together = augmentBatch(batchOf(boxes), options, at);
        const again = augmentBatch(batchOf(boxes), options, at);
        expect(Buffer.compare(again.images.data, together.images.data)).toBe(0);
        expect(again.targets).toEqual(together.targets);
        boxes.forEach((own, i) => {
          // Other images before it, none after it.
          const padded = batchOf([...boxes.slice(0, i).map(() => []), own]);
          const alone = augmentBatch(padded, options, at);
          const range = [3 * i * pixels, 3 * (i + 1) * pixels] as const;
          const same = Buffer.compare(
            alone.images.data.subarray(...range),
            together.images.data.subarray(...range),
          );
          expect(same).toBe(0);
          expect(targetsOf(alone, i)).toEqual(targetsOf(together, i));
        });
      }),
      { numRuns: 10 },
    );
  });
});
