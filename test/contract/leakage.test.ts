import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  findLeakage,
  type IdentifiedImage,
  identicalFiles,
  listFrames,
  loadDataDescription,
} from "../../src/data/index.js";
import { checkLeakage, describeMark } from "../../src/training/index.js";
import { temporaryFolder, tinyData } from "../support/cli.js";

const image = (name: string, patient: string | null, video: string | null): IdentifiedImage => ({
  name,
  patient,
  video,
});

describe("findLeakage", () => {
  it("names patients, clips, duplicates and the later split's images that they touch", () => {
    const train = [image("a", "p1", "p1v1"), image("b", "p2", "p2v1"), image("c", null, null)];
    const val = [image("d", "p1", "p1v1"), image("e", "p1", "p1v2"), image("f", "p3", "p3v1")];
    const test = [image("g", "p4", null), image("c", null, null)];
    expect(
      findLeakage({ train, val, test }, [
        ["f", "b"],
        ["a", "b"],
        ["g", "f"],
      ]),
    ).toEqual([
      {
        from: "train",
        to: "val",
        patients: ["p1"],
        clips: ["p1v1"],
        duplicates: [["b", "f"]],
        images: { patient: ["d", "e"], clip: ["d"], duplicate: ["f"] },
      },
      {
        from: "train",
        to: "test",
        patients: [],
        clips: [],
        duplicates: [["c", "c"]],
        images: { patient: [], clip: [], duplicate: ["c"] },
      },
      {
        from: "val",
        to: "test",
        patients: [],
        clips: [],
        duplicates: [["f", "g"]],
        images: { patient: [], clip: [], duplicate: ["g"] },
      },
    ]);
  });

  it("finds what a comparison of every pair of images finds", () => {
    const split = fc.array(
      fc.tuple(fc.constantFrom(null, "p1", "p2", "p3"), fc.constantFrom(null, "v1", "v2", "v3", "v4")),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(split, split, (a, b) => {
        const named = (ids: typeof a, prefix: string) => ids.map(([p, v], i) => image(`${prefix}${i}`, p, v));
        const [train, val] = [named(a, "t"), named(b, "v")];
        const touched = (key: "patient" | "video") =>
          val.filter((v) => train.some((t) => t[key] !== null && t[key] === v[key])).map((v) => v.name);
        const [found] = findLeakage({ train, val });
        expect(found?.images.patient ?? []).toEqual(touched("patient"));
        expect(found?.images.clip ?? []).toEqual(touched("video"));
      }),
    );
  });
});

const { folder, remove } = temporaryFolder("leakage");
afterAll(remove);

describe("the gate of a training", () => {
  let clean: string;
  beforeAll(async () => {
    clean = await tinyData(join(folder, "clean"));
  });

  /** A copy of the clean data, changed. */
  function changed(name: string, change: (root: string) => void): string {
    const root = join(folder, name);
    cpSync(join(clean, ".."), root, { recursive: true });
    change(root);
    return join(root, "data.yaml");
  }
  const first = (root: string, split: string, kind: string) =>
    join(root, split, kind, readdirSync(join(root, split, kind)).sort()[0]);
  const check = (yaml: string, allow: boolean) => {
    const description = loadDataDescription(yaml);
    const [train, val] = [listFrames(description, "train"), listFrames(description, "val")];
    return checkLeakage({ description, train, val }, allow);
  };

  it("lets patient-wise data pass", () => {
    expect(check(clean, false)).toEqual([]);
  });

  it("refuses a patient of two splits, and says what to do", () => {
    const yaml = changed("patient", (root) => {
      const patient = /p\d+/.exec(first(root, "train", "images").split("/").at(-1)!)![0];
      const moved = first(root, "test", "images");
      renameSync(moved, join(moved, "..", `${patient}v99f0001.jpg`));
    });
    expect(() => check(yaml, false)).toThrow(
      /expected splits that share no patient, clip or image, got:\ntest shares 1 patient with train: at least 1 of its 4 images\n.*split DATA --by patient.*--allow-leakage/s,
    );
    expect(check(yaml, true)).toEqual([
      {
        from: "train",
        to: "test",
        shared: { patient: 1, clip: 0, duplicate: 0 },
        images: { patient: 1, clip: 0, duplicate: 0 },
        of: 4,
      },
    ]);
  });

  it("sees the same bytes under another name", () => {
    const yaml = changed("bytes", (root) => {
      writeFileSync(first(root, "valid", "images"), readFileSync(first(root, "train", "images")));
    });
    expect(check(yaml, true).map(describeMark)).toEqual([
      "val shares 1 identical file with train: at least 1 of its 4 images",
    ]);
  });

  it("leaves out a test split that is empty or was never brought here", () => {
    const yaml = changed("no-test", (root) => rmSync(join(root, "test"), { recursive: true }));
    expect(check(yaml, false)).toEqual([]);
    mkdirSync(join(yaml, "..", "test", "images"), { recursive: true });
    expect(check(yaml, false)).toEqual([]);
  });

  it("tells files of one size apart", () => {
    mkdirSync(join(folder, "sizes"));
    const write = (name: string, text: string) => {
      writeFileSync(join(folder, "sizes", name), text);
      return { name, imagePath: join(folder, "sizes", name) };
    };
    const files = [write("a", "one"), write("b", "two"), write("c", "two"), write("d", "three")];
    expect(identicalFiles(files)).toEqual([["b", "c"]]);
  });
});
