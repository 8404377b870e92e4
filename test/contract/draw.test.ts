import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { drawPredictions, drawSheet } from "../../src/serving/draw.js";

const RED = [235, 40, 40];
const GREEN = [30, 200, 60];

function plain(width: number, height: number, level = 90) {
  return { width, height, data: new Uint8Array(width * height * 3).fill(level) };
}

async function decode(png: Buffer) {
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  expect(info.channels).toBe(3);
  const at = (x: number, y: number): number[] => [
    ...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3),
  ];
  return { width: info.width, height: info.height, at };
}

function count(
  image: Awaited<ReturnType<typeof decode>>,
  colour: number[],
  [x1, y1, x2, y2]: [number, number, number, number],
): number {
  let n = 0;
  for (let y = y1; y < y2; y++) {
    for (let x = x1; x < x2; x++) if (image.at(x, y).every((c, i) => c === colour[i])) n++;
  }
  return n;
}

describe("drawPredictions", () => {
  test("draws predictions red and truth green on the edge pixels of their boxes", async () => {
    const image = await decode(
      await drawPredictions(plain(400, 300), {
        detections: [{ box: [100, 80, 180, 160], confidence: 0.9, name: "MR" }],
        truth: [{ box: [220, 90, 300, 150], name: "TR" }],
      }),
    );
    expect([image.width, image.height]).toEqual([400, 300]);
    for (const [x, y] of [
      [100, 80],
      [179, 80],
      [100, 159],
      [179, 159],
      [140, 80],
      [100, 120],
    ] as const) {
      expect(image.at(x, y)).toEqual(RED);
    }
    for (const [x, y] of [
      [220, 90],
      [299, 90],
      [220, 149],
      [299, 149],
      [260, 90],
      [299, 120],
    ] as const) {
      expect(image.at(x, y)).toEqual(GREEN);
    }
    for (const [x, y] of [
      [140, 120],
      [260, 120],
      [99, 120],
      [180, 120],
      [300, 120],
    ] as const) {
      expect(image.at(x, y)).toEqual([90, 90, 90]);
    }
    // The labels' plates with white text: above the prediction, below the truth.
    expect(count(image, RED, [100, 60, 180, 80])).toBeGreaterThan(100);
    expect(count(image, [255, 255, 255], [100, 60, 180, 80])).toBeGreaterThan(10);
    expect(count(image, GREEN, [220, 150, 300, 175])).toBeGreaterThan(50);
    expect(count(image, [255, 255, 255], [220, 150, 300, 175])).toBeGreaterThan(10);
  });

  test("says the view in a strip beneath the image, the true one in green", async () => {
    const view = { name: "A4C", probability: 0.987 };
    const both = await decode(
      await drawPredictions(plain(400, 300), { detections: [], view, trueView: "PLAX" }),
    );
    const alone = await decode(
      await drawPredictions(plain(400, 300), { detections: [], view, trueView: null }),
    );
    expect(both.height).toBeGreaterThan(310);
    expect(both.at(200, 299)).toEqual([90, 90, 90]);
    expect(count(both, [255, 255, 255], [0, 300, 400, both.height])).toBeGreaterThan(8);
    expect(count(both, GREEN, [0, 300, 400, both.height])).toBeGreaterThan(8);
    expect(count(alone, GREEN, [0, 300, 400, alone.height])).toBe(0);
  });

  test.each([
    [1, 1],
    [7, 5],
    [32, 24],
    [48, 600],
    [2400, 1800],
  ])("keeps boxes and labels inside %d x %d pixels", async (width, height) => {
    const image = await decode(
      await drawPredictions(plain(width, height), {
        detections: [
          { box: [-50, -50, width * 2, height * 2], confidence: 1, name: "a name that is too long" },
          { box: [width - 1, height - 1, width + 5, height + 5], confidence: 0.5, name: "<&>" },
        ],
        truth: [{ box: [0, 0, 0, 0], name: "MR" }],
        view: { name: "PSAX", probability: 0.5 },
        trueView: "PSAX",
      }),
    );
    expect(image.width).toBe(width);
    expect(image.height).toBeGreaterThan(height);
    // A single pixel ends white under a letter or red under the plate: anything but the grey it was.
    expect(image.at(width - 1, height - 1)).not.toEqual([90, 90, 90]);
  });

  test("does not change its input and refuses data of another length", async () => {
    const image = plain(40, 30);
    await drawPredictions(image, { detections: [{ box: [1, 1, 20, 20], confidence: 0.4, name: "AR" }] });
    expect(image.data.every((value) => value === 90)).toBe(true);
    await expect(drawPredictions({ ...image, height: 31 }, { detections: [] })).rejects.toThrow(
      /expects 40 x 31 x 3 = 3720 bytes, got 3600/,
    );
  });

  test("draws the same labels on a machine without any font", async () => {
    const options = { detections: [{ box: [10, 60, 90, 120], confidence: 0.75, name: "MR" }] };
    const here = await decode(await drawPredictions(plain(200, 150), options));
    const source = `
      import { drawPredictions } from ${JSON.stringify(new URL("../../src/serving/draw.ts", import.meta.url).href)};
      const image = { width: 200, height: 150, data: new Uint8Array(200 * 150 * 3).fill(90) };
      const png = await drawPredictions(image, ${JSON.stringify(options)});
      console.log(png.toString("base64"));`;
    const nowhere = "/nonexistent";
    const printed = execFileSync(
      process.execPath,
      ["--import", "tsx", "--input-type=module", "--eval", source],
      {
        cwd: fileURLToPath(new URL("../..", import.meta.url)),
        env: {
          PATH: process.env["PATH"],
          FONTCONFIG_FILE: nowhere,
          FONTCONFIG_PATH: nowhere,
          HOME: nowhere,
          XDG_DATA_HOME: nowhere,
        },
        stdio: ["ignore", "pipe", "ignore"],
      },
    );
    const there = await decode(Buffer.from(printed.toString(), "base64"));
    expect([there.width, there.height]).toEqual([here.width, here.height]);
    // The same letters: font settings of the system shade their rims a little (mean difference 3 levels);
    // two other letters in place of "MR" make it over 20.
    let difference = 0;
    for (let y = 45; y < 60; y++) {
      for (let x = 10; x < 60; x++)
        difference += Math.abs(there.at(x, y)[1]! - here.at(x, y)[1]!) / (15 * 50);
    }
    expect(count(there, RED, [10, 45, 60, 60])).toBeGreaterThan(100);
    expect(difference).toBeLessThan(8);
  });
});

describe("drawSheet", () => {
  test("lays pictures out row by row", async () => {
    const pictures = await Promise.all(
      [10, 60, 110, 160, 210].map((level) => drawPredictions(plain(50, 40, level), { detections: [] })),
    );
    const sheet = await decode(await drawSheet(pictures, 3));
    expect([sheet.width, sheet.height]).toEqual([3 * 54 + 4, 2 * 44 + 4]);
    const middles = [0, 1, 2, 3, 4].map((i) => sheet.at(29 + (i % 3) * 54, 24 + Math.floor(i / 3) * 44)[0]);
    expect(middles).toEqual([10, 60, 110, 160, 210]);
  });

  test("refuses no pictures and no columns", async () => {
    await expect(drawSheet([], 3)).rejects.toThrow(/expected at least one picture/);
    await expect(drawSheet([Buffer.alloc(0)], 0)).rejects.toThrow(/0 columns/);
  });
});
