import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { repairData, revertRepair, writeRepairPlan } from "../../src/data/repair/index.js";
import { EchoDuetError } from "../../src/errors.js";
import { temporaryFolder } from "../support/cli.js";
import { asRead, auditOf, readTree, type Tree, writeTree } from "../support/repair-data.js";

const { folder, remove } = temporaryFolder("repair-property");
afterAll(remove);
const at = (...parts: string[]) => join(folder, ...parts);

/** Lines that people and tools write, right and wrong, down to any bytes. */
const line = fc.oneof(
  fc.constantFrom("0 1 0", "1 0 0", "[0, 0, 1]", "0 0 0", "1 1 0", "2", "7", "", "  ", "0 0.5 0.5 0.2 0.2"),
  fc.constantFrom(
    "1 0.95 0.5 0.2 0.2",
    "3 0.5 0.5 0 0",
    "0 150 20 40 40",
    "9 0.5 0.5 0.1 0.1",
    "- [x]: #1",
    "null",
  ),
  fc
    .tuple(
      fc.nat(4),
      fc.array(fc.double({ min: -0.5, max: 1.5, noNaN: true }), { minLength: 3, maxLength: 8 }),
    )
    .map(([label, values]) => [label, ...values].join(" ")),
  fc.string({ unit: "binary", maxLength: 12 }),
);
const text = fc
  .array(fc.tuple(line, fc.constantFrom("\n", "\r\n", "\r", "\n\n")), { maxLength: 6 })
  .chain((lines) =>
    fc.boolean().map((closed) => lines.map(([a, b]) => a + b).join("") + (closed ? "" : "1 0 0")),
  );
const label = fc.oneof(
  { weight: 6, arbitrary: text.map((lines) => Buffer.from(lines, "utf8")) },
  { weight: 1, arbitrary: text.map((lines) => Buffer.from(`\uFEFF${lines}`, "utf8")) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)) },
);

const description = `# a comment
path: .
names: [AR, MR, PR, TR]
views: [A4C, PSAX, PLAX]   # in this order
groups: {video: '^(p\\d)'}
train: [folder/images, lists/some.txt]
val: [more/a.jpg, more/b.jpg]
`;
const images = [
  ...[
    "folder/images/p1a.jpg",
    "folder/images/p1b.jpg",
    "folder/images/deep/p1c.png",
    "folder/images/p2a.jpg",
  ],
  ...["other/p2b.jpg", "other/p2c.webp", "more/a.jpg", "more/b.jpg"],
];
const list = "../other/p2b.jpg\r\n\n  ./../other/p2c.webp";
const labelOf = (image: string) => image.replace("/images/", "/labels/").replace(/\.\w+$/, ".txt");

/** Labels of any content, some of them missing and some without an image. */
const tree: fc.Arbitrary<Tree> = fc
  .array(fc.option(label, { freq: 5 }), { minLength: images.length + 1, maxLength: images.length + 1 })
  .map((labels) => {
    const places = [...images.map(labelOf), "folder/labels/gone.txt"];
    const written = labels.flatMap((bytes, i) => (bytes ? [[places[i], bytes] as const] : []));
    const pictures = images.map((name) => [name, `picture ${name}`] as const);
    return Object.fromEntries([
      ["data.yaml", description],
      ["lists/some.txt", list],
      ...pictures,
      ...written,
    ]);
  });

const claims = {
  identical: [["folder/images/p1a.jpg", "more/a.jpg", "other/p2b.jpg"]],
  near: [["folder/images/p1b.jpg", "other/p2c.webp"]] as const,
  unreadable: ["folder/images/p2a.jpg"],
};

/** Writes the data and a plan in which `decide` says of each action whether to apply it. */
async function prepare(files: Tree, decide: (index: number) => boolean): Promise<void> {
  for (const name of readdirSync(folder)) rmSync(at(name), { recursive: true, force: true });
  writeTree(at("data"), files);
  writeRepairPlan(await auditOf(at("data", "data.yaml"), claims), at("plan.yaml"));
  let index = 0;
  const plan = readFileSync(at("plan.yaml"), "utf8");
  writeFileSync(
    at("plan.yaml"),
    plan.replace(/^ {6}apply: (true|false)$/gm, () => `      apply: ${decide(index++)}`),
  );
}

describe("repairs of random labels", () => {
  it("are undone byte for byte by their revert, whatever of the plan was applied", async () => {
    await fc.assert(
      fc.asyncProperty(tree, fc.infiniteStream(fc.boolean()), async (files, choices) => {
        await prepare(files, () => choices.next().value);
        const { counts } = repairData(at("plan.yaml"), at("out"));
        expect(readTree(at("data"))).toEqual(asRead(files));
        for (const part of [counts.frames, counts.labelFiles]) expect(part.in).toBe(part.out + part.dropped);
        expect(counts.lines.in + counts.lines.added).toBe(counts.lines.out + counts.lines.removed);
        const dropped = Object.keys(asRead(files)).length - Object.keys(readTree(at("out"))).length;
        expect(dropped).toBe(counts.frames.dropped + counts.labelFiles.dropped);
        revertRepair(at("out"), at("back"));
        expect(readTree(at("back"))).toEqual(asRead(files));
      }),
      { numRuns: 40 },
    );
  });

  it("are a copy byte for byte where nothing is applied", async () => {
    await fc.assert(
      fc.asyncProperty(tree, async (files) => {
        await prepare(files, () => false);
        repairData(at("plan.yaml"), at("out"));
        expect(readTree(at("out"))).toEqual(asRead(files));
        expect(readdirSync(at("out"))).not.toContain("repair.dropped");
      }),
      { numRuns: 20 },
    );
  });

  it("of any plan's text are done or refused with a message", async () => {
    await prepare({ ...(await sample()) }, () => true);
    const plan = readFileSync(at("plan.yaml"), "utf8");
    await fc.assert(
      fc.property(fc.nat(plan.length), fc.nat(6), fc.string({ maxLength: 6 }), (start, length, other) => {
        writeFileSync(at("plan.yaml"), plan.slice(0, start) + other + plan.slice(start + length));
        rmSync(at("out"), { recursive: true, force: true });
        try {
          repairData(at("plan.yaml"), at("out"));
        } catch (error) {
          if (!(error instanceof EchoDuetError)) throw error;
        }
        expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  /** Data with a fault of each kind. */
  async function sample(): Promise<Tree> {
    const box = "1 0.95 0.5 0.2 0.2";
    const texts = [
      `${box}\n0 1 0`,
      `${box}\n1 0 0`,
      `${box}\n1 0 0`,
      `${box}\n${box}\n1 1 0`,
      "x\n3 0.5 0.5 0 0",
    ];
    const labels = texts.map((contents, i) => [labelOf(images[i]), contents]);
    const pictures = images.map((name) => [name, `picture ${name}`]);
    return Object.fromEntries([["data.yaml", description], ["lists/some.txt", list], ...pictures, ...labels]);
  }
});
