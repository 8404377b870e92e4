import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditData } from "../../src/data/audit/index.js";
import { EchoDuetError } from "../../src/errors.js";
import { temporaryFolder } from "../support/cli.js";
import { mutate, realDescription, realFiles, runs, settleAsync } from "../support/fuzz.js";

const { folder, remove } = temporaryFolder("fuzz-audit");
afterAll(remove);

const yaml = Buffer.from(`train: train/images
val: valid/images
names: [AR, MR, PR, TR]
views: [A4C, PSAX, PLAX]
groups: {patient: '^(p\\d+)', video: '^(p\\d+v\\d+)'}
rules: {A4C: [MR, TR], PSAX: [PR, TR], PLAX: [AR, MR]}
`);
const label = Buffer.from("2 0.39 0.29 0.50 0.29 0.50 0.43 0.39 0.43\n\n0 1 0\n");
const frames = Array.from({ length: 8 }, (_, i) => `${i < 5 ? "train" : "valid"} p0${i % 3}v01f000${i}`);
const descriptions = [yaml, ...realDescription()];
const labels = [label, ...realFiles("labels", 20)];
let image: Buffer;

beforeAll(async () => {
  const data = Uint8Array.from({ length: 48 * 36 * 3 }, (_, i) => (i * 7919) % 251);
  image = await sharp(data, { raw: { width: 48, height: 36, channels: 3 } })
    .jpeg()
    .toBuffer();
});

/** A data set of eight frames in which the files that `seeds` names are mutated: data.yaml, labels, images. */
function write(seeds: readonly number[], withImages: boolean): string {
  rmSync(join(folder, "data"), { recursive: true, force: true });
  for (const split of ["train", "valid"]) {
    for (const kind of ["images", "labels"])
      mkdirSync(join(folder, "data", split, kind), { recursive: true });
  }
  frames.forEach((frame, index) => {
    const [split, name] = frame.split(" ");
    const seed = seeds[index];
    const text = labels[seed % labels.length];
    const place = (kind: string, extension: string) =>
      join(folder, "data", split, kind, `${name}.${extension}`);
    writeFileSync(place("labels", "txt"), seed % 3 === 0 ? text : mutate(text, seed));
    writeFileSync(place("images", "jpg"), withImages && seed % 2 === 0 ? mutate(image, seed) : image);
  });
  const [last] = seeds.slice(-1);
  const description = descriptions[last % descriptions.length];
  writeFileSync(join(folder, "data/data.yaml"), last % 3 === 0 ? mutate(description, last) : description);
  return join(folder, "data/data.yaml");
}

async function check(seeds: readonly number[], images: boolean): Promise<void> {
  const report = await settleAsync(() => auditData(write(seeds, images), { images, workers: 1 }));
  if (report instanceof EchoDuetError) return;
  expect(JSON.parse(JSON.stringify(report))).toBeTruthy();
  for (const { count, severity, files } of report.findings) {
    expect(count).toBeGreaterThan(0);
    expect(["error", "warning"]).toContain(severity);
    for (const file of files) expect(file.startsWith("..") || file.startsWith("/")).toBe(false);
  }
}

const seeds = fc.array(fc.nat(2 ** 30), { minLength: frames.length + 1, maxLength: frames.length + 1 });

describe("audits of mutated data", () => {
  it("without images report or refuse", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, (given) => check(given, false)),
      runs(40, 600),
    );
  });

  it("with images report or refuse", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, (given) => check(given, true)),
      runs(3, 40),
    );
  });
});
