import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type ConvertReport,
  convert,
  parseNameMap,
  readCoco,
  readJsonArrays,
} from "../../src/data/formats/index.js";
import { EchoDuetError } from "../../src/errors.js";
import { temporaryFolder } from "../support/cli.js";
import { type CocoEntry, cocoText, writePicture, writeTexts } from "../support/coco.js";

const { folder, remove } = temporaryFolder("coco");
afterAll(remove);
const at = (...parts: string[]) => join(folder, ...parts);

const valves = ["AR", "MR", "PR", "TR"];
const views = ["A4C", "PSAX", "PLAX"];

beforeAll(async () => {
  await writePicture(at("frames/a.jpg"), 64, 48);
  await writePicture(at("frames/sub/b.png"), 33, 77);
  await writePicture(at("frames/c.webp"), 640, 480);
});
const sizes = [
  { name: "a.jpg", width: 64, height: 48 },
  { name: "sub/b.png", width: 33, height: 77 },
  { name: "c.webp", width: 640, height: 480 },
];

interface Given {
  readonly views?: readonly string[];
  readonly classMap?: string;
  readonly viewMap?: string;
  readonly allowDrops?: boolean;
  readonly val?: string;
  readonly images?: string;
}

let count = 0;
/** Converts one COCO text, or two, into a new folder. */
async function converted(
  text: string,
  given: Given = {},
): Promise<ConvertReport & { readonly folder: string }> {
  const name = `run${count++}`;
  writeTexts(at(name), { "train.json": text, ...(given.val && { "val.json": given.val }) });
  const images = given.images ?? at("frames");
  const train = { file: at(name, "train.json"), images };
  const splits = { train, ...(given.val && { val: { file: at(name, "val.json"), images } }) };
  const mapOf = (map: string | undefined, option: string) => (map ? parseNameMap(map, option) : new Map());
  const report = await convert({
    source: {
      kind: "coco",
      splits,
      views: given.views ?? [],
      classMap: mapOf(given.classMap, "--class-map"),
      viewMap: mapOf(given.viewMap, "--view-map"),
    },
    out: at(`${name}-out`),
    allowDrops: given.allowDrops,
  });
  return { ...report, folder: at(`${name}-out`) };
}

const label = (folder: string, name: string) => readFileSync(join(folder, "train/labels", name), "utf8");

/** A COCO file of the first image with the given annotations and further fields. */
const oneImage = (
  annotations: readonly object[],
  image: object = {},
  categories: readonly object[] = [],
): string =>
  JSON.stringify({
    images: [{ id: 1, file_name: "a.jpg", width: 64, height: 48, ...image }],
    annotations: annotations.map((annotation, index) => ({ id: index + 7, image_id: 1, ...annotation })),
    categories: [...valves.map((name, index) => ({ id: index + 1, name })), ...categories],
  });

