import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCocoSource } from "../../src/data/formats/coco.js";
import { readCoco } from "../../src/data/formats/index.js";
import { EchoDuetError } from "../../src/errors.js";
import { temporaryFolder } from "../support/cli.js";
import { type CocoEntry, cocoText, writePicture } from "../support/coco.js";
import { anyText, mutated, realFiles, runs, settle, settleAsync } from "../support/fuzz.js";

const { folder, remove } = temporaryFolder("fuzz-coco");
afterAll(remove);
const file = join(folder, "instances.json");

const valves = ["AR", "MR", "PR", "TR"];
const views = ["A4C", "PSAX", "PLAX"];

beforeAll(async () => {
  for (let index = 0; index < 3; index++) await writePicture(join(folder, `f${index}.png`), 64, 48);
});

/** COCO entries of three images: the labels of real frames where there are some, else made ones. */
const labels = realFiles("labels", 3).map((bytes) => bytes.toString("utf8"));
const entries: CocoEntry[] = [0, 1, 2].map((index) => {
  const [first, , last] = (labels[index] ?? "1 0.25 0.25 0.5 0.25 0.5 0.5 0.25 0.5\n\n0 1 0").split("\n");
  const [label, ...values] = first.split(" ").map(Number);
  const polygon = values.map((value, i) => value * (i % 2 === 0 ? 64 : 48));
  const category = valves[label];
  const shapes = [
    { category, polygon },
    { category, box: [polygon[0], polygon[1], 5.5, 3.25] },
  ];
  const view = views[(last ?? "").split(" ").indexOf("1")];
  return { name: `f${index}.png`, width: 64, height: 48, shapes, view };
});
const whole = cocoText(entries, [...valves, ...views]);
const full = JSON.stringify({
  ...JSON.parse(whole),
  annotations: [
    ...JSON.parse(whole).annotations,
    {
      id: 900,
      image_id: 1,
      category_id: 2,
      bbox: [1, 2, 3, 4],
      segmentation: { counts: [3, 4], size: [48, 64] },
    },
    { id: 901, image_id: 2, category_id: 3, bbox: [1, 2, 3, 4], iscrowd: 1 },
    {
      id: 902,
      image_id: 2,
      category_id: 3,
      segmentation: [
        [1, 2, 3, 4, 5, 9],
        [4, 5, 6, 7, 8, 20],
      ],
    },
  ],
});

const statements = (counts: Readonly<Record<string, number>>) =>
  counts.box + counts.polygon + counts.view + counts.other;

/** Reads a COCO file in full: a result whose counts add up, or an EchoDuetError that names the file. */
async function check(contents: string | Uint8Array): Promise<void> {
  writeFileSync(file, contents);
  const coco = settle(() => readCoco(file));
  expect(Object.keys(Object.prototype)).toEqual([]);
  if (coco instanceof EchoDuetError) {
    expect(coco.message).toContain(file);
    expect(coco.message.length).toBeLessThan(20_000);
    return;
  }
  const source = {
    splits: { train: { file, images: folder } },
    views: [],
    classMap: new Map(),
    viewMap: new Map(),
  };
  const data = await settleAsync(() => readCocoSource(source, () => {}));
  if (data instanceof EchoDuetError) return;
  const frames = data.splits.train ?? [];
  const images = data.drops.filter(({ kind }) => kind === "image").length;
  const kept = frames.reduce((sum, { label }) => sum + label!.shapes.length + (label!.view >= 0 ? 1 : 0), 0);
  expect([frames.length, kept]).toEqual([
    data.before.image - images,
    statements(data.before) - (data.drops.length - images),
  ]);
  for (const { imagePath, label } of frames) {
    expect(imagePath.startsWith(folder)).toBe(true);
    for (const { class: index, values } of label!.shapes) {
      expect(index >= 0 && index < data.names.length).toBe(true);
      expect(values.every((value) => value >= -1e-6 && value <= 1 + 1e-6)).toBe(true);
    }
  }
}

describe("COCO files", () => {
  it("that are whole are read, so that their mutations reach the reader's depths", () => {
    writeFileSync(file, full);
    expect(readCoco(file).images).toHaveLength(3);
  });

  it("that are mutated are read or refused", async () => {
    const input = mutated([
      Buffer.from(whole),
      Buffer.from(full),
      Buffer.from(JSON.stringify(JSON.parse(full), null, 1)),
    ]);
    await fc.assert(fc.asyncProperty(input, check), runs(200, 3000));
  });

  it("of any value in any place are read or refused", async () => {
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(1e308, -1, 0.5, 2 ** 53, "__proto__", "../x"),
    );
    const path = fc.constantFrom(
      ...["images", "annotations", "categories"],
      ...["images.0.id", "images.1.file_name", "images.0.width", "images.2.view", "images.2.category_id"],
      ...[
        "annotations.0.bbox",
        "annotations.1.bbox.2",
        "annotations.0.segmentation",
        "annotations.2.segmentation.0.1",
      ],
      ...["annotations.1.iscrowd", "annotations.1.category_id", "annotations.1.image_id", "annotations.1.id"],
      ...["categories.0.name", "categories.1.id", "categories.2.supercategory"],
    );
    const input = fc.tuple(path, value).map(([where, given]) => {
      const json = JSON.parse(full);
      const steps = where.split(".");
      const owner = steps.slice(0, -1).reduce((inner, step) => inner?.[step], json);
      if (owner) owner[steps.at(-1)!] = given;
      return JSON.stringify(json);
    });
    await fc.assert(
      fc.asyncProperty(fc.oneof({ weight: 4, arbitrary: input }, anyText), check),
      runs(100, 1500),
    );
  });

  it.each<[string, string]>([
    ["lists in 1,000,000 lists", `{"images": [${"[".repeat(1_000_000)}`],
    ["closed lists in 1,000,000 lists", `{"images": [${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}]}`],
    [
      "a polygon in 100,000 lists",
      full.replace('"segmentation":[[', `"segmentation":[[${"[".repeat(100_000)}`),
    ],
    [
      "a polygon of 500,000 vertices",
      full.replace('"segmentation":[[', `"segmentation":[[${"1,2,".repeat(500_000)}`),
    ],
    ["a text of 5,000,000 letters", full.replace("f0.png", "a".repeat(5_000_000))],
    ["a name of 300 letters", full.replace("f0.png", `${"a".repeat(300)}.png`)],
    ["a text without an end", `{"images": ["${"\\\\".repeat(1_000_000)}`],
    ["a number of 1,000,000 digits", full.replace('"id":1', `"id":${"9".repeat(1_000_000)}`)],
    ["keys of 1,000,000 letters", `{"${"k".repeat(1_000_000)}": 1}`],
    ["200,000 keys", `{${Array.from({ length: 200_000 }, (_, i) => `"k${i}": ${i}`).join()}}`],
    ["__proto__ as a key", full.replace('"info"', '"__proto__": {"polluted": 1}, "info"')],
    ["__proto__ in an image", full.replace('"file_name"', '"__proto__": {"id": 2}, "file_name"')],
    ["constructor as a category", full.replaceAll('"AR"', '"constructor"')],
    [
      "an image of 2^40 pixels",
      full.replaceAll('"width":64', '"width":1048576').replaceAll('"height":48', '"height":1048576'),
    ],
    ["UTF-16", Buffer.from(full, "utf16le").toString("latin1")],
    ["NULs", full.replaceAll(" ", "\0").replaceAll('":', '"\0:')],
  ])("with %s are read or refused", async (_, text) => {
    await check(text);
  });
});
