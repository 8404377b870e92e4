import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { FrameLoader, type FrameLoaderOptions, type FrameRecord } from "../../src/data/index.js";

const size = { width: 32, height: 32 };
const frameBytes = 3 * 32 * 32;
let folder: string;
let frames: FrameRecord[];
let loader: FrameLoader | undefined;

/** Frame i is 16 x 8 pixels of grey 10 i, with one box and view i % 3; frame 3 has neither. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "echoduet-loader-"));
  frames = await Promise.all(
    Array.from({ length: 6 }, async (_, i) => {
      const imagePath = join(folder, `f${i}.png`);
      const level = 10 * i;
      const background = { r: level, g: level, b: level };
      const image = sharp({ create: { width: 16, height: 8, channels: 3, background } });
      writeFileSync(imagePath, await image.png().toBuffer());
      return {
        name: `f${i}.png`,
        imagePath,
        labelPath: null,
        boxes: i === 3 ? new Float32Array(0) : Float32Array.of(i, 0.5, 0.25, 0.25, 0.5),
        view: i === 3 ? -1 : i % 3,
        patient: null,
        video: null,
        detectionMasked: i === 3,
      };
    }),
  );
});
afterEach(async () => {
  await loader?.close();
  loader = undefined;
});
afterAll(() => rmSync(folder, { recursive: true }));

function open(options?: FrameLoaderOptions, list = frames): FrameLoader {
  loader = new FrameLoader(list, size, options);
  return loader;
}

/** The grey level at the centre of each image of a batch. */
function levels(data: Uint8Array): number[] {
  return Array.from({ length: data.length / frameBytes }, (_, i) => data[i * frameBytes + 16 * 32 + 16]);
}

