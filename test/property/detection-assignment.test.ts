import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assignTargets } from "../../src/detection/assignment.js";

const grid = { width: 8, height: 6 };
const anchors = [
  [1, 1],
  [2, 3],
  [6, 5],
];
const unit = fc.float({ min: 0, max: 1, noNaN: true });
const side = fc.float({ min: Math.fround(0.01), max: 1, noNaN: true });
const targets = fc.array(fc.tuple(fc.nat(2), fc.nat(3), unit, unit, side, side), { maxLength: 12 });

describe("assignment", () => {
  it("gives each fitting target one to three cells of an anchor, within the grid", () => {
    fc.assert(
      fc.property(targets, (rows) => {
        const [matches] = assignTargets(rows.flat(), { gridSizes: [grid], anchors: [anchors] });
        const ratios = (w: number, h: number, a: number) =>
          [(w * grid.width) / anchors[a][0], (h * grid.height) / anchors[a][1]].flatMap((r) => [r, 1 / r]);
        const fitting = rows.flatMap(([, , , , w, h]) =>
          [0, 1, 2].filter((a) => ratios(w, h, a).every((r) => r < 4)),
        ).length;
        expect(matches.count).toBeGreaterThanOrEqual(fitting);
        expect(matches.count).toBeLessThanOrEqual(3 * fitting);
        expect([...matches.gi].every((i) => i >= 0 && i < grid.width)).toBe(true);
        expect([...matches.gj].every((j) => j >= 0 && j < grid.height)).toBe(true);
      }),
    );
  });

  it("keeps each target's centre within one and a half cells, or the clamped border, of its cell", () => {
    fc.assert(
      fc.property(targets, (rows) => {
        const [{ box }] = assignTargets(rows.flat(), { gridSizes: [grid], anchors: [anchors] });
        for (let m = 0; m < box.length; m += 4) {
          for (const offset of [box[m], box[m + 1]]) {
            expect(offset).toBeGreaterThanOrEqual(-0.5);
            expect(offset).toBeLessThanOrEqual(1.5);
          }
        }
      }),
    );
  });

  it("marks exactly one winner a cell, and it is the last", () => {
    fc.assert(
      fc.property(targets, (rows) => {
        const [m] = assignTargets(rows.flat(), { gridSizes: [grid], anchors: [anchors] });
        const cells = Array.from(m.image, (image, i) => [image, m.anchorIndex[i], m.gj[i], m.gi[i]].join());
        expect([...m.winner]).toEqual(cells.map((cell, i) => Number(cells.lastIndexOf(cell) === i)));
      }),
    );
  });

  it("matches nothing without targets", () => {
    const [matches] = assignTargets([], { gridSizes: [grid], anchors: [anchors] });
    expect(matches.count).toBe(0);
    expect(matches.box).toHaveLength(0);
  });

  it("refuses rows that are not six wide, and levels that do not fit", () => {
    const options = { gridSizes: [grid], anchors: [anchors] };
    expect(() => assignTargets([0, 1, 2], options)).toThrow(/rows of 6 numbers, got 3/);
    expect(() => assignTargets([], { ...options, anchors: [] })).toThrow(/1 levels as the grids, got 0/);
  });
});
