import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawChecks, pickFrames } from "../../src/cli/check-pictures.js";
import { convertCommand } from "../../src/cli/commands/convert.js";
import { sourceOf } from "../../src/cli/convert-source.js";
import { formatConversion } from "../../src/cli/convert-text.js";
import {
  type ConvertReport,
  convert,
  parseNameMap,
  type WrittenFrame,
} from "../../src/data/formats/index.js";
import { distinctNames, nameInOutput } from "../../src/data/formats/output-names.js";
import { listFrames, loadDataDescription } from "../../src/data/index.js";
import { temporaryFolder } from "../support/cli.js";
import { writePicture, writeTexts } from "../support/coco.js";

const { folder, remove } = temporaryFolder("convert");
afterAll(remove);
const at = (...parts: string[]) => join(folder, ...parts);

const header = "train: train/images\nnames: [AR, MR, PR, TR]\nviews: [A4C, PSAX, PLAX]\n";

/** A data set of one training image for each label. */
async function dataOf(name: string, labels: readonly (string | null)[], yaml = header): Promise<string> {
  writeTexts(at(name), { "data.yaml": yaml });
  for (const [index, label] of labels.entries()) {
    await writePicture(at(name, "train/images", `f${index}.png`), 20, 10, index);
    if (label !== null) writeTexts(at(name), { [`train/labels/f${index}.txt`]: label });
  }
  return at(name, "data.yaml");
}

interface Maps {
  readonly views?: readonly string[];
  readonly classMap?: string;
  readonly viewMap?: string;
  readonly allowDrops?: boolean;
}

async function converted(dataYaml: string, out: string, given: Maps = {}): Promise<ConvertReport> {
  const mapOf = (text: string | undefined, option: string) => (text ? parseNameMap(text, option) : new Map());
  const { views = [], allowDrops } = given;
  const maps = {
    classMap: mapOf(given.classMap, "--class-map"),
    viewMap: mapOf(given.viewMap, "--view-map"),
  };
  return convert({ source: { kind: "text", dataYaml, views, ...maps }, out: at(out), allowDrops });
}

const labelsOf = (out: string): string[] =>
  readdirSync(at(out, "train/labels"))
    .sort()
    .map((name) => readFileSync(at(out, "train/labels", name), "utf8"));

