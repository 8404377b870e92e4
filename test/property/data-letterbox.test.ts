import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  batches,
  epochOrder,
  letterbox,
  letterboxGeometry,
  parseLabel,
  toNetworkBox,
  toSourceBox,
  wholeBatches,
} from "../../src/data/index.js";

const size = fc.record({
  width: fc.integer({ min: 8, max: 2000 }),
  height: fc.integer({ min: 8, max: 2000 }),
});
const unit = fc.double({ min: 0, max: 1, noNaN: true });

describe("letterbox", () => {
  it("gives boxes back and keeps them inside the scaled image", () => {
    fc.assert(
      fc.property(size, size, unit, unit, unit, unit, (source, input, a, b, c, d) => {
        const box = [
          Math.min(a, b) * source.width,
          Math.min(c, d) * source.height,
          Math.max(a, b) * source.width,
          Math.max(c, d) * source.height,
        ] as const;
        const geometry = letterboxGeometry(source, input);
        const network = toNetworkBox(geometry, box);
        const { padX, padY, newWidth, newHeight } = geometry;
        expect(network[0]).toBeGreaterThanOrEqual(padX - 1e-6);
        expect(network[1]).toBeGreaterThanOrEqual(padY - 1e-6);
        expect(network[2]).toBeLessThanOrEqual(padX + newWidth + 1e-6);
        expect(network[3]).toBeLessThanOrEqual(padY + newHeight + 1e-6);
        toSourceBox(geometry, network).forEach((value, i) => {
          expect(Math.abs(value - box[i])).toBeLessThan(1e-4);
        });
      }),
    );
  });

  it("fits the input, touches one pair of its sides and centres within a pixel", () => {
    fc.assert(
      fc.property(size, size, (source, input) => {
        const { newWidth, newHeight, padX, padY } = letterboxGeometry(source, input);
        expect(newWidth === input.width || newHeight === input.height).toBe(true);
        expect(newWidth).toBeLessThanOrEqual(input.width);
        expect(newHeight).toBeLessThanOrEqual(input.height);
        expect([0, 1]).toContain(input.width - newWidth - 2 * padX);
        expect([0, 1]).toContain(input.height - newHeight - 2 * padY);
      }),
    );
  });

  it("is within one grey level of the real-valued bilinear resize", () => {
    const small = fc.record({
      width: fc.integer({ min: 1, max: 24 }),
      height: fc.integer({ min: 1, max: 24 }),
    });
    fc.assert(
      fc.property(
        small,
        small,
        fc.infiniteStream(fc.integer({ min: 0, max: 255 })),
        (source, input, values) => {
          const data = Uint8Array.from(
            { length: source.width * source.height * 3 },
            () => values.next().value,
          );
          const out = letterbox({ ...source, data }, input);
          const at = (length: number, newLength: number, i: number): [number, number, number] => {
            const position = Math.min(Math.max(((i + 0.5) * length) / newLength - 0.5, 0), length - 1);
            const low = Math.floor(position);
            return [low, Math.min(low + 1, length - 1), position - low];
          };
          for (let y = 0; y < input.height; y++) {
            for (let x = 0; x < input.width; x++) {
              const [sx, sy] = [x - out.padX, y - out.padY];
              const inside = sx >= 0 && sy >= 0 && sx < out.newWidth && sy < out.newHeight;
              for (let c = 0; c < 3; c++) {
                const got = out.data[(c * input.height + y) * input.width + x];
                if (!inside) {
                  expect(got).toBe(114);
                  continue;
                }
                const [x0, x1, fx] = at(source.width, out.newWidth, sx);
                const [y0, y1, fy] = at(source.height, out.newHeight, sy);
                const pixel = (py: number, px: number): number => data[(py * source.width + px) * 3 + c];
                const top = pixel(y0, x0) * (1 - fx) + pixel(y0, x1) * fx;
                const bottom = pixel(y1, x0) * (1 - fx) + pixel(y1, x1) * fx;
                expect(Math.abs(got - (top * (1 - fy) + bottom * fy))).toBeLessThanOrEqual(1);
              }
            }
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe("labels", () => {
  it("reads back what was written, whatever the order of the lines", () => {
    const line = fc.record({
      class: fc.integer({ min: 0, max: 3 }),
      cx: unit,
      cy: unit,
      w: fc.double({ min: 1e-6, max: 1, noNaN: true }),
      h: fc.double({ min: 1e-6, max: 1, noNaN: true }),
    });
    const lines = fc.array(line, { maxLength: 6 });
    fc.assert(
      fc.property(lines, fc.integer({ min: 1, max: 9 }), fc.nat(), fc.nat(), (boxes, views, v, at) => {
        const view = v % views;
        const rows = boxes.map((b) => [b.class, b.cx, b.cy, b.w, b.h].join(" "));
        const oneHot = Array.from({ length: views }, (_, i) => (i === view ? 1 : 0)).join(" ");
        rows.splice(at % (rows.length + 1), 0, oneHot);
        const label = parseLabel(rows.join("\n"), { file: "x.txt", classes: 4, views });
        expect(label).toEqual({ boxes, view });
      }),
    );
  });
});

describe("epochs", () => {
  it("visit every frame once, in an order of seed and epoch, the shorter last batch included", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 200 }),
        fc.nat(),
        fc.nat(50),
        fc.integer({ min: 1, max: 33 }),
        (count, seed, epoch, size) => {
          const order = epochOrder(count, seed, epoch);
          expect(order).toEqual(epochOrder(count, seed, epoch));
          if (count > 30) expect(order).not.toEqual(epochOrder(count, seed, epoch + 1));
          const parts = batches(order, size);
          expect(parts).toHaveLength(Math.ceil(count / size));
          expect(parts.flatMap((part) => [...part])).toEqual([...order]);
          expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
        },
      ),
    );
  });

  it("have batches of one size for training, the last filled up from the first ones", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 33 }), (count, size) => {
        const order = epochOrder(count, 0, 1);
        const parts = wholeBatches(order, size);
        expect(parts).toHaveLength(Math.ceil(count / size));
        for (const part of parts) expect(new Set(part).size).toBe(Math.min(size, count));
        const all = parts.flatMap((part) => [...part]);
        expect(all.slice(0, count)).toEqual([...order]);
        expect(all.slice(count)).toEqual([...order].slice(0, all.length - count));
      }),
    );
  });
});
