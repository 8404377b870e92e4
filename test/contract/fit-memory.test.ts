import { describe, expect, it } from "vitest";
import { resolveTrainConfig } from "../../src/config/index.js";
import { fitMemory, microBatched } from "../../src/experiments/speed/fit-memory.js";
import { scaledWeightDecay, nominalAccumulation } from "../../src/optim/schedule.js";

const config = (options: object) =>
  resolveTrainConfig({ data: "d.yaml", model: "dual-yolov5n", ...options }, "test");

describe("micro-batches", () => {
  it.each([
    { batch: 16, nominalBatch: 0 },
    { batch: 16, nominalBatch: 64 },
    { batch: 16, nominalBatch: 4 },
    { batch: 24, nominalBatch: 64 },
  ])(
    "leave images and weight decay of an update as they are ($batch images, nominal $nominalBatch)",
    (given) => {
      const asked = config({ ...given, weightDecay: 0.02, optim: { detection: { weightDecay: 0.5 } } });
      const all = microBatched(asked);
      expect(all[0]).toBe(asked);
      expect(all.map(({ batch }) => batch)).toEqual(
        given.batch === 16 ? [16, 8, 4, 2, 1] : [24, 12, 8, 6, 4, 3, 2, 1],
      );
      const decays = (one: typeof asked) =>
        [one.weightDecay, one.optim.detection.weightDecay!].map((weightDecay) =>
          scaledWeightDecay({ ...one, weightDecay }),
        );
      for (const one of all) {
        expect(one.batch * nominalAccumulation(one)).toBe(asked.batch * nominalAccumulation(asked));
        for (const [i, decay] of decays(one).entries()) expect(decay).toBeCloseTo(decays(asked)[i], 12);
        expect(one.optim.classification.weightDecay).toBeNull();
      }
    },
  );
});

describe("a budget of memory", () => {
  const mebi = 2 ** 20;
  const measure = async ({ batch }: { batch: number }) => ({ peakBytes: (100 + 50 * batch) * mebi });

  it("takes the largest micro-batch that fits, and keeps decoded images in what is left", async () => {
    const said: string[] = [];
    const onMessage = (message: string) => void said.push(message);
    const fitted = await fitMemory(config({ batch: 16 }), { budget: 400 * mebi, onMessage, measure });
    expect(fitted).toMatchObject({ batch: 4, nominalBatch: 64, cacheBytes: 40 * mebi });
    expect(said).toEqual([
      "memory: 16 images a step take 900 MiB, with a reserve 1080 of 400",
      "memory: 8 images a step take 500 MiB, with a reserve 600 of 400",
      "memory: 4 images a step take 300 MiB, with a reserve 360 of 400",
    ]);
    const roomy = await fitMemory(config({ batch: 16 }), { budget: 9000 * mebi, onMessage, measure });
    expect(roomy).toEqual(config({ batch: 16 }));
  });

  it("tells the least that would do", async () => {
    const asked = fitMemory(config({ batch: 4 }), { budget: 20 * mebi, onMessage: () => {}, measure });
    await expect(asked).rejects.toThrow(/expected a budget of at least 180 MiB .* got 20 MiB/);
  });
});