describe("joint text and YOLO data", () => {
  const box = "2 0.45 0.36 0.11 0.14";
  const polygon = "2 0.3933 0.2925 0.5048 0.2925 0.5048 0.4275 0.3933 0.4275";
  const variants: [string, string][] = [
    [`${polygon}\n\n0 1 0`, `${polygon}\n\n0 1 0\n`],
    [`0 1 0\n${box}\n`, `${box}\n\n0 1 0\n`],
    [`[0, 1, 0]\r\n\r\n${box}\r\n`, `${box}\n\n0 1 0\n`],
    [`${box}\n[0 0 1]`, `${box}\n\n0 0 1\n`],
    [`${box}\n1`, `${box}\n\n0 1 0\n`],
    ["2", "\n0 0 1\n"],
    ["", ""],
    [`${box}\n0 .5 5e-1 0.250 1.0\n${polygon}`, `${box}\n0 0.5 0.5 0.25 1\n${polygon}\n`],
    ["3 0.1234567890123456789 0.5 0.1 1e-7\n", "3 0.12345678901234568 0.5 0.1 1e-7\n"],
    ["1 0.5 0.5 0.2 0.2\n".repeat(2), "1 0.5 0.5 0.2 0.2\n".repeat(2)],
    ["1 0.95 0.5 0.2 0.2\n", "1 0.95 0.5 0.2 0.2\n"],
    ["1 1.0000001 0 0.5 0 0.5 0.5\n", "1 1.0000001 0 0.5 0 0.5 0.5\n"],
  ];

  it("become the canonical text, each variant, every number kept", async () => {
    const source = await dataOf(
      "variants",
      variants.map(([text]) => text),
    );
    const report = await converted(source, "variants-out");
    expect(labelsOf("variants-out")).toHaveLength(variants.length);
    for (const [index, [, text]] of variants.entries()) {
      expect(readFileSync(at("variants-out/train/labels", `f${index}.txt`), "utf8")).toBe(text);
    }
    expect(report.before).toEqual({ image: 12, box: 10, polygon: 3, view: 6, other: 0 });
    expect(report.after).toEqual(report.before);
    expect([report.drops, report.changes]).toEqual([[], []]);
    const record = JSON.parse(readFileSync(at("variants-out/convert.json"), "utf8"));
    expect({ out: report.out, ...record }).toEqual(report);
  });

  it("read the same before and after, and a second conversion changes nothing", async () => {
    const source = await dataOf("twice", [`${polygon}\n\n0 1 0`, box, null]);
    await converted(source, "twice-1");
    await converted(at("twice-1/data.yaml"), "twice-2");
    const frames = ["twice", "twice-1", "twice-2"].map((name) =>
      listFrames(loadDataDescription(at(name, "data.yaml")), "train").map(
        ({ name, boxes, view, labelPath }) => ({
          name,
          boxes,
          view,
          labelled: labelPath !== null,
        }),
      ),
    );
    expect(frames[1]).toEqual(frames[0]);
    expect(frames[2]).toEqual(frames[0]);
    expect(readFileSync(at("twice-2/data.yaml"), "utf8")).toBe(readFileSync(at("twice-1/data.yaml"), "utf8"));
  });

  it("keep images of every format byte for byte, groups, rules and unlabelled", async () => {
    const names = ["a.jpg", "b.JPEG", "c.png", "d.webp", "e.tif", "f.tiff"];
    const extra =
      "groups: {patient: '^(p\\d+)', video: '^(p\\d+v\\d+)'}\nrules: {A4C: [MR, TR]}\nunlabelled: mask\n";
    writeTexts(at("kinds"), { "data.yaml": `${header.replace("train/images", "train")}val: more\n${extra}` });
    for (const name of names) await writePicture(at("kinds/train", name), 9, 7);
    await writePicture(at("kinds/more/deep/a.jpg"), 5, 5);
    await converted(at("kinds/data.yaml"), "kinds-out");
    for (const name of names) {
      expect(readFileSync(at("kinds-out/train/images", name))).toEqual(readFileSync(at("kinds/train", name)));
    }
    expect(existsSync(at("kinds-out/valid/images/deep/a.jpg"))).toBe(true);
    const { groups, rules, unlabelled } = loadDataDescription(at("kinds-out/data.yaml"));
    expect([groups.patient?.source, groups.video?.source]).toEqual(["^(p\\d+)", "^(p\\d+v\\d+)"]);
    expect([rules, unlabelled]).toEqual([{ A4C: ["MR", "TR"] }, "mask"]);
  });

  it("are not written where anything would be dropped, and each drop has its place and reason", async () => {
    const faulty = [
      `${box}\n4 0.5 0.5 0.1 0.1\n1 2 3\n`, // a class too many; neither box nor view
      "0 0.5 0.5 1.5 0.1\n0 0.5 0.5 0 0.1\n0 1 1\n0 0 0\n", // outside, empty, two views, none
      `${box}\n1 0 0\n\n0 1 0\n`, // views that contradict each other
      `0 1 0\n${box}\n1\n`, // the same view twice
    ];
    const source = await dataOf("faulty", faulty);
    writeTexts(at("faulty/train/labels"), { "gone.txt": box, "classes.txt": "AR\n" });
    const report = await converted(source, "faulty-out");
    expect(report.out).toBeNull();
    expect(existsSync(at("faulty-out"))).toBe(false);
    expect(
      report.drops.map(({ file, line, kind }) => [file.slice(file.lastIndexOf("/") + 1), line, kind]),
    ).toEqual([
      ["f0.txt", 2, "other"],
      ["f0.txt", 3, "other"],
      ["f1.txt", 1, "box"],
      ["f1.txt", 2, "box"],
      ["f1.txt", 3, "view"],
      ["f1.txt", 4, "view"],
      ["f2.txt", 2, "view"],
      ["f2.txt", 4, "view"],
      ["f3.txt", 3, "view"],
      ["gone.txt", null, "other"],
    ]);
    expect(report.drops[0].reason).toMatch(/class index in 0\.\.3/);
    expect(report.drops[6].reason).toMatch(/expected one view, got A4C and PSAX/);
    expect(report.drops[8].reason).toMatch(/PSAX, once more/);
    const kept = await converted(source, "faulty-out", { allowDrops: true });
    expect(kept.drops).toEqual(report.drops);
    expect(labelsOf("faulty-out")).toEqual([`${box}\n`, "", `${box}\n`, `${box}\n\n0 1 0\n`]);
    expect(kept.before).toEqual({ image: 4, box: 5, polygon: 0, view: 6, other: 3 });
    expect(kept.after).toEqual({ image: 4, box: 3, polygon: 0, view: 1, other: 0 });
  });

  it("of several folders get distinct names, each with its own label", async () => {
    writeTexts(at("folders"), {
      "data.yaml": header.replace("train/images", "[a/images, b/images]"),
      "a/labels/x.txt": "0 0.5 0.5 0.5 0.5\n",
      "b/labels/x.txt": "1 0.5 0.5 0.5 0.5\n",
    });
    await writePicture(at("folders/a/images/x.png"), 8, 8, 1);
    await writePicture(at("folders/b/images/x.png"), 8, 8, 2);
    const report = await converted(at("folders/data.yaml"), "folders-out");
    expect(readFileSync(at("folders-out/train/labels/x.txt"), "utf8")).toMatch(/^0/);
    expect(readFileSync(at("folders-out/train/labels/x-2.txt"), "utf8")).toMatch(/^1/);
    expect(readFileSync(at("folders-out/train/images/x-2.png"))).toEqual(
      readFileSync(at("folders/b/images/x.png")),
    );
    expect(report.changes.map(({ file }) => file)).toEqual([at("folders/b/images/x.png")]);
    expect(report.changes[0].what).toMatch(/renamed to train\/images\/x-2\.png/);
  });

  it("refuse a label that a link leads out of the data, an image listed twice, an occupied folder", async () => {
    const source = await dataOf("linked", [null]);
    writeTexts(folder, { "secret.txt": "CANARY" });
    mkdirSync(at("linked/train/labels"));
    symlinkSync(at("secret.txt"), at("linked/train/labels/f0.txt"));
    await expect(converted(source, "linked-out")).rejects.toThrow(
      /expected a label file inside .*linked, got the link .*f0\.txt/,
    );
    const twice = await dataOf(
      "listed",
      [null],
      header.replace("train/images", "[train/images, train/images]"),
    );
    await expect(converted(twice, "listed-out")).rejects.toThrow(/f0\.png: expected once in the train split/);
    const plain = await dataOf("plain", [null]);
    writeTexts(at("occupied"), { "x.txt": "" });
    await expect(converted(plain, "occupied")).rejects.toThrow(
      /occupied: expected a new or an empty folder, got 1/,
    );
    expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
  });

  it("leave nothing behind when they are stopped", async () => {
    const dataYaml = await dataOf("stopped", ["", "", ""]);
    const maps = { views: [], classMap: new Map(), viewMap: new Map() };
    const controller = new AbortController();
    const stopped = convert({
      source: { kind: "text", dataYaml, ...maps },
      out: at("stopped-out"),
      signal: controller.signal,
      onProgress: (step) => step === "writing" && controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
    expect(readdirSync(folder).filter((name) => name.includes("stopped-out"))).toEqual([]);
  });
});

describe("maps", () => {
  it("permute views: the columns move, the names stay", async () => {
    const source = await dataOf("columns", ["1 0 0\n", "0 1 0\n", "2\n"]);
    const { views } = await converted(source, "columns-out", { viewMap: "0=PSAX,1=A4C" });
    expect(views).toEqual(["A4C", "PSAX", "PLAX"]);
    expect(labelsOf("columns-out")).toEqual(["\n0 1 0\n", "\n1 0 0\n", "\n0 0 1\n"]);
  });

  it("permute, rename and merge classes, by number or name", async () => {
    const box = (label: number) => `${label} 0.5 0.5 0.5 0.5\n`;
    const source = await dataOf("classes", [0, 1, 2, 3].map(box));
    const { names } = await converted(source, "classes-out", { classMap: "0=MR,MR=AR,PR=pulmonary,3=AR" });
    expect(names).toEqual(["AR", "MR", "pulmonary"]);
    expect(labelsOf("classes-out").map((text) => text[0])).toEqual(["1", "0", "2", "0"]);
  });

  it.each(["[AR, MR, PR, TR]", "[AR, MR, PR, TR, A4C, PSAX, PLAX]"])(
    "put right a converter that mixed views into the classes (names %s)",
    async (names) => {
      const name = `mixed-${names.length}`;
      const valve = "2 0.45 0.36 0.11 0.14";
      const labels = [`${valve}\n5 0.45 0.36 0.11 0.14\n`, "4 0.1 0.1 0.2 0.1 0.2 0.2\n", `${valve}\n`];
      const source = await dataOf(name, labels, `train: train/images\nnames: ${names}\n`);
      const report = await converted(source, `${name}-out`, {
        classMap: "4=view:A4C,5=view:PSAX,6=view:PLAX",
      });
      expect([report.names, report.views]).toEqual([
        ["AR", "MR", "PR", "TR"],
        ["A4C", "PSAX", "PLAX"],
      ]);
      expect(labelsOf(`${name}-out`)).toEqual([`${valve}\n\n0 1 0\n`, "\n1 0 0\n", `${valve}\n`]);
      expect(report.changes.map(({ line, what }) => [line, what])).toEqual([
        [2, "class 5 means the view PSAX; its place in the image is not kept"],
        [1, "class 4 means the view A4C; its place in the image is not kept"],
      ]);
      expect([report.before, report.after]).toEqual([
        { image: 3, box: 3, polygon: 1, view: 0, other: 0 },
        { image: 3, box: 2, polygon: 0, view: 2, other: 0 },
      ]);
    },
  );

  it("declare views that data.yaml does not", async () => {
    const source = await dataOf("undeclared", ["0 1 0\n"], "train: train/images\nnames: [AR]\n");
    const refused = await converted(source, "undeclared-out");
    expect(refused.drops.map(({ reason }) => reason).join()).toMatch(/declare them in data\.yaml/);
    const { views } = await converted(source, "undeclared-out", { views: ["A4C", "PSAX", "PLAX"] });
    expect(views).toEqual(["A4C", "PSAX", "PLAX"]);
    expect(labelsOf("undeclared-out")).toEqual(["\n0 1 0\n"]);
  });

  it("keep the rules of names that remain", async () => {
    const rules = "rules: {A4C: [MR, TR], PLAX: [AR, MR]}\n";
    const source = await dataOf("rules", ["0 0 1\n"], header + rules);
    const { changes } = await converted(source, "rules-out", { viewMap: "A4C=apical", classMap: "0=aortic" });
    expect(loadDataDescription(at("rules-out/data.yaml")).rules).toEqual({ PLAX: ["MR"] });
    expect(changes.map(({ what }) => what)).toEqual([
      "rules: views and classes that the output does not have are left out",
    ]);
  });

  it.each<[Maps, RegExp]>([
    [{ classMap: "0" }, /--class-map: expected INDEX=NAME,INDEX=NAME,\.\.\., got `0` in `0`/],
    [{ classMap: "0=a,0=b" }, /expected each key once, got 0 twice/],
    [{ classMap: "0=" }, /got `0=`/],
    [{ classMap: "0=view:" }, /got `0=view:`/],
    [{ classMap: "XR=AR" }, /--class-map: expected keys among 0 \(AR\), 1 \(MR\).*got XR/],
    [{ viewMap: "3=A4C" }, /--view-map: expected keys among 0 \(A4C\), 1 \(PSAX\), 2 \(PLAX\), got 3/],
    [
      { views: ["PSAX", "A4C", "PLAX"] },
      /--views: expected the views of .*A4C, PSAX, PLAX, got PSAX.*--view-map/,
    ],
  ])("refuse %j", async (maps, message) => {
    const source = existsSync(at("map-errors"))
      ? at("map-errors/data.yaml")
      : await dataOf("map-errors", [null]);
    await expect(converted(source, "map-errors-out", maps)).rejects.toThrow(message);
  });
});

describe("output names", () => {
  it("follow the last images folder, the split's folder, or the root", () => {
    expect(nameInOutput("/d/train/images/a/x.jpg", "/d", ["/d/train/images"])).toBe("a/x.jpg");
    expect(nameInOutput("/d/images/a/images/x.jpg", "/d", [])).toBe("x.jpg");
    expect(nameInOutput("/d/pictures/a/x.jpg", "/d", ["/d/pictures"])).toBe("a/x.jpg");
    expect(nameInOutput("/d/a/images", "/d", [])).toBe("a/images");
  });

  it("are distinct by their label file, whatever case or extension, and keep names that others have", () => {
    expect(distinctNames(["x.jpg", "x.png", "X.jpg", "x-2.jpg", "a/x.jpg", "x.jpg"])).toEqual([
      "x.jpg",
      "x-3.png",
      "X-4.jpg",
      "x-2.jpg",
      "a/x.jpg",
      "x-5.jpg",
    ]);
  });
});

describe("the command", () => {
  const base = { out: "o", images: [], views: [], check: 0 };

  it("tells a data.yaml from COCO files", () => {
    expect(sourceOf("d.yaml", base)).toMatchObject({ kind: "text", dataYaml: "d.yaml" });
    const images = ["all", "val=one"];
    expect(sourceOf(undefined, { ...base, train: "x/t.json", val: "x/v.json", images })).toMatchObject({
      kind: "coco",
      splits: { train: { file: "x/t.json", images: "all" }, val: { file: "x/v.json", images: "one" } },
    });
    expect(sourceOf(undefined, { ...base, test: "x/t.json" })).toMatchObject({
      splits: { test: { images: "x" } },
    });
    expect(() => sourceOf(undefined, base)).toThrow(/expected a data\.yaml, or COCO files.*got neither/);
    expect(() => sourceOf("d.yaml", { ...base, val: "v.json" })).toThrow(
      /got d\.yaml and --val; leave one out/,
    );
    expect(() => sourceOf("train.json", base)).toThrow(/give COCO files by --train/);
    expect(() => sourceOf(undefined, { ...base, train: "t", images: ["a", "b"] })).toThrow(
      /--images: expected one/,
    );
  });

  it("has views without repetition", () => {
    const command = convertCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => {} });
    expect(() => command.parse(["--out", "o", "--views", "A,A"], { from: "user" })).toThrow(/distinct names/);
  });

  it("lists every drop and the first changes", () => {
    const place = { file: "a.json", line: null, path: "annotations[1]", id: 7 };
    const none = { image: 0, box: 0, polygon: 0, view: 0, other: 0 };
    const report: ConvertReport = {
      out: "o",
      names: ["AR"],
      views: [],
      before: { ...none, box: 31 },
      after: { ...none, box: 1 },
      drops: Array.from({ length: 30 }, () => ({ ...place, kind: "box" as const, reason: "why" })),
      changes: Array.from({ length: 25 }, () => ({ ...place, line: 3, what: "what" })),
    };
    const lines = formatConversion(report).split("\n");
    expect(lines.filter((line) => line === "dropped box: a.json: annotations[1] (id 7): why")).toHaveLength(
      30,
    );
    expect(lines.filter((line) => line === "changed: a.json:3: what")).toHaveLength(20);
    expect(lines).toContain("changed: 5 more, listed in convert.json");
    expect(lines.find((line) => line.startsWith("dropped  "))).toMatch(/^dropped +0 +30 +0 +0 +0$/);
  });
});

