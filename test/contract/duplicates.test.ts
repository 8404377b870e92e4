import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp, { type Sharp } from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ComparedImage, findDuplicates } from "../../src/data/audit/duplicates.js";
import { measureImages } from "../../src/data/audit/image-facts.js";
import { measureImage } from "../../src/data/audit/measure-image.js";
import { simulate } from "../../src/data/simulate/index.js";

const real = fileURLToPath(new URL("../../../shared/data/regurgitation", import.meta.url));
if (!existsSync(real)) console.warn("skipped: shared/data/regurgitation is not beside the checkout");

let folder: string;
let simulated: ComparedImage[];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "duplicates-"));
  const out = join(folder, "simulated");
  await simulate({ out, patients: 6, framesPerClip: 3, seed: 5 });
  simulated = await compared(framesOf(out));
  mkdirSync(join(folder, "copies"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function framesOf(root: string): string[] {
  return ["train", "valid", "test"].flatMap((split) =>
    readdirSync(join(root, split, "images"))
      .sort()
      .map((name) => join(root, split, "images", name)),
  );
}

async function compared(paths: readonly string[]): Promise<ComparedImage[]> {
  return Promise.all(paths.map(async (path) => ({ path, ...idsOf(path), facts: await measureImage(path) })));
}

function idsOf(path: string): { patient: string | null; clip: string | null } {
  const name = basename(path);
  return { patient: /^(p\d+)/.exec(name)?.[1] ?? null, clip: /^(p\d+v\d+)/.exec(name)?.[1] ?? null };
}

/** A copy of a picture under another name, changed on its way. */
async function copy(from: string, name: string, change: (picture: Sharp) => Sharp): Promise<ComparedImage> {
  const path = join(folder, "copies", name);
  await change(sharp(from)).toFile(path);
  return { path, ...idsOf(path), facts: await measureImage(path) };
}

const kindsOf = async (images: readonly ComparedImage[]): Promise<[number, number, string][]> =>
  (await findDuplicates(images)).pairs.map(({ a, b, kind }) => [a, b, kind]);

describe("findDuplicates", () => {
  it("finds none in clean data, though frames of one machine look alike", async () => {
    const { pairs, threshold, distances } = await findDuplicates(simulated);
    expect(pairs).toEqual([]);
    expect(threshold).toBeGreaterThanOrEqual(4);
    expect(threshold).toBeLessThanOrEqual(7);
    expect(distances).toHaveLength(65);
    const near = distances.slice(0, threshold! + 1).reduce((a, b) => a + b, 0);
    expect(near, "pairs that the correlation has told apart").toBeGreaterThan(0);
  });

  it("finds a picture saved again under another patient, whatever was done to it", async () => {
    const from = simulated[10].path;
    const { width, height } = simulated[10].facts;
    const changes: Record<string, (picture: Sharp) => Sharp> = {
      "q40.jpg": (picture) => picture.jpeg({ quality: 40 }),
      "half.jpg": (picture) => picture.resize(width >> 1, height >> 1).jpeg(),
      "square.png": (picture) => picture.resize(416, 416, { fit: "fill" }),
      "grey.webp": (picture) => picture.greyscale().webp({ quality: 90 }),
      "bright.jpg": (picture) => picture.linear(1.15, 0).jpeg(),
      "shift.jpg": (picture) =>
        picture.extract({ left: 2, top: 2, width: width - 2, height: height - 2 }).jpeg(),
    };
    for (const [name, change] of Object.entries(changes)) {
      const pairs = (await findDuplicates([...simulated, await copy(from, `p99v01f0001${name}`, change)]))
        .pairs;
      expect(pairs, name).toHaveLength(1);
      expect(pairs[0]).toMatchObject({ a: 10, b: simulated.length, kind: "near" });
      expect(pairs[0].correlation).toBeGreaterThanOrEqual(0.9);
    }
  });

  it("takes a mirrored picture and other frames of the clip for other pictures", async () => {
    const mirrored = await copy(simulated[10].path, "p99v02f0001.png", (picture) => picture.flop());
    expect(await kindsOf([...simulated, mirrored])).toEqual([]);
    const sameClip = await copy(simulated[0].path, `${simulated[0].clip}f0999.jpg`, (picture) =>
      picture.jpeg(),
    );
    expect(await kindsOf([...simulated, sameClip])).toEqual([]);
  });

  it("reports equal pixels everywhere, each with the first, whatever the file format", async () => {
    const path = join(folder, "copies", `${simulated[0].clip}f0998.jpg`);
    copyFileSync(simulated[0].path, path);
    const bytes = { ...simulated[0], path };
    const png = await copy(simulated[0].path, "p98v01f0001.png", (picture) => picture.png());
    const n = simulated.length;
    expect(await kindsOf([...simulated, bytes, png])).toEqual([
      [0, n, "exact"],
      [0, n + 1, "exact"],
    ]);
  });

  it("finds a whole clip under another patient: copies do not narrow the threshold", async () => {
    const before = (await findDuplicates(simulated)).threshold;
    const clips = simulated.slice(0, 36);
    const copies = await Promise.all(
      clips.map((image, i) =>
        copy(image.path, `p97v${10 + Math.floor(i / 3)}f000${i % 3}.jpg`, (picture) =>
          picture.jpeg({ quality: 60 }),
        ),
      ),
    );
    const { pairs, threshold } = await findDuplicates([...simulated, ...copies]);
    expect(threshold).toBeGreaterThanOrEqual(before!);
    expect(pairs.map(({ a, b }) => [a, b - simulated.length])).toEqual(clips.map((_, i) => [i, i]));
  });

  it("learns no threshold from two patients, and still finds copies", async () => {
    const two = simulated.filter(({ patient }) => patient === simulated[0].patient);
    const again = await copy(two[1].path, "p96v01f0001.jpg", (picture) => picture.jpeg({ quality: 70 }));
    const { threshold, pairs } = await findDuplicates([...two, again]);
    expect(threshold).toBeNull();
    expect(pairs).toMatchObject([{ a: 1, b: two.length, kind: "near" }]);
  });

  it("compares without ids only what is equal, and leaves blank and broken pictures alone", async () => {
    const anonymous = simulated.slice(0, 4).map((image) => ({ ...image, patient: null, clip: null }));
    const again = {
      ...(await copy(anonymous[1].path, "x.jpg", (picture) => picture.jpeg({ quality: 70 }))),
      clip: null,
    };
    expect(await kindsOf([...anonymous, again, anonymous[2]])).toEqual([[2, 5, "exact"]]);
    const blank = async (name: string, level: number): Promise<ComparedImage> => {
      const background = { r: level, g: level, b: level };
      const path = join(folder, "copies", name);
      await sharp({ create: { width: 90, height: 80, channels: 3, background } })
        .jpeg()
        .toFile(path);
      return { path, ...idsOf(path), facts: await measureImage(path) };
    };
    const broken = await compared([join(folder, "p1v1.jpg"), join(folder, "p2v1.jpg")]);
    expect(await kindsOf([await blank("p80v01.jpg", 3), await blank("p81v01.jpg", 9), ...broken])).toEqual(
      [],
    );
    expect(await findDuplicates([])).toMatchObject({ threshold: null, pairs: [] });
  });
});

describe.skipIf(!existsSync(real))("the regurgitation frames", () => {
  it("have exact copies across splits, and no confirmed pair between patients or clips", async () => {
    const paths = framesOf(real);
    const facts = await measureImages(paths, { workers: 2 });
    const images = paths.map((path, i) => ({ path, ...idsOf(path), facts: facts[i] }));
    const { threshold, pairs } = await findDuplicates(images);
    expect(threshold).toBe(5);
    expect(pairs.filter(({ kind }) => kind === "near")).toEqual([]);
    expect(pairs).toHaveLength(46);
    const splitOf = (i: number): string => paths[i].split("/").at(-3)!;
    expect(pairs.filter(({ a, b }) => splitOf(a) !== splitOf(b))).toHaveLength(17);
    expect(pairs.every(({ a, b }) => images[a].clip === images[b].clip)).toBe(true);
  });
});
