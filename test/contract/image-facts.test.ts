import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { measureImages } from "../../src/data/audit/image-facts.js";
import { type ImageFacts, measureImage } from "../../src/data/audit/measure-image.js";
import { simulate } from "../../src/data/simulate/index.js";

const FONT = createRequire(import.meta.url).resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");
const realTrain = fileURLToPath(new URL("../../../shared/data/regurgitation/train/images", import.meta.url));
if (!existsSync(realTrain)) console.warn("skipped: shared/data/regurgitation is not beside the checkout");

let folder: string;
let frames: string[];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "image-facts-"));
  const out = join(folder, "simulated");
  await simulate({ out, patients: 4, framesPerClip: 1, seed: 21, size: "machine" });
  frames = ["train", "valid", "test"].flatMap((split) => filesOf(join(out, split, "images")));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function filesOf(images: string): string[] {
  return readdirSync(images)
    .sort()
    .map((name) => join(images, name));
}

/** A picture of left and right halves of one colour each, saved losslessly. */
async function halves(name: string, left: number[], right: number[], size = [40, 30]): Promise<string> {
  const [width, height] = size as [number, number];
  const data = Buffer.alloc(width * height * 3);
  for (let i = 0; i < width * height; i++) data.set(i % width < width / 2 ? left : right, 3 * i);
  const path = join(folder, name);
  await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(path);
  return path;
}

/** A frame with white text burnt in at (8, 6). */
async function withText(frame: string, text: string, pixels: number): Promise<Buffer> {
  const mask = await sharp({ text: { text, font: `DejaVu Sans ${pixels}`, fontfile: FONT, dpi: 72 } })
    .extractChannel(0)
    .png()
    .toBuffer();
  return sharp(frame)
    .composite([{ input: mask, left: 8, top: 6, blend: "screen" }])
    .jpeg({ quality: 88 })
    .toBuffer();
}

async function factsOf(picture: Buffer, name: string): Promise<ImageFacts> {
  const path = join(folder, name);
  writeFileSync(path, picture);
  return measureImage(path);
}

const bitsApart = (a: bigint, b: bigint): number =>
  [...(a ^ b).toString(2)].filter((bit) => bit === "1").length;

describe("measureImage", () => {
  it("measures size, bytes, luminance and colour", async () => {
    const path = await halves("red-black.png", [255, 0, 0], [0, 0, 0]);
    const facts = await measureImage(path);
    expect(facts).toMatchObject({ width: 40, height: 30, fault: null, textAreas: [], colouredShare: 0.5 });
    expect(facts.sha256).toBe(createHash("sha256").update(readFileSync(path)).digest("hex"));
    // 0.299 of 255 on half of the pixels.
    expect(facts.meanLuminance).toBeCloseTo(38.1, 0);
    expect(facts.thumbnail).toHaveLength(54 * 48);
    expect([facts.thumbnail[0], facts.thumbnail[53]]).toEqual([77, 0]);
  });

  it("has one bit a row of the hash where the left outshines the right", async () => {
    // The brighter half ends inside the fifth of nine columns.
    const bright = await measureImage(await halves("a.png", [200, 200, 200], [20, 20, 20], [900, 800]));
    const dark = await measureImage(await halves("b.png", [20, 20, 20], [200, 200, 200], [900, 800]));
    const grey = await measureImage(await halves("c.png", [90, 90, 90], [90, 90, 90], [1, 1]));
    expect(bright.hash).toBe(0x1818181818181818n);
    expect([dark.hash, grey.hash]).toEqual([0n, 0n]);
  });

  it("counts tinted grey as no colour", async () => {
    const tinted = await measureImage(await halves("tint.png", [120, 110, 140], [60, 60, 80]));
    expect(tinted.colouredShare).toBe(0);
  });

  it("moves few bits of the hash and little of the thumbnail when a picture is saved again", async () => {
    for (const frame of frames.slice(0, 6)) {
      const facts = await measureImage(frame);
      const again = await factsOf(await sharp(frame).jpeg({ quality: 50 }).toBuffer(), "again.jpg");
      const smaller = await sharp(frame).resize(300, 225, { fit: "fill" }).png().toBuffer();
      const scaled = await factsOf(smaller, "scaled.png");
      expect(bitsApart(facts.hash, again.hash)).toBeLessThanOrEqual(4);
      expect(bitsApart(facts.hash, scaled.hash)).toBeLessThanOrEqual(4);
      const moved = facts.thumbnail.reduce((sum, value, i) => sum + Math.abs(value - again.thumbnail[i]), 0);
      expect(moved / facts.thumbnail.length).toBeLessThan(2);
    }
  });

  it("gives a fault for what is missing, empty, truncated or no image", async () => {
    const broken = {
      "empty.jpg": Buffer.alloc(0),
      "text.jpg": Buffer.from("no image"),
      "truncated.jpg": readFileSync(frames[0]).subarray(0, 2000),
    };
    for (const [name, bytes] of Object.entries(broken)) {
      const facts = await factsOf(bytes, name);
      expect(facts.fault).toContain(name);
      expect(facts.sha256).toBe(createHash("sha256").update(bytes).digest("hex"));
      expect(facts).toMatchObject({ width: 0, height: 0, hash: 0n, textAreas: [] });
    }
    const missing = await measureImage(join(folder, "missing.jpg"));
    expect(missing).toMatchObject({ sha256: "", width: 0 });
    expect(missing.fault).toContain("missing.jpg");
  });
});

