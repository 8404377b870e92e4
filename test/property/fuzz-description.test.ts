import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  identify,
  listFrames,
  listImages,
  loadDataDescription,
  type SplitName,
} from "../../src/data/index.js";
import { EchoDuetError } from "../../src/errors.js";
import { temporaryFolder } from "../support/cli.js";
import { anyText, mutated, realDescription, runs, settle } from "../support/fuzz.js";

const { folder, remove } = temporaryFolder("fuzz-description");
afterAll(remove);
const file = join(folder, "data.yaml");

const whole = `path: .
train: train/images
val: [valid/images, list.txt]
test: train/images/p01v01f0001.jpg
names: {0: AR, 1: MR, 2: PR, 3: TR}
nc: 4
views: [A4C, PSAX, PLAX]
groups:
  patient: '^(?:[a-z]+-)?(p\\d+)'
  video: '^(p\\d+v\\d+)'
rules:
  A4C: [MR, TR]
unlabelled: mask
`;

beforeAll(() => {
  for (const split of ["train", "valid"]) {
    for (const kind of ["images", "labels"]) mkdirSync(join(folder, split, kind), { recursive: true });
    writeFileSync(join(folder, split, "images/p01v01f0001.jpg"), "");
    writeFileSync(join(folder, split, "labels/p01v01f0001.txt"), "1 0.5 0.5 0.5 0.5\n0 1 0\n");
  }
  writeFileSync(join(folder, "list.txt"), "train/images/p01v01f0001.jpg\n");
});

/** Loads a data.yaml and reads what it describes; each step ends with a result or an EchoDuetError. */
function check(contents: string | Uint8Array): void {
  writeFileSync(file, contents);
  const description = settle(() => loadDataDescription(file));
  expect(Object.keys(Object.prototype)).toEqual([]);
  if (description instanceof EchoDuetError) {
    expect(description.message).toContain(file);
    expect(description.message.length).toBeLessThan(300_000);
    return;
  }
  for (const split of Object.keys(description.splits) as SplitName[]) {
    const images = settle(() => listImages(description, split));
    if (images instanceof EchoDuetError) continue;
    for (const image of images) {
      expect(image.startsWith(folder)).toBe(true);
      settle(() => identify(description, image));
    }
    settle(() => listFrames(description, split));
  }
}

