import { describe, expect, it } from "vitest";
import { assignTargets } from "../../src/detection/assignment.js";
import { hasReference, readReference } from "../support/read-safetensors.js";

describe.each(["loss_nc4.safetensors", "loss_nc1.safetensors"])("assignment of %s", (name) => {
  const available = hasReference(name);

  it.skipIf(!available)("gives the reference's matches in the reference's order", () => {
    const read = readReference(name);
    const gridSizes = [0, 1, 2].map((level) => {
      const [, , height, width] = read(`pred.${level}`).shape;
      return { width, height };
    });
    const flat = read("anchors_grid_units").data;
    const anchors = [0, 1, 2].map((level) =>
      [0, 1, 2].map((anchor) => [0, 1].map((side) => flat[(level * 3 + anchor) * 2 + side])),
    );
    const levels = assignTargets(read("targets").data, { gridSizes, anchors });

    expect(levels).toHaveLength(3);
    levels.forEach((matches, level) => {
      const cells = Array.from({ length: matches.count }, (_, m) => [
        matches.image[m],
        matches.anchorIndex[m],
        matches.gj[m],
        matches.gi[m],
      ]);
      expect(cells.flat()).toEqual([...read(`assign.${level}.b_a_gj_gi`).data]);
      expect([...matches.classIndex]).toEqual([...read(`assign.${level}.tcls`).data]);
      expect([...matches.box]).toEqual([...read(`assign.${level}.tbox`).data]);
      expect([...matches.anchor]).toEqual([...read(`assign.${level}.anchor`).data]);

      const lastOfCell = cells.map((cell, m) => {
        const same = (other: number[]) => other.every((index, i) => index === cell[i]);
        return cells.findLastIndex(same) === m ? 1 : 0;
      });
      expect([...matches.winner]).toEqual(lastOfCell);
    });
  });

  it.skipIf(!available)("has cells with several matches, so that winners are put to the test", () => {
    const read = readReference(name);
    const repeated = [0, 1, 2].map((level) => {
      const { data, shape } = read(`assign.${level}.b_a_gj_gi`);
      const cells = Array.from({ length: shape[0] }, (_, m) => data.slice(m * 4, m * 4 + 4).join());
      return cells.length - new Set(cells).size;
    });
    expect(Math.max(...repeated)).toBeGreaterThan(0);
  });
});