describe("FrameLoader", () => {
  it.each([1, 2])("gives frames in the order asked for, with %i workers", async (workers) => {
    const source = open({ workers });
    const batch = await source.batch([4, 0, 3, 1]);
    expect(batch.images.dtype).toBe("uint8");
    expect(batch.images.shape).toEqual([4, 3, 32, 32]);
    expect(levels(batch.images.data)).toEqual([40, 0, 30, 10]);
    expect(batch.images.data[0]).toBe(114);
    expect(batch.frames.map((frame) => frame.name)).toEqual(["f4.png", "f0.png", "f3.png", "f1.png"]);
    expect([...batch.views]).toEqual([1, 0, -1, 1]);
    expect([...batch.detectionMask]).toEqual([1, 1, 0, 1]);
    expect(batch.letterboxes[0]).toEqual({
      sourceWidth: 16,
      sourceHeight: 8,
      width: 32,
      height: 32,
      scale: 2,
      padX: 0,
      padY: 8,
      newWidth: 32,
      newHeight: 16,
    });
    // Across nothing changes; down, 16 of 32 rows hold the image: 0.25 + 0.25 / 2, and half the height.
    expect([...batch.targets]).toEqual([
      ...[0, 4, 0.5, 0.375, 0.25, 0.25],
      ...[1, 0, 0.5, 0.375, 0.25, 0.25],
      ...[3, 1, 0.5, 0.375, 0.25, 0.25],
    ]);
  });

  it("accepts typed indices, repeated frames and a batch of one", async () => {
    const source = open();
    expect(levels((await source.batch(Int32Array.of(5, 5, 2))).images.data)).toEqual([50, 50, 20]);
    expect((await source.batch([1])).images.shape).toEqual([1, 3, 32, 32]);
  });

  it("keeps the cache under its budget, with the same batches", async () => {
    const source = open({ cacheBytes: 2 * frameBytes + 100 });
    for (let pass = 0; pass < 2; pass++) {
      for (const indices of [
        [0, 1, 2],
        [3, 4, 5],
      ]) {
        const batch = await source.batch(indices);
        expect(levels(batch.images.data)).toEqual(indices.map((index) => 10 * index));
        expect(source.cachedBytes).toBe(2 * frameBytes);
      }
    }
  });

  it("reads a cached frame once and one beyond the budget again", async () => {
    const list = [0, 1].map((i) => ({ ...frames[i], imagePath: join(folder, `copy${i}.png`) }));
    const paint = async (path: string, level: number): Promise<void> => {
      const background = { r: level, g: level, b: level };
      const image = sharp({ create: { width: 16, height: 8, channels: 3, background } });
      writeFileSync(path, await image.png().toBuffer());
    };
    for (const { imagePath } of list) await paint(imagePath, 60);
    const source = open({ cacheBytes: frameBytes }, list);
    await source.batch([0]);
    await source.batch([1]);
    for (const { imagePath } of list) await paint(imagePath, 90);
    expect(levels((await source.batch([0, 1])).images.data)).toEqual([60, 90]);
  });

  it("prefetches, and counts the time that a batch waits", async () => {
    const source = open();
    await source.batch([0]);
    expect(source.waitedMs).toBeGreaterThan(0);
    const before = source.waitedMs;
    source.prefetch([1, 2]);
    source.prefetch([1, 2]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(levels((await source.batch([1, 2])).images.data)).toEqual([10, 20]);
    expect(source.waitedMs - before).toBeLessThan(250);
  });

  it("decodes while the main thread is busy", async () => {
    const data = Uint8Array.from({ length: 1000 * 1000 * 3 }, (_, i) => (i * 7919) % 251);
    const imagePath = join(folder, "large.png");
    const large = sharp(data, { raw: { width: 1000, height: 1000, channels: 3 } });
    writeFileSync(imagePath, await large.png().toBuffer());
    const source = open({ cacheBytes: 0 }, [{ ...frames[0], imagePath }]);
    await source.batch([0]);
    const started = source.waitedMs;
    await source.batch([0, 0, 0, 0]);
    const alone = source.waitedMs - started;
    source.prefetch([0, 0, 0, 0]);
    const end = performance.now() + 5 * alone;
    while (performance.now() < end);
    const before = source.waitedMs;
    await source.batch([0, 0, 0, 0]);
    expect(source.waitedMs - before).toBeLessThan(alone / 2);
  });

  it("rejects a batch with a corrupt or truncated image, names the file, and goes on", async () => {
    const whole = await sharp(frames[0].imagePath).resize(64, 64).jpeg().toBuffer();
    const cut = { ...frames[0], imagePath: join(folder, "cut.jpg") };
    const broken = { ...frames[0], imagePath: join(folder, "broken.jpg") };
    writeFileSync(cut.imagePath, whole.subarray(0, whole.length - 60));
    writeFileSync(broken.imagePath, Buffer.concat([whole.subarray(0, 20), Buffer.alloc(300, 7)]));
    const source = open({}, [frames[1], cut, broken]);
    const fault = { name: "EchoDuetError", code: "data" };
    await expect(source.batch([0, 1])).rejects.toMatchObject(fault);
    await expect(source.batch([0, 1])).rejects.toThrow(/cut\.jpg: expected a whole image/);
    source.prefetch([2, 0]);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await expect(source.batch([2, 0])).rejects.toThrow(/broken\.jpg: expected a whole image/);
    expect(levels((await source.batch([0])).images.data)).toEqual([10]);
  });

  it("rejects what is under way when it is closed, and what comes after", async () => {
    const source = open();
    const underWay = source.batch([0, 1, 2]);
    const closed = source.close();
    await expect(underWay).rejects.toThrow(/frame loader: a thread was closed/);
    await closed;
    await expect(source.batch([0])).rejects.toThrow(/was closed/);
  });

  it("refuses options that make no sense", () => {
    expect(() => new FrameLoader(frames, size, { workers: 0 })).toThrow(/workers: expected an integer/);
    expect(() => new FrameLoader(frames, size, { cacheBytes: -1 })).toThrow(/cache bytes: expected/);
  });

  it("is closed before the process ends, also while answers are under way", () => {
    const module = new URL("../../dist/data/index.js", import.meta.url).href;
    const torn = join(folder, "torn.jpg");
    writeFileSync(torn, Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16]));
    const paths = [torn, ...Array(12).fill(frames[0].imagePath)];
    const script = `
      import { FrameLoader } from ${JSON.stringify(module)};
      for (let round = 0; round < 30; round++) {
        const frames = ${JSON.stringify(paths)}.map((imagePath) => ({ imagePath, boxes: [], view: 0 }));
        const loader = new FrameLoader(frames, { width: 32, height: 32 });
        await loader.batch([...frames.keys()]).catch(() => {});
        await loader.close();
      }
      console.log("closed");`;
    const run = spawnSync(process.execPath, ["--input-type=module", "-e", script], { timeout: 30_000 });
    expect(run.stdout.toString().trim(), run.stderr.toString()).toBe("closed");
    expect(run.status).toBe(0);
  });

  it("lets the process end, closed or not", () => {
    const module = new URL("../../dist/data/index.js", import.meta.url).href;
    const frame = JSON.stringify({ imagePath: frames[0].imagePath, boxes: [], view: 0 });
    const script = `
      import { FrameLoader } from ${JSON.stringify(module)};
      const loader = new FrameLoader([${frame}], { width: 32, height: 32 });
      const batch = await loader.batch([0]);
      if (process.argv[1] === "close") await loader.close();
      console.log(batch.images.shape.join("x"));`;
    for (const how of ["close", "leave"]) {
      const run = spawnSync(process.execPath, ["--input-type=module", "-e", script, how], {
        timeout: 20_000,
      });
      expect(run.stderr.toString()).toBe("");
      expect(run.stdout.toString().trim()).toBe("1x3x32x32");
      expect(run.status).toBe(0);
    }
  });
});
