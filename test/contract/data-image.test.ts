import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp, { type Color, type Sharp } from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeImage, letterbox, letterboxGeometry } from "../../src/data/index.js";
import { hasReference, readReference } from "../support/read-safetensors.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "echoduet-image-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** A picture with something in every pixel, so that a cut or a broken block cannot go unnoticed. */
function noise(width: number, height: number): Sharp {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) % 251);
  return sharp(data, { raw: { width, height, channels: 3 } });
}

const flat = (channels: 3 | 4, background: Color) =>
  sharp({ create: { width: 2, height: 1, channels, background } });

describe("decodeImage", () => {
  it("gives the pixels of a lossless image", async () => {
    const path = write("noise.png", await noise(7, 5).png().toBuffer());
    const image = await decodeImage(path);
    expect([image.width, image.height]).toEqual([7, 5]);
    expect(Array.from(image.data)).toEqual(Array.from(await noise(7, 5).raw().toBuffer()));
  });

  it("drops alpha without blending", async () => {
    const rgba = flat(4, { r: 200, g: 100, b: 50, alpha: 0.25 });
    const image = await decodeImage(write("rgba.png", await rgba.png().toBuffer()));
    expect(Array.from(image.data)).toEqual([200, 100, 50, 200, 100, 50]);
  });

  it("brings grey and 16-bit images to 8-bit RGB", async () => {
    const grey = sharp(Uint8Array.of(77, 200), { raw: { width: 2, height: 1, channels: 1 } });
    const fromGrey = await decodeImage(write("grey.png", await grey.png().toBuffer()));
    expect(Array.from(fromGrey.data)).toEqual([77, 77, 77, 200, 200, 200]);
    const deep = sharp(Uint16Array.of(0x1280, 0xff80, 0x0080), { raw: { width: 1, height: 1, channels: 3 } });
    const bytes = await deep.toColourspace("rgb16").png().toBuffer();
    expect((await sharp(bytes).metadata()).depth).toBe("ushort");
    const fromDeep = await decodeImage(write("deep.png", bytes));
    expect(Array.from(fromDeep.data)).toEqual([0x12, 0xff, 0x00]);
  });

  it("turns the image as its EXIF orientation says", async () => {
    const bytes = await noise(16, 8).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const image = await decodeImage(write("turned.jpg", bytes));
    expect([image.width, image.height]).toEqual([8, 16]);
  });

  it.each(["jpeg", "png", "webp", "tiff"] as const)("names a truncated %s", async (format) => {
    const bytes = await noise(64, 64).toFormat(format).toBuffer();
    for (const part of [0.5, 0.9]) {
      const path = write(`cut.${format}`, bytes.subarray(0, Math.floor(bytes.length * part)));
      await expect(decodeImage(path)).rejects.toThrow(/cut\.\w+: expected a whole image, got .*; replace/);
    }
  });

  it("names a JPEG with broken data, an empty file, text and a missing file", async () => {
    const broken = await noise(64, 64).jpeg().toBuffer();
    broken.fill(0, broken.length >> 1, (broken.length >> 1) + 400);
    const whole = /: expected a whole image, got /;
    await expect(decodeImage(write("broken.jpg", broken))).rejects.toThrow(whole);
    await expect(decodeImage(write("empty.jpg", Buffer.alloc(0)))).rejects.toThrow(whole);
    await expect(decodeImage(write("text.jpg", Buffer.from("hello")))).rejects.toThrow(whole);
    await expect(decodeImage(join(folder, "none.jpg"))).rejects.toThrow(/none\.jpg: .* nothing there/);
    await expect(decodeImage(join(folder, "none.jpg"))).rejects.toMatchObject({ code: "data" });
  });
});

describe("letterbox", () => {
  it.each([
    // 425 * 0.5 = 212.5 rounds to the even 212; an odd rest of padding goes to the bottom or the right.
    [640, 425, 320, 320, { newWidth: 320, newHeight: 212, padX: 0, padY: 54 }],
    [640, 427, 320, 320, { newWidth: 320, newHeight: 214, padX: 0, padY: 53 }],
    [700, 495, 320, 320, { newWidth: 320, newHeight: 226, padX: 0, padY: 47 }],
    [430, 320, 320, 320, { newWidth: 320, newHeight: 238, padX: 0, padY: 41 }],
    [160, 121, 320, 320, { newWidth: 320, newHeight: 242, padX: 0, padY: 39 }],
    [100, 200, 64, 320, { newWidth: 64, newHeight: 128, padX: 0, padY: 96 }],
    [5, 9, 10, 10, { newWidth: 6, newHeight: 10, padX: 2, padY: 0 }],
    [9, 5, 10, 10, { newWidth: 10, newHeight: 6, padX: 0, padY: 2 }],
    [4, 3, 4, 4, { newWidth: 4, newHeight: 3, padX: 0, padY: 0 }],
    [10000, 1, 32, 32, { newWidth: 32, newHeight: 1, padX: 0, padY: 15 }],
  ])("puts %i x %i into %i x %i", (sourceWidth, sourceHeight, width, height, expected) => {
    const source = { width: sourceWidth, height: sourceHeight };
    expect(letterboxGeometry(source, { width, height })).toMatchObject(expected);
  });

  it("copies pixels where nothing is scaled and pads with 114", () => {
    const data = Uint8Array.from({ length: 2 * 1 * 3 }, (_, i) => i + 1);
    const out = letterbox({ width: 2, height: 1, data }, { width: 2, height: 3 });
    const plane = (left: number, right: number): number[] => [114, 114, left, right, 114, 114];
    expect(Array.from(out.data)).toEqual([...plane(1, 4), ...plane(2, 5), ...plane(3, 6)]);
  });

  it("interpolates at half-pixel centres", () => {
    const grey = [0, 100].flatMap((value) => [value, value, value]);
    const out = letterbox({ width: 2, height: 1, data: Uint8Array.from(grey) }, { width: 4, height: 2 });
    expect(Array.from(out.data.subarray(0, 8))).toEqual([0, 25, 75, 100, 0, 25, 75, 100]);
  });

  const references = ["forward_a.safetensors", "forward_b.safetensors"];
  it.skipIf(!references.every(hasReference)).each(references)("gives the pixels of %s", (file) => {
    const tensor = readReference(file);
    const source = tensor("image_rgb");
    const expected = tensor("letterboxed_rgb");
    const [height, width] = source.shape;
    const image = { width, height, data: Uint8Array.from(source.data) };
    const out = letterbox(image, { width: 320, height: 320 });
    let worst = 0;
    expected.data.forEach((value, i) => {
      const planar = (i % 3) * 320 * 320 + Math.floor(i / 3);
      worst = Math.max(worst, Math.abs(out.data[planar] - value));
    });
    // One grey level would do; the same fixed-point arithmetic gives the same pixels.
    expect(worst).toBe(0);
  });
});

it("reads files, not a cache of them", async () => {
  const path = write("changing.png", await flat(3, "red").png().toBuffer());
  await decodeImage(path);
  writeFileSync(path, await flat(3, "blue").png().toBuffer());
  expect(Array.from((await decodeImage(path)).data.subarray(0, 3))).toEqual([0, 0, 255]);
});