describe("check pictures", () => {
  let out: string;
  let picked: WrittenFrame[];
  beforeAll(async () => {
    const labels = [
      "0 0.5 0.5 0.5 0.5\n1 0 0",
      "0 0.5 0.5 0.5 0.5\n1 0 0",
      "1 0.1 0.1 0.4 0.1 0.4 0.9\n[0, 0, 1]",
      null,
    ];
    const dataYaml = await dataOf("checked", labels);
    const source = { kind: "text" as const, dataYaml, views: [], classMap: new Map(), viewMap: new Map() };
    out = at("checked-out");
    await convert({
      source,
      out,
      finish: async (written, frames) => {
        picked = pickFrames(frames, 3);
        // A wrong output must show.
        writeFileSync(join(written, "train/labels/f2.txt"), "1 0.5 0.5 0.1 0.1\n");
        await drawChecks(written, picked, source);
      },
    });
  });

  it("come from each pair of class and view", () => {
    expect(picked.map(({ source }) => source.name).sort()).toEqual([
      expect.stringMatching(/f[01]\.png/),
      "f2.png",
      "f3.png",
    ]);
  });

  it("show the source in green and the output in red, where each of them has its box", async () => {
    const picture = await sharp(join(out, "check/train-f2.png")).raw().toBuffer({ resolveWithObject: true });
    const { width, height } = picture.info;
    const count = (from: readonly number[], colour: (r: number, g: number, b: number) => boolean): number => {
      let found = 0;
      for (let y = Math.round(from[1] * height); y < from[3] * height; y++) {
        for (let x = Math.round(from[0] * width); x < from[2] * width; x++) {
          const i = (y * width + x) * picture.info.channels;
          if (colour(picture.data[i], picture.data[i + 1], picture.data[i + 2])) found++;
        }
      }
      return found;
    };
    const green = (r: number, g: number, b: number) => g > 140 && r < 90 && b < 120;
    const red = (r: number, g: number, b: number) => r > 190 && g < 90 && b < 90;
    const [source, output, overlay] = [
      [0.5, 0, 1, 0.5],
      [0, 0.5, 0.5, 1],
      [0.5, 0.5, 1, 1],
    ];
    expect([count(source, green) > 100, count(source, red)]).toEqual([true, 0]);
    expect([count(output, red) > 100, count(output, green)]).toEqual([true, 0]);
    expect([count(overlay, green) > 100, count(overlay, red) > 30]).toEqual([true, true]);
    expect(count([0, 0, 0.5, 0.5], (r, g, b) => green(r, g, b) || red(r, g, b))).toBe(0);
  });
});

const real = fileURLToPath(new URL("../../../shared/data/regurgitation/data.yaml", import.meta.url));
if (!existsSync(real)) console.warn("skipped: shared/data/regurgitation is not beside the checkout");

describe.skipIf(!existsSync(real))("the regurgitation frames", () => {
  it("are converted without a drop, and read the same afterwards", async () => {
    const report = await converted(real, "real-out");
    expect(report.before).toEqual({ image: 1229, box: 0, polygon: 1229, view: 1227, other: 0 });
    expect([report.after, report.drops, report.changes]).toEqual([report.before, [], []]);
    const [before, after] = [real, at("real-out/data.yaml")].map(loadDataDescription);
    for (const split of ["train", "val", "test"] as const) {
      const contents = (description: typeof before) =>
        listFrames(description, split).map(({ name, boxes, view, patient }) => ({
          name,
          boxes,
          view,
          patient,
        }));
      expect(contents(after)).toEqual(contents(before));
    }
  });
});