describe("measureImages", () => {
  it("gives the same facts in the order of the paths with any number of threads", async () => {
    const paths = [...frames.slice(0, 7), join(folder, "missing.jpg"), frames[0]];
    const seen: number[][] = [];
    const onProgress = (...at: number[]) => seen.push(at);
    const one = await measureImages(paths, { workers: 1, onProgress });
    const three = await measureImages(paths, { workers: 3 });
    expect(three).toEqual(one);
    expect(one.slice(0, 7)).toEqual(await Promise.all(frames.slice(0, 7).map(measureImage)));
    expect(one.map(({ fault }) => fault !== null)).toEqual(paths.map((path) => path.includes("missing")));
    expect(seen).toEqual(paths.map((_, i) => [i + 1, paths.length]));
  });

  it("has nothing to do without paths, and refuses a count that is none", async () => {
    expect(await measureImages([])).toEqual([]);
    await expect(measureImages(frames, { workers: 0 })).rejects.toMatchObject({ code: "config" });
  });
});

describe("text areas", () => {
  it("finds none in simulated frames with their rulers, scales and marks", async () => {
    for (const frame of frames) expect((await measureImage(frame)).textAreas, frame).toEqual([]);
  });

  it("finds burnt-in lines where they are", async () => {
    const lines = ["DOE JANE 1961-02-03", "ID 0043871 01/02/1961", "john smith 17.03.1955"];
    for (const [i, frame] of frames.slice(0, 6).entries()) {
      const facts = await factsOf(await withText(frame, lines[i % 3], 13 + i), "text.jpg");
      expect(facts.textAreas, frame).toHaveLength(1);
      const [x, y, w, h] = facts.textAreas[0] as [number, number, number, number];
      expect(x).toBeGreaterThanOrEqual(8);
      expect(Math.abs(y - 7)).toBeLessThanOrEqual(4);
      expect(w).toBeGreaterThan(90);
      expect(h).toBeLessThan(32);
    }
  });

  it("takes short marks, ticks, dots and curves for none", async () => {
    for (const mark of ["JPEG", "cm/s", "5", "P"]) {
      const facts = await factsOf(
        await withText(await halves("black.png", [0, 0, 0], [0, 0, 0], [400, 300]), mark, 16),
        "mark.jpg",
      );
      expect(facts.textAreas, mark).toEqual([]);
    }
    const ticks = Array.from(
      { length: 30 },
      (_, i) => `<rect x="${10 + 12 * i}" y="20" width="2" height="9"/>`,
    );
    const dots = Array.from(
      { length: 30 },
      (_, i) => `<rect x="${10 + 12 * i}" y="60" width="3" height="3"/>`,
    );
    const curve = `<path d="M0 200 ${Array.from({ length: 40 }, (_, i) => `L${10 * i} ${200 - 30 * (i % 2)}`).join(" ")}" stroke="white" fill="none" stroke-width="2"/>`;
    const svg = `<svg width="400" height="300"><rect width="400" height="300"/><g fill="white">${ticks.join("")}${dots.join("")}</g>${curve}</svg>`;
    const drawn = await sharp(Buffer.from(svg)).flatten().png().toBuffer();
    expect((await factsOf(drawn, "ruler.png")).textAreas).toEqual([]);
  });

  it.skipIf(!existsSync(realTrain))("finds none in real frames, whose marks name no one", async () => {
    const some = filesOf(realTrain).filter((_, i) => i % 12 === 0);
    for (const frame of some) expect((await measureImage(frame)).textAreas, frame).toEqual([]);
  });
});
