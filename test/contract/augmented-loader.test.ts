import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  AugmentedLoader,
  type AugmentOptions,
  augmentBatch,
  FrameLoader,
  type FrameRecord,
  noAugmentation,
  type PlacedBatch,
} from "../../src/data/index.js";

const size = { width: 160, height: 128 };
const augment: AugmentOptions = {
  ...noAugmentation,
  rotate: 8,
  scale: 0.2,
  gain: 0.3,
  speckle: 0.2,
  mosaic: 0.4,
};
let folder: string;
let frames: FrameRecord[];
let open: { close(): Promise<void> }[] = [];

/** Frames of noise with a box and a view; the last one is left out of the detection loss. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "echoduet-augmented-"));
  frames = await Promise.all(
    Array.from({ length: 6 }, async (_, i) => {
      const imagePath = join(folder, `f${i}.png`);
      const data = Uint8Array.from({ length: 3 * 96 * 96 }, (_, at) => (at * (7919 + i)) % 251);
      const image = sharp(data, { raw: { width: 96, height: 96, channels: 3 } });
      writeFileSync(imagePath, await image.png().toBuffer());
      return {
        name: `f${i}.png`,
        imagePath,
        labelPath: null,
        boxes: Float32Array.of(i % 4, 0.5, 0.4, 0.3, 0.5),
        view: i % 3,
        patient: null,
        video: null,
        detectionMasked: i === 5,
      };
    }),
  );
});
afterEach(async () => {
  for (const loader of open) await loader.close();
  open = [];
});
afterAll(() => rmSync(folder, { recursive: true }));

function opened<T extends { close(): Promise<void> }>(loader: T): T {
  open.push(loader);
  return loader;
}

/** Batches of three epochs, each in another order. */
const placed: PlacedBatch[] = [0, 1, 2].flatMap((epoch) =>
  [0, 3].map((first) => ({
    indices: [0, 1, 2].map((i) => (first + i * (epoch + 1) + epoch) % 6),
    place: { seed: 4, epoch, first },
  })),
);

describe("AugmentedLoader", () => {
  it.each([1, 2])(
    "gives what augmentBatch makes of the frames, to the bit, with %i workers",
    async (workers) => {
      const plain = opened(new FrameLoader(frames, size));
      const loader = opened(new AugmentedLoader(frames, size, { augment, workers }));
      const got = [];
      for (let i = 0; i < placed.length; i++) {
        for (const next of placed.slice(i, i + 3)) loader.prefetch(next);
        got.push(await loader.batch(placed[i]));
      }
      for (const [i, { indices, place }] of placed.entries()) {
        const expected = augmentBatch(await plain.batch(indices), augment, place);
        expect(expected.images.data).not.toEqual((await plain.batch(indices)).images.data);
        expect(got[i]).toEqual(expected);
      }
    },
  );

  it("tells the same frames at two places apart", async () => {
    const loader = opened(new AugmentedLoader(frames, size, { augment }));
    const places = [0, 1].map((epoch) => ({ indices: [0, 1], place: { seed: 0, epoch, first: 0 } }));
    for (const place of places) loader.prefetch(place);
    const [a, b] = [await loader.batch(places[0]), await loader.batch(places[1])];
    expect(a.images.data).not.toEqual(b.images.data);
  });

  it("gives the frames as they are where nothing is switched on", async () => {
    const plain = opened(new FrameLoader(frames, size));
    const loader = opened(new AugmentedLoader(frames, size, { augment: noAugmentation }));
    expect(await loader.batch(placed[0])).toEqual(await plain.batch(placed[0].indices));
  });

  it("augments while the main thread is busy", async () => {
    const many = { indices: Array.from({ length: 48 }, (_, i) => i % 6), place: placed[0].place };
    const loader = opened(new AugmentedLoader(frames, size, { augment }));
    await loader.batch(many);
    const started = loader.waitedMs;
    await loader.batch(many);
    const alone = loader.waitedMs - started;
    loader.prefetch(many);
    // What a training step leaves the loader: a turn of the loop before it.
    await new Promise((resolve) => setImmediate(resolve));
    const end = performance.now() + 5 * alone;
    while (performance.now() < end);
    const before = loader.waitedMs;
    await loader.batch(many);
    expect(loader.waitedMs - before).toBeLessThan(alone / 2);
  });

  it("rejects a batch whose image is gone, and what is under way when it is closed", async () => {
    const gone = { ...frames[0], imagePath: join(folder, "gone.png") };
    const loader = opened(new AugmentedLoader([frames[0], gone], size, { augment }));
    const bad = { indices: [0, 1], place: placed[0].place };
    loader.prefetch(bad);
    await expect(loader.batch(bad)).rejects.toThrow(/gone\.png/);
    await loader.batch({ ...bad, indices: [0] });
    const underWay = expect(loader.batch({ ...bad, indices: [0, 0] })).rejects.toThrow(/a thread was closed/);
    await loader.close();
    await underWay;
  });
});
