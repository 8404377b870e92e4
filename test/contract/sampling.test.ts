import { describe, expect, it } from "vitest";
import { epochOrder, type FrameRecord, type Sampling, sampledOrder } from "../../src/data/index.js";

const at = { seed: 5, epoch: 2 };

/** A frame with one box of each of these classes. */
function frame(classes: readonly number[], view: number): FrameRecord {
  return {
    name: "",
    imagePath: "",
    labelPath: null,
    patient: null,
    video: null,
    boxes: Float32Array.from(classes.flatMap((label) => [label, 0.5, 0.5, 0.1, 0.1])),
    view,
    detectionMasked: false,
  };
}

const frames = (count: number, classes: readonly number[], view: number): FrameRecord[] =>
  Array.from({ length: count }, () => frame(classes, view));

/** How often each frame is drawn. */
function draws(data: readonly FrameRecord[], sampling: Sampling, place = at): number[] {
  const counts = data.map(() => 0);
  for (const index of sampledOrder(data, sampling, place)) counts[index]++;
  return counts;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

describe("sampledOrder", () => {
  it("is the plain shuffle for none, bit for bit", () => {
    const data = [...frames(40, [0], 0), ...frames(10, [1], 1)];
    expect(sampledOrder(data, "none", at)).toEqual(epochOrder(50, at.seed, at.epoch));
  });

  it("gives classes shares by the square roots of their sizes", () => {
    // Roots 30 : 10 : 5, so 2/3, 2/9 and 1/9 of the epoch.
    const data = [...frames(900, [0], 0), ...frames(100, [1], 0), ...frames(25, [], 0)];
    const counts = draws(data, "class");
    const shares = [counts.slice(0, 900), counts.slice(900, 1000), counts.slice(1000)].map(sum);
    expect(sum(shares)).toBe(1025);
    [2 / 3, 2 / 9, 1 / 9].forEach((share, i) => {
      expect(Math.abs(shares[i] - share * 1025)).toBeLessThanOrEqual(1);
    });
  });

  it("shows every frame of a group before it shows one again", () => {
    const data = [...frames(900, [0], 0), ...frames(100, [1], 0)];
    const counts = draws(data, "class");
    expect(Math.max(...counts.slice(0, 900))).toBe(1);
    // A quarter of 1,000 draws for 100 frames.
    expect(new Set(counts.slice(900))).toEqual(new Set([2, 3]));
  });

  it("balances views, and pairs of class and view, frames without either apart", () => {
    const data = [
      ...frames(64, [0], 0),
      ...frames(16, [0], 1),
      ...frames(4, [1], 1),
      ...frames(16, [1], -1),
      ...frames(1, [], -1),
    ];
    const starts = [0, 64, 80, 84, 100, 101];
    const groups = (sampling: Sampling) => {
      const counts = draws(data, sampling);
      return starts.slice(0, -1).map((start, i) => sum(counts.slice(start, starts[i + 1])));
    };
    const views = groups("view");
    const roots = [Math.sqrt(64), Math.sqrt(20), Math.sqrt(17)];
    [views[0], views[1] + views[2], views[3] + views[4]].forEach((count, i) => {
      expect(Math.abs(count - (101 * roots[i]) / sum(roots))).toBeLessThanOrEqual(1);
    });
    const pairs = groups("class-view");
    [8, 4, 2, 4, 1].forEach((root, i) => {
      expect(Math.abs(pairs[i] - (101 * root) / 19)).toBeLessThanOrEqual(1);
    });
  });

  it("counts a frame of several classes for its rarest", () => {
    const data = [...frames(90, [0], 0), ...frames(10, [0, 1], 0)];
    const counts = draws(data, "class");
    expect(Math.abs(sum(counts.slice(90)) - 25)).toBeLessThanOrEqual(1);
  });

  it("draws anew for each epoch and seed, and the same again", () => {
    const data = [...frames(50, [0], 0), ...frames(10, [1], 1)];
    for (const sampling of ["class", "view", "class-view"] as const) {
      const orders = [at, { ...at, epoch: 3 }, { ...at, seed: 6 }].map((place) =>
        sampledOrder(data, sampling, place).join(),
      );
      expect(new Set(orders).size).toBe(3);
      expect(sampledOrder(data, sampling, at).join()).toBe(orders[0]);
    }
  });

  it("mixes the groups within an epoch", () => {
    const data = [...frames(50, [0], 0), ...frames(50, [1], 0)];
    const half = [...sampledOrder(data, "class", at)].slice(0, 50).filter((index) => index < 50).length;
    expect(half).toBeGreaterThan(15);
    expect(half).toBeLessThan(35);
  });

  it("evens out the rounding over the epochs", () => {
    const data = [...frames(4, [0], 0), ...frames(1, [1], 0), ...frames(1, [2], 0)];
    // Half of 6, a quarter of 6 and a quarter of 6: 3, 1.5 and 1.5 an epoch.
    const total = [0, 0, 0];
    for (let epoch = 1; epoch <= 400; epoch++) {
      const counts = draws(data, "class", { seed: 1, epoch });
      [sum(counts.slice(0, 4)), counts[4], counts[5]].forEach((count, i) => {
        total[i] += count;
      });
    }
    [3, 1.5, 1.5].forEach((mean, i) => {
      expect(Math.abs(total[i] / 400 - mean)).toBeLessThan(0.1);
    });
  });

  it("is empty for no frames", () => {
    for (const sampling of ["none", "class"] as const) expect(sampledOrder([], sampling, at)).toHaveLength(0);
  });
});