describe("data.yaml", () => {
  it("that is whole is read, so that its mutations reach the reader's depths", () => {
    writeFileSync(file, whole);
    expect(Object.keys(loadDataDescription(file).splits)).toEqual(["train", "val", "test"]);
  });

  it("that is mutated is read or refused", () => {
    fc.assert(fc.property(mutated([Buffer.from(whole), ...realDescription()]), check), runs(150, 2500));
  });

  it("of any text or value is read or refused", () => {
    const value = fc.oneof(
      anyText,
      fc.jsonValue({ maxDepth: 4 }).map((json) => JSON.stringify(json)),
    );
    const key = fc.constantFrom(
      ...["path", "train", "names", "nc", "views", "groups", "rules", "unlabelled", "x"],
    );
    const entries = fc.uniqueArray(fc.tuple(key, value), { selector: ([name]) => name });
    const text = entries.map((lines) => lines.map(([name, given]) => `${name}: ${given}\n`).join(""));
    fc.assert(fc.property(fc.oneof(text, anyText), check), runs(80, 1200));
  });

  const bomb = Array.from({ length: 12 }, (_, level) => {
    const inner = level === 0 ? "x" : `*a${level - 1}`;
    return `a${level}: &a${level} [${Array(12).fill(inner).join(", ")}]\n`;
  }).join("");
  it.each<[string, string]>([
    ["aliases that expand to 12^12 values", `${bomb}names: *a11\ntrain: train/images\n`],
    ["aliases within known keys", `names: &a [x]\ntrain: *a\nviews: *a\nrules: {x: *a}\n`],
    ["an alias of itself", "train: train/images\nnames: &a [*a]\n"],
    ["a map that is its own key", "&a {*a : 1}\n"],
    ["an unknown alias", "names: *gone\ntrain: x\n"],
    ["merge keys", "x: &x {names: [a]}\n<<: *x\ntrain: train/images\n"],
    ["__proto__ as a key", "__proto__: {polluted: 1}\ntrain: train/images\nnames: [a]\n"],
    ["__proto__ as a name's index", "train: train/images\nnames: {__proto__: a, 0: b}\n"],
    ["__proto__ in groups", "train: train/images\nnames: [a]\ngroups: {__proto__: {patient: '(a)'}}\n"],
    ["__proto__ in rules", "train: train/images\nnames: [a]\nrules: {__proto__: [a], constructor: [a]}\n"],
    ["constructor as a view", "train: train/images\nnames: [a]\nviews: [constructor, __proto__, toString]\n"],
    ["an index of 2^53", "train: train/images\nnames: {9007199254740993: a}\n"],
    ["an index of 4e9", "train: train/images\nnames: {0: a, 4294967295: b}\n"],
    ["numbers beyond any", `train: train/images\nnames: [1e999, -1e999, .nan]\nnc: 1e999\n`],
    ["a number of 100,000 digits", `train: train/images\nnames: [a]\nnc: ${"9".repeat(100_000)}\n`],
    [
      "20,000 names",
      `train: train/images\nnames: [${Array.from({ length: 20_000 }, (_, i) => `n${i}`).join(", ")}]\n`,
    ],
    ["lists in 4,000 lists", `train: ${"[".repeat(4000)}\nnames: [a]\n`],
    ["closed lists in 3,000 lists", `names: ${"[".repeat(3000)}${"]".repeat(3000)}\ntrain: x\n`],
    ["maps in 4,000 maps", `${"a: {".repeat(4000)}\n`],
    ["4,000 levels of block lists", `${"- ".repeat(4000)}a\n`],
    ["a NUL in a path", 'path: "a\\0b"\ntrain: train/images\nnames: [a]\n'],
    ["a NUL in a split", 'train: "train/im\\0ages"\nnames: [a]\n'],
    ["a NUL in a list of splits", 'train: ["train/images", "x\\0.txt"]\nnames: [a]\n'],
    ["a path of 100,000 letters", `path: ${"a".repeat(100_000)}\ntrain: train/images\nnames: [a]\n`],
    ["a split of 100,000 letters", `train: ${"a".repeat(100_000)}\nnames: [a]\n`],
    ["a split below a file", "train: train/images/p01v01f0001.jpg/images\nnames: [a]\n"],
    ["a path that is a file", "path: list.txt\ntrain: x\nnames: [a]\n"],
    ["a line of 2,000,000 letters", `names: [${"a".repeat(2_000_000)}]\ntrain: train/images\n`],
    ["2,000,000 spaces", `names: [a]${" ".repeat(2_000_000)}\ntrain: train/images\n`],
    ["tags", "train: !!js/function 'x'\nnames: !!binary aGVsbG8=\n"],
    ["a set", "train: train/images\nnames: !!set {a, b}\n"],
    ["a map of ordered pairs", "train: train/images\nnames: !!omap [0: a, 1: b]\n"],
    ["a date", "train: train/images\nnames: [2001-01-01]\nviews: !!timestamp 2001-01-01\n"],
    ["map keys that are lists", "train: train/images\nnames: {[a, b]: c}\n"],
    ["several documents", "train: train/images\nnames: [a]\n---\ntrain: x\n"],
    ["directives", "%YAML 9.9\n---\ntrain: train/images\nnames: [a]\n"],
    ["UTF-16", "\u0000t\u0000r\u0000a\u0000i\u0000n"],
  ])("with %s is read or refused", (_, text) => {
    check(text);
  });

  it("with a pattern that backtracks without end is refused, or its match is bounded", () => {
    const names = [`${"a".repeat(60)}!.jpg`, `p${"1".repeat(120)}.jpg`];
    for (const name of names) writeFileSync(join(folder, "valid/images", name), "");
    for (const pattern of ["^((a+)+)$", "^p((\\d+)*)+x"]) {
      check(`train: valid/images\nnames: [a]\ngroups: {patient: '${pattern}'}\n`);
    }
  });
});

describe("lists of images", () => {
  it.each<[string, string | Uint8Array]>([
    ["a NUL", "train/images/\0.jpg\n"],
    ["a line of 100,000 letters", `${"a".repeat(100_000)}.jpg\n`],
    ["a name of 300 letters", `train/images/${"a".repeat(300)}.jpg\n`],
    ["an image below a file", "list.txt/x.jpg\n"],
    ["bytes that are no UTF-8", Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x0a])],
    ["200,000 blank lines", "\n".repeat(200_000)],
    ["a list of lists", "list.txt\n"],
    ["a folder", "train/images\n"],
  ])("with %s are read or refused", (_, list) => {
    writeFileSync(join(folder, "odd.txt"), list);
    check("train: odd.txt\nnames: [AR, MR]\nviews: [A4C, PSAX, PLAX]\n");
  });
});
