import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  countFrames,
  fingerprint,
  labelPathOf,
  listFrames,
  listImages,
  loadDataDescription,
  selectFraction,
} from "../../src/data/index.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "echoduet-frames-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Writes files under the folder; listing needs no pixels, so any bytes pass for an image. */
function write(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

const yaml =
  "train: train/images\nval: valid/images\nnames: [AR, MR]\nviews: [A4C, PSAX, PLAX]\n" +
  "groups: {patient: '^(p\\d+)', video: '^(p\\d+v\\d+)'}\n";
const describeData = (extra = "") => {
  write({ "data.yaml": yaml + extra });
  return loadDataDescription(join(folder, "data.yaml"));
};

describe("labelPathOf", () => {
  it("turns the last images folder into labels", () => {
    expect(labelPathOf("/data/images/a/images/b/c.d.jpg")).toBe("/data/images/a/labels/b/c.d.txt");
  });
  it("looks beside the image where there is no images folder", () => {
    expect(labelPathOf("/data/pictures/c.PNG")).toBe("/data/pictures/c.txt");
    expect(labelPathOf("/data/images.jpg")).toBe("/data/images.txt");
  });
});

describe("listFrames", () => {
  const files = {
    "train/images/p2v1f1.jpg": "a",
    "train/images/p10v1f1.PNG": "b",
    "train/images/deep/p1v1f1.webp": "c",
    "train/images/B.jpeg": "d",
    "train/images/notes.md": "no image",
    "train/images/._p2v1f1.jpg": "left by a file manager",
    "train/labels/p2v1f1.txt": "1 0.5 0.5 0.25 0.5\n0 0.25 0.5 0.25 0.5\n\n0 0 1",
    "train/labels/deep/p1v1f1.txt": "2",
    "train/labels/B.txt": "",
  };

  it("sorts by code units, finds subfolders and reads labels and groups", () => {
    write(files);
    const frames = listFrames(describeData(), "train");
    expect(frames.map((frame) => frame.name)).toEqual([
      "train/images/B.jpeg",
      "train/images/deep/p1v1f1.webp",
      "train/images/p10v1f1.PNG",
      "train/images/p2v1f1.jpg",
    ]);
    const [b, deep, p10, p2] = frames;
    expect(p2).toEqual({
      name: "train/images/p2v1f1.jpg",
      imagePath: join(folder, "train/images/p2v1f1.jpg"),
      labelPath: join(folder, "train/labels/p2v1f1.txt"),
      boxes: Float32Array.of(1, 0.5, 0.5, 0.25, 0.5, 0, 0.25, 0.5, 0.25, 0.5),
      view: 2,
      patient: "p2",
      video: "p2v1",
      detectionMasked: false,
    });
    expect([deep.view, deep.boxes.length]).toEqual([2, 0]);
    expect([p10.labelPath, p10.view, p10.boxes.length]).toEqual([null, -1, 0]);
    expect([b.labelPath, b.patient, b.video]).toEqual([join(folder, "train/labels/B.txt"), null, null]);
  });

  it("counts", () => {
    write(files);
    const description = describeData();
    expect(countFrames(listFrames(description, "train"), description)).toEqual({
      frames: 4,
      boxes: [1, 1],
      views: [0, 0, 2],
      withoutBoxes: 3,
      withoutView: 2,
      withoutLabelFile: 1,
      patients: 3,
      videos: 3,
    });
  });

  it("masks images without boxes where data.yaml says so", () => {
    write(files);
    const frames = listFrames(describeData("unlabelled: mask\n"), "train");
    expect(frames.map((frame) => frame.detectionMasked)).toEqual([true, true, true, false]);
  });

  it("reads lists of images, relative to the list", () => {
    write({
      ...files,
      "data.yaml": "",
      "sets/val.txt": "./../train/images/B.jpeg\r\n\r\n../train/images/p2v1f1.jpg\n",
    });
    write({ "list.yaml": yaml.replace("valid/images", "sets/val.txt") });
    const description = loadDataDescription(join(folder, "list.yaml"));
    expect(listFrames(description, "valid").map((frame) => frame.name)).toEqual([
      "train/images/B.jpeg",
      "train/images/p2v1f1.jpg",
    ]);
    write({ "sets/val.txt": "../train/images/B.jpeg\n../train/images/gone.jpg\n" });
    expect(() => listFrames(description, "val")).toThrow(
      /val\.txt:2: expected an existing image file, got .*gone/,
    );
  });

  it("reads images that data.yaml names one by one", () => {
    write(files);
    write({ "some.yaml": yaml.replace("train/images", "[train/images/B.jpeg, train/images/deep]") });
    const description = loadDataDescription(join(folder, "some.yaml"));
    expect(listFrames(description, "train").map((frame) => frame.name)).toEqual([
      "train/images/B.jpeg",
      "train/images/deep/p1v1f1.webp",
    ]);
    expect(listImages(description, "train")).toEqual(
      listFrames(description, "train").map((frame) => frame.imagePath),
    );
  });

  it("stays inside `path`: lists, linked images, linked labels and linked folders that leave it", () => {
    write(Object.fromEntries(Object.entries(files).map(([name, text]) => [`data/${name}`, text])));
    write({ "outside/images/secret.jpg": "s", "outside/secret.txt": "0 0.5 0.5 0.1 0.1" });
    const describeEntry = (entry: string) => {
      write({ "data/data.yaml": yaml.replace("train/images", entry) });
      return loadDataDescription(join(folder, "data/data.yaml"));
    };
    write({ "data/list.txt": "train/images/B.jpeg\n../outside/images/secret.jpg\n" });
    expect(() => listFrames(describeEntry("list.txt"), "train")).toThrow(
      /list\.txt:2: expected an image inside .*data, got \.\.\/outside\/images\/secret\.jpg; move/,
    );
    symlinkSync(join(folder, "outside/images"), join(folder, "data/linked"));
    expect(() => describeEntry("linked")).toThrow(/train: expected a place inside .*data, got linked/);
    symlinkSync(join(folder, "outside/images/secret.jpg"), join(folder, "data/train/images/link.jpg"));
    expect(() => listFrames(describeEntry("train/images"), "train")).toThrow(
      /expected an image inside .*data, got .*link\.jpg/,
    );
    rmSync(join(folder, "data/train/images/link.jpg"));
    rmSync(join(folder, "data/train/labels/B.txt"));
    symlinkSync(join(folder, "outside/secret.txt"), join(folder, "data/train/labels/B.txt"));
    expect(() => listFrames(describeEntry("train/images"), "train")).toThrow(
      /expected a label file inside .*data, got the link .*B\.txt/,
    );
  });

  it("names what is wrong", () => {
    write(files);
    const description = describeData();
    expect(() => listFrames(description, "val")).toThrow(
      /valid.images: expected a folder of images, a \.txt list or an image, got nothing/,
    );
    expect(() => listFrames(description, "test")).toThrow(
      /data\.yaml: expected a `test` split, got only train, val/,
    );
    mkdirSync(join(folder, "valid/images"), { recursive: true });
    expect(() => listFrames(description, "valid")).toThrow(
      /valid.images: the val split is empty: expected images/,
    );
    write({ "train/labels/B.txt": "0 1 0\n9 0.5 0.5 0.1 0.1" });
    expect(() => listFrames(description, "train")).toThrow(
      /labels.B\.txt:2: expected a class index in 0\.\.1/,
    );
    write({ "train/labels/B.txt": "", "train/images/x.bmp": "" });
    expect(() => listFrames(description, "train")).toThrow(/x\.bmp: expected .*got \.bmp; convert/);
  });

  it("refuses an image listed twice", () => {
    write({ ...files, "twice.yaml": yaml.replace("train/images", "[train/images, train/images/deep]") });
    const description = loadDataDescription(join(folder, "twice.yaml"));
    expect(() => listFrames(description, "train")).toThrow(/p1v1f1\.webp: expected once in the train split/);
  });
});

describe("selectFraction", () => {
  it("takes whole clips, nested, at least one, and depends on the seed", () => {
    const files: Record<string, string> = {};
    for (let clip = 0; clip < 20; clip++) {
      for (let frame = 0; frame < 3; frame++) files[`train/images/p1v${clip}f${frame}.jpg`] = "x";
    }
    write(files);
    const frames = listFrames(describeData(), "train");
    const names = (fraction: number, seed: number) =>
      selectFraction(frames, fraction, seed).map((frame) => frame.name);
    expect(names(0.25, 0)).toHaveLength(15);
    expect(names(0.25, 0)).toEqual(names(0.25, 0));
    expect(names(0.25, 0)).not.toEqual(names(0.25, 1));
    expect(names(0.5, 0)).toEqual(expect.arrayContaining(names(0.25, 0)));
    expect(names(0.001, 0)).toHaveLength(3);
    expect(names(1, 0)).toEqual(frames.map((frame) => frame.name));
    for (const bad of [0, -1, 1.1, Number.NaN]) {
      expect(() => selectFraction(frames, bad, 0)).toThrow(/fraction: expected above 0 and at most 1/);
    }
  });
});

describe("fingerprint", () => {
  it("depends on names, images and labels, not on order or place", () => {
    const files = {
      "a/train/images/p1.jpg": "pixels",
      "a/train/images/p2.jpg": "others",
      "a/train/labels/p1.txt": "0",
      "a/data.yaml": yaml,
    };
    write(files);
    cpSync(join(folder, "a"), join(folder, "b"), { recursive: true });
    const of = (place: string) => listFrames(loadDataDescription(join(folder, place, "data.yaml")), "train");
    const original = fingerprint(of("a"));
    expect(original).toMatch(/^[0-9a-f]{64}$/);
    expect(fingerprint(of("b").reverse())).toBe(original);
    write({ "b/train/labels/p1.txt": "1" });
    expect(fingerprint(of("b"))).not.toBe(original);
    write({ "b/train/labels/p1.txt": "0", "b/train/images/p2.jpg": "otherz" });
    expect(fingerprint(of("b"))).not.toBe(original);
    write({ "b/train/images/p2.jpg": "others" });
    expect(fingerprint(of("b"))).toBe(original);
    write({ "b/train/labels/p2.txt": "" });
    expect(fingerprint(of("b"))).not.toBe(original);
  });
});

const realData = fileURLToPath(new URL("../../../shared/data/regurgitation/data.yaml", import.meta.url));
const present = existsSync(realData);
if (!present) console.warn("skipped: shared/data/regurgitation is not beside the checkout");

describe.skipIf(!present)("the regurgitation frames", () => {
  const expected = {
    train: { frames: 836, boxes: [254, 259, 68, 255], views: [91, 443, 300], withoutView: 2 },
    val: { frames: 148, boxes: [57, 42, 11, 38], views: [19, 64, 65], withoutView: 0 },
    test: { frames: 245, boxes: [85, 68, 19, 73], views: [86, 52, 107], withoutView: 0 },
  };
  it.each(["train", "val", "test"] as const)("%s", (split) => {
    const description = loadDataDescription(realData);
    const frames = listFrames(description, split);
    expect(countFrames(frames, description)).toMatchObject({
      ...expected[split],
      withoutBoxes: 0,
      withoutLabelFile: 0,
    });
    expect(frames.every((frame) => frame.patient !== null && frame.video?.startsWith(frame.patient))).toBe(
      true,
    );
  });
});