describe("COCO", () => {
  it("boxes, polygons and views come back from the output within 1e-9 pixels", async () => {
    const unit = fc.double({ min: 0, max: 1, noNaN: true });
    const within = (low: number, high: number, share: number) => low + (high - low) * share;
    const shapeOf = (width: number, height: number) =>
      fc
        .tuple(fc.constantFrom(...valves), fc.boolean(), fc.array(unit, { minLength: 6, maxLength: 12 }))
        .map(([category, isBox, u]) => {
          if (isBox) {
            const [x, y] = [within(0, width - 1, u[0]), within(0, height - 1, u[1])];
            return { category, box: [x, y, within(0.01, width - x, u[2]), within(0.01, height - y, u[3])] };
          }
          const inner = u.slice(0, u.length - (u.length % 2));
          const vertices = inner.map((share, i) => within(0, i % 2 === 0 ? width : height, share));
          // Corners of a right angle, so that every polygon has an area.
          return { category, polygon: [0, 0, width / 2, 0, width / 2, height / 2, ...vertices] };
        });
    const entries = fc.tuple(
      ...sizes.map((size) =>
        fc.record({
          shapes: fc.array(shapeOf(size.width, size.height), { maxLength: 4 }),
          view: fc.option(fc.constantFrom(...views), { nil: undefined }),
        }),
      ),
    );
    await fc.assert(
      fc.asyncProperty(entries, async (drawn) => {
        const given: CocoEntry[] = sizes.map((size, index) => ({ ...size, ...drawn[index] }));
        const report = await converted(cocoText(given, [...valves, ...views]), { views });
        expect([report.drops, report.changes, report.after]).toEqual([[], [], report.before]);
        expect([report.names, report.views]).toEqual([valves, views]);
        for (const { name, width, height, shapes = [], view } of given) {
          const text = label(report.folder, name.replace(/\.\w+$/, ".txt"));
          const lines = text.split("\n").filter((line) => line !== "");
          const oneHot = view ? [views.map((other) => (other === view ? 1 : 0)).join(" ")] : [];
          expect(lines.slice(shapes.length)).toEqual(oneHot);
          expect(text.includes("\n\n") || shapes.length === 0 || !view).toBe(true);
          shapes.forEach((shape, index) => {
            const [category, ...values] = lines[index].split(" ").map(Number);
            expect(valves[category]).toBe(shape.category);
            const pixels = values.map((value, i) => value * (i % 2 === 0 ? width : height));
            const back = shape.box
              ? [pixels[0] - pixels[2] / 2, pixels[1] - pixels[3] / 2, pixels[2], pixels[3]]
              : pixels;
            const wanted = shape.box ?? shape.polygon ?? [];
            expect(back).toHaveLength(wanted.length);
            back.forEach((value, i) => {
              expect(Math.abs(value - wanted[i])).toBeLessThan(1e-9);
            });
          });
        }
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  it("views are told by an annotation, the image's category_id or view, and a supercategory", async () => {
    const categories = [
      { id: 9, name: "PSAX", supercategory: "view" },
      { id: 8, name: "A4C", supercategory: "View" },
    ];
    const viewOf = async (text: string, given: Given = {}) => {
      const report = await converted(text, given);
      return [report.views.join(), label(report.folder, "a.txt").trim()];
    };
    expect(await viewOf(oneImage([{ category_id: 9 }], {}, categories))).toEqual(["A4C,PSAX", "0 1"]);
    expect(await viewOf(oneImage([{ category_id: 9, bbox: [], segmentation: [] }], {}, categories))).toEqual([
      "A4C,PSAX",
      "0 1",
    ]);
    expect(await viewOf(oneImage([], { category_id: 8 }, categories))).toEqual(["A4C,PSAX", "1 0"]);
    const given = { views: ["PSAX", "A4C"] };
    expect(await viewOf(oneImage([], { view: "PSAX" }, categories), given)).toEqual(["PSAX,A4C", "1 0"]);
    expect(await viewOf(oneImage([], { view: "PLAX" }), { views: ["PLAX"] })).toEqual(["PLAX", "1"]);
    expect(await viewOf(oneImage([{ category_id: 4 }]), { classMap: "TR=view:apical" })).toEqual([
      "apical",
      "1",
    ]);
    const renamed = { views: ["PSAX"], viewMap: "PSAX=short" };
    expect(await viewOf(oneImage([{ category_id: 9 }], {}, categories.slice(0, 1)), renamed)).toEqual([
      "short",
      "1",
    ]);
  });

  it("a view's box is not kept, and said so", async () => {
    const text = oneImage([{ category_id: 9, bbox: [0, 0, 64, 48] }], {}, [{ id: 9, name: "PSAX" }]);
    const report = await converted(text, { views: ["PSAX"] });
    expect(label(report.folder, "a.txt")).toBe("\n1\n");
    expect(report.changes).toMatchObject([{ path: "annotations[0]", id: 7 }]);
    expect(report.changes[0].what).toBe("means the view PSAX; its place in the image is not kept");
  });

  it("classes of several files are matched by name, whatever their ids", async () => {
    const other = JSON.parse(oneImage([{ category_id: 12, bbox: [0, 0, 64, 48] }]));
    other.categories = [
      { id: 12, name: "TR" },
      { id: 3, name: "other" },
    ];
    const report = await converted(oneImage([{ category_id: 4, bbox: [0, 0, 64, 48] }]), {
      val: JSON.stringify(other),
    });
    expect(report.names).toEqual([...valves, "other"]);
    for (const split of ["train", "valid"]) {
      expect(readFileSync(join(report.folder, split, "labels/a.txt"), "utf8")).toBe("3 0.5 0.5 1 1\n");
    }
  });

  it.each<[string, object, string, RegExp]>([
    [
      "run lengths",
      { bbox: [8, 12, 16, 24], segmentation: { counts: "abc", size: [48, 64] } },
      "0 0.25 0.5 0.25 0.5\n",
      /run lengths, kept as the box of `bbox`/,
    ],
    [
      "several polygons",
      {
        bbox: [8, 12, 16, 24],
        segmentation: [
          [8, 12, 9, 12, 9, 13],
          [20, 30, 24, 30, 24, 36],
        ],
      },
      "0 0.25 0.5 0.25 0.5\n",
      /2 polygons, kept as the box around them/,
    ],
    [
      "several polygons without a box",
      {
        segmentation: [
          [8, 12, 9, 12, 9, 13],
          [20, 30, 24, 30, 24, 36],
        ],
      },
      "0 0.25 0.5 0.25 0.5\n",
      /2 polygons/,
    ],
    [
      "a polygon that leaves the image",
      { bbox: [8, 12, 16, 24], segmentation: [[8, 12, 70, 12, 24, 36]] },
      "0 0.25 0.5 0.25 0.5\n",
      /a polygon that leaves the image, kept as the box/,
    ],
    [
      "a polygon of two vertices",
      { bbox: [8, 12, 16, 24], segmentation: [[8, 12, 24, 36]] },
      "0 0.25 0.5 0.25 0.5\n",
      /of 2 vertices, kept as the box/,
    ],
    [
      "a box that is not around its polygon",
      { bbox: [0, 0, 64, 48], segmentation: [[8, 12, 24, 12, 24, 36]] },
      "0 0.125 0.25 0.375 0.25 0.375 0.75\n",
      /`bbox` \[0, 0, 64, 48\] is not around its polygon/,
    ],
  ])("%s are kept in another form, which is listed", async (_, annotation, text, what) => {
    const report = await converted(oneImage([{ category_id: 1, ...annotation }]));
    expect(label(report.folder, "a.txt")).toBe(text);
    expect(report.drops).toEqual([]);
    expect(report.changes.map((change) => change.what)).toEqual([expect.stringMatching(what)]);
  });

  it.each<[string, object, RegExp]>([
    ["a crowd", { category_id: 1, bbox: [0, 0, 9, 9], iscrowd: 1 }, /marks a crowd/],
    ["run lengths without a box", { category_id: 1, segmentation: { counts: [1, 2] } }, /there is no `bbox`/],
    ["an unknown image", { category_id: 1, bbox: [0, 0, 9, 9], image_id: 5 }, /no image has the id 5/],
    ["an unknown category", { category_id: 99, bbox: [0, 0, 9, 9] }, /no category has the id 99/],
    ["an empty box", { category_id: 1, bbox: [3, 3, 0, 9] }, /positive width and height, got 0 x 9/],
    [
      "a box outside",
      { category_id: 1, bbox: [60, 3, 30, 9] },
      /within the image of 64 x 48, got \[60, 3, 30, 9\]/,
    ],
    ["a class without a place", { category_id: 1 }, /got neither; if AR is a view, name it with --views/],
    ["a second view", { category_id: 9 }, /expected one view, got PSAX and A4C/],
    ["a repeated view", { category_id: 8 }, /PSAX, once more/],
  ])("%s is dropped with its place and reason", async (_, annotation, reason) => {
    const categories = [
      { id: 8, name: "PSAX", supercategory: "view" },
      { id: 9, name: "A4C", supercategory: "view" },
    ];
    const report = await converted(oneImage([{ category_id: 8 }, annotation], {}, categories));
    expect(report.out).toBeNull();
    expect(report.drops.at(-1)).toMatchObject({ line: null, path: "annotations[1]", id: 8 });
    expect(report.drops.at(-1)?.reason).toMatch(reason);
    const again = await converted(oneImage([{ category_id: 8 }, annotation], {}, categories), {
      allowDrops: true,
    });
    expect(again.after?.image).toBe(1);
  });

  it.each<[string, object, RegExp]>([
    ["not there", { file_name: "gone.jpg" }, /expected the image .*gone\.jpg, got nothing there/],
    [
      "of another size",
      { width: 48, height: 64 },
      /expected the image's size, 48 x 64, got 64 x 48 in the file/,
    ],
    ["of another kind", { file_name: "a.bmp" }, /expected \.jpg .*got a\.bmp/],
    ["hidden", { file_name: ".a.jpg" }, /leading dot/],
    ["no image", { file_name: "text.jpg" }, /got a file that cannot be read/],
  ])("an image %s is dropped with its annotations", async (_, image, reason) => {
    writeFileSync(at("frames/text.jpg"), "this is no picture");
    const whole = JSON.parse(oneImage([{ category_id: 1, bbox: [0, 0, 9, 9] }], { ...image, view: "PSAX" }));
    whole.images.push({ id: 2, file_name: "c.webp", width: 640, height: 480 });
    const report = await converted(JSON.stringify(whole), { views: ["PSAX"], allowDrops: true });
    expect(report.drops.map(({ kind, path }) => [kind, path])).toEqual([
      ["image", "images[0]"],
      ["box", "annotations[0]"],
      ["view", "images[0].view"],
    ]);
    expect(report.drops[0].reason).toMatch(reason);
    expect([report.before, report.after]).toEqual([
      { image: 2, box: 1, polygon: 0, view: 1, other: 0 },
      { image: 1, box: 0, polygon: 0, view: 0, other: 0 },
    ]);
  });

  it("a file name never leaves the folder of images", async () => {
    await writePicture(at("outside.png"), 64, 48);
    if (!existsSync(at("frames/link.png"))) symlinkSync(at("outside.png"), at("frames/link.png"));
    if (!existsSync(at("frames/out"))) symlinkSync(folder, at("frames/out"));
    for (const name of ["../outside.png", at("outside.png"), "link.png", "out/outside.png"]) {
      await expect(converted(oneImage([], { file_name: name }))).rejects.toThrow(
        /images\[0\]\.file_name \(id 1\): expected an image inside .*frames, got /,
      );
    }
  });

  it.each<[string, string, RegExp]>([
    ["no JSON", "hello", /expected a JSON object `\{\.\.\.\}` at byte 0, got `h`/],
    ["a list", "[]", /expected a JSON object/],
    ["nothing", "", /expected a JSON object .* at byte 0, got the end of the file/],
    ["a cut file", '{"images": [{"id": 1', /images\[0\]: expected a JSON value at byte 20, got the end/],
    [
      "a broken entry",
      '{"images": [{"id": nope}]}',
      /images\[0\]: expected a JSON value.*got `\{"id": nope\}`/,
    ],
    ["a comma too many", '{"images": [],}', /expected a key in quotes at byte 14, got `\}`/],
    ["text after the end", '{"images": []} x', /expected nothing more at byte 15, got `x`/],
    ["a key twice", '{"images": [], "images": []}', /images: expected the key once/],
    ["images as a map", '{"images": {}}', /images: expected a list, got another value/],
    ["no images", '{"images": [], "annotations": []}', /images: expected at least one entry, got none/],
    [
      "an id of a wrong type",
      oneImage([], { id: 1.5 }),
      /images\[0\]\.id: expected an id: an integer or a text, got 1\.5|images\[0\]\.id \(id 1\.5\): expected an id/,
    ],
    [
      "a size of zero",
      oneImage([], { width: 0 }),
      /images\[0\]\.width \(id 1\): expected at least 1 pixel, got 0/,
    ],
    [
      "a box of three",
      oneImage([{ category_id: 1, bbox: [1, 2, 3] }]),
      /annotations\[0\]\.bbox \(id 7\): expected four numbers.*got \[ 1, 2, 3 \]/,
    ],
    [
      "a text in a box",
      oneImage([{ category_id: 1, bbox: [1, "2", 3, 4] }]),
      /annotations\[0\]\.bbox\[1\] \(id 7\): expected a finite number, got '2'/,
    ],
    [
      "an infinite number",
      oneImage([{ category_id: 1, bbox: [1, 2, 3, 4] }]).replace("[1,2,3,4]", "[1,2,3,1e999]"),
      /bbox\[3\] \(id 7\): expected a finite number/,
    ],
    [
      "a segmentation of texts",
      oneImage([{ category_id: 1, segmentation: "x" }]),
      /annotations\[0\]\.segmentation \(id 7\): expected polygons/,
    ],
    ["no category id", oneImage([{}]), /annotations\[0\]\.category_id \(id 7\): expected an id.*got nothing/],
    [
      "an id twice",
      oneImage([], {}, [{ id: 4, name: "x" }]),
      /categories\[4\]: expected an own id, got 4, which categories\[3\] has/,
    ],
    [
      "a name twice",
      oneImage([], {}, [{ id: 9, name: "TR" }]),
      /categories\[4\]: expected an own name, got TR/,
    ],
    [
      "a NUL in a name",
      oneImage([], { file_name: "a\0.jpg" }),
      /file_name \(id 1\): expected a file name, got one with a NUL/,
    ],
  ])("%s is an error with file, path and id", async (_, text, message) => {
    const error = await converted(text).catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(EchoDuetError);
    expect((error as EchoDuetError).code).toBe("data");
    expect((error as Error).message).toMatch(/train\.json: /);
    expect((error as Error).message).toMatch(message);
  });

  it("lists at most twenty problems of the form", async () => {
    const annotations = Array.from({ length: 50 }, () => ({ category_id: 1, bbox: ["x"] }));
    const error = await converted(oneImage(annotations)).catch((fault: unknown) => fault);
    expect((error as Error).message.split("\n")).toHaveLength(20);
  });

  it("the same image file twice, unknown views and keys are errors", async () => {
    const twice = JSON.parse(oneImage([]));
    twice.images.push({ id: 2, file_name: "./a.jpg", width: 64, height: 48 });
    await expect(converted(JSON.stringify(twice))).rejects.toThrow(
      /images\[1\]\.file_name \(id 2\): expected each file once/,
    );
    await expect(converted(oneImage([]), { views: ["A4c"] })).rejects.toThrow(
      /--views: expected names of categories/,
    );
    await expect(converted(oneImage([]), { classMap: "9=AR" })).rejects.toThrow(
      /--class-map: expected keys among 1 \(AR\)/,
    );
    await expect(converted(oneImage([]), { viewMap: "A4C=x" })).rejects.toThrow(
      /--view-map: expected keys among none/,
    );
  });
});

describe("readJsonArrays", () => {
  const read = (text: string | Buffer, keys: readonly string[]) => {
    writeFileSync(at("arrays.json"), text);
    return [...readJsonArrays(at("arrays.json"), keys)];
  };

  it("gives what JSON.parse gives, whatever the values and the spaces", () => {
    const value = fc.jsonValue();
    const object = fc.record({
      a: fc.array(value),
      skipped: value,
      b: fc.array(value),
      'with "quotes"': value,
    });
    fc.assert(
      fc.property(object, fc.constantFrom(0, 1, "\t"), fc.boolean(), (whole, indent, mark) => {
        const text = (mark ? "\uFEFF" : "") + JSON.stringify(whole, null, indent);
        const expected = (["a", "b"] as const).flatMap((key) =>
          (JSON.parse(JSON.stringify(whole))[key] as unknown[]).map((value, index) => ({
            key,
            index,
            value,
          })),
        );
        expect(read(text, ["a", "b"])).toEqual(expected);
      }),
    );
  });

  it("reads values that lie across the pieces of a large file", () => {
    const entries = Array.from({ length: 40_000 }, (_, id) => ({
      id,
      text: 'é\\"[{'.repeat(id % 20),
      x: id / 7,
    }));
    const text = JSON.stringify({ info: entries.slice(0, 1000), a: entries });
    expect(text.length).toBeGreaterThan(3 * 2 ** 20);
    expect(read(text, ["a"]).map(({ value }) => value)).toEqual(entries);
  });

  it("refuses what is no JSON", () => {
    for (const text of [
      '{"a": [1 2]}',
      '{"a": [,1]}',
      '{"a": [1,]}',
      '{"a" [1]}',
      "{a: [1]}",
      '{"a": [1]',
      "{,}",
    ]) {
      expect(() => read(text, ["a"]), text).toThrow(EchoDuetError);
    }
  });

  it("names a file that is not there", () => {
    expect(() => readCoco(at("none.json"))).toThrow(/none\.json: cannot be read .*check the path/);
  });
});
