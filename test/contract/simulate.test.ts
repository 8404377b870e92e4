import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { SCENES } from "../../src/data/simulate/anatomy.js";
import { type SimulationSummary, simulate } from "../../src/data/simulate/index.js";
import { splitPatients } from "../../src/data/simulate/options.js";

const SPLITS = ["train", "valid", "test"] as const;
const OPTIONS = { patients: 5, framesPerClip: 2, seed: 11, size: { width: 320, height: 240 } };

let folder: string;
let summary: SimulationSummary;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "simulate-"));
  summary = await simulate({ ...OPTIONS, out: join(folder, "a") });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Label {
  valve: number;
  box: [number, number, number, number];
  view: number;
}

/** Reads a label in the joint text format: class and corners, a blank line, one-hot view. */
function readLabel(path: string): Label {
  const [first, blank, second, end] = readFileSync(path, "utf8").split("\n");
  expect([blank, end]).toEqual(["", ""]);
  const [valve, ...corners] = first!.split(" ").map(Number) as [number, ...number[]];
  expect(corners).toHaveLength(8);
  const xs = corners.filter((_, i) => i % 2 === 0);
  const ys = corners.filter((_, i) => i % 2 === 1);
  const hot = second!.split(" ").map(Number);
  expect([...hot].sort()).toEqual([0, 0, 1]);
  return {
    valve,
    box: [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)],
    view: hot.indexOf(1),
  };
}

function frames(out: string): { split: string; name: string; image: string; label: Label }[] {
  return SPLITS.flatMap((split) =>
    readdirSync(join(out, split, "images")).map((file) => {
      const name = file.replace(/\.jpg$/, "");
      return {
        split,
        name,
        image: join(out, split, "images", file),
        label: readLabel(join(out, split, "labels", `${name}.txt`)),
      };
    }),
  );
}

function fingerprint(out: string): string {
  const hash = createHash("sha256");
  for (const path of (readdirSync(out, { recursive: true }) as string[]).sort()) {
    if (/\.(jpg|txt|yaml|json)$/.test(path)) hash.update(path).update(readFileSync(join(out, path)));
  }
  return hash.digest("hex");
}

describe("simulate", () => {
  test("writes as many frames as it says, under the names of real data", () => {
    const all = frames(summary.out);
    expect(all).toHaveLength(OPTIONS.patients * 6 * OPTIONS.framesPerClip);
    expect(summary.images).toBe(all.length);
    expect(summary.reused).toBe(false);
    for (const split of SPLITS) {
      expect(all.filter((f) => f.split === split)).toHaveLength(summary.splits[split].images);
    }
    for (const { name } of all) expect(name).toMatch(/^p\d{2}v\d{2}f\d{4}$/);
    expect(readdirSync(folder)).toEqual(["a"]);
  });

  test("describes itself in data.yaml, and its groups match the names", () => {
    const yaml = parse(readFileSync(join(summary.out, "data.yaml"), "utf8"));
    expect(yaml.names).toEqual(["AR", "MR", "PR", "TR"]);
    expect(yaml.views).toEqual(["A4C", "PSAX", "PLAX"]);
    expect([yaml.path, yaml.train, yaml.val, yaml.test]).toEqual([
      ".",
      "train/images",
      "valid/images",
      "test/images",
    ]);
    expect(new RegExp(yaml.groups.patient).exec("p07v03f0012")?.[1]).toBe("p07");
    expect(new RegExp(yaml.groups.video).exec("p07v03f0012")?.[1]).toBe("p07v03");
  });

  test("keeps every patient in one split", () => {
    const seen = new Map<string, string>();
    for (const { name, split } of frames(summary.out)) {
      const patient = name.slice(0, 3);
      expect(seen.get(patient) ?? split).toBe(split);
      seen.set(patient, split);
      expect(summary.splits[split as "train"].patients).toContain(patient);
    }
    expect(seen.size).toBe(OPTIONS.patients);
  });

  test("shows every view and valve in every split, and only pairs that a view can show", () => {
    const possible = new Set(SCENES.map(({ view, valve }) => `${view} ${valve}`));
    for (const split of SPLITS) {
      const shown = frames(summary.out)
        .filter((f) => f.split === split)
        .map(
          ({ label }) => `${["A4C", "PSAX", "PLAX"][label.view]} ${["AR", "MR", "PR", "TR"][label.valve]}`,
        );
      expect(new Set(shown)).toEqual(possible);
    }
    expect(Object.values(summary.views).reduce((a, b) => a + b)).toBe(summary.images);
    expect(Object.values(summary.valves).reduce((a, b) => a + b)).toBe(summary.images);
  });

  test("gives the same bytes for the same seed and others for another", async () => {
    const small = { patients: 1, clipsPerPatient: 2, framesPerClip: 1, size: { width: 160, height: 120 } };
    const runs = await Promise.all(
      [4, 4, 5].map((seed, i) => simulate({ ...small, seed, out: join(folder, `same${i}`) })),
    );
    const [one, two, other] = runs.map(({ out }) => fingerprint(out));
    expect(two).toBe(one);
    expect(other).not.toBe(one);
  });

  test("reuses a complete simulation of the same options without touching it", async () => {
    const before = fingerprint(summary.out);
    const again = await simulate({ ...OPTIONS, out: summary.out });
    expect(again).toEqual({ ...summary, reused: true });
    expect(fingerprint(summary.out)).toBe(before);
  });

  test("refuses a folder that holds anything else", async () => {
    await expect(simulate({ ...OPTIONS, seed: 12, out: summary.out })).rejects.toThrow(
      /expected a simulation of .*"seed":12.*got one of .*"seed":11/,
    );
    const foreign = join(folder, "foreign");
    mkdirSync(foreign);
    writeFileSync(join(foreign, "notes.txt"), "mine");
    await expect(simulate({ ...OPTIONS, out: foreign })).rejects.toMatchObject({
      code: "io",
      message: expect.stringMatching(
        /foreign: expected an empty folder .* got 1 other entries \(notes\.txt\)/,
      ),
    });
    expect(readdirSync(foreign)).toEqual(["notes.txt"]);
    await expect(simulate({ ...OPTIONS, out: join(foreign, "notes.txt") })).rejects.toMatchObject({
      code: "io",
    });
  });

  test("refuses its own folder with a frame or its record damaged, and fills an empty one", async () => {
    const small = { patients: 1, clipsPerPatient: 1, framesPerClip: 1, seed: 1, out: join(folder, "empty") };
    mkdirSync(small.out);
    expect((await simulate({ ...small, size: { width: 96, height: 64 } })).images).toBe(1);
    const options = { ...small, size: { width: 96, height: 64 } };
    rmSync(join(small.out, "train/images/p01v01f0000.jpg"));
    await expect(simulate(options)).rejects.toThrow(/images: expected 1 files, got 0; remove it/);
    writeFileSync(join(small.out, "simulation.json"), "{");
    await expect(simulate(options)).rejects.toMatchObject({ code: "io" });
  });

  test.each([
    [{ patients: 0 }, /patients expects a whole number from 1/],
    [{ framesPerClip: 1.5 }, /framesPerClip expects/],
    [{ size: { width: 10, height: 300 } }, /size\.width expects/],
    [{ splits: { train: 0.9, valid: 0.3, test: 0 } }, /sum to 1, got 0\.9, 0\.3, 0/],
  ])("refuses %j and writes nothing", async (wrong, message) => {
    await expect(simulate({ ...OPTIONS, ...wrong, out: join(folder, "wrong") })).rejects.toThrow(message);
    expect(readdirSync(folder)).not.toContain("wrong");
  });
});

test("splitPatients shares out everyone once and leaves no wanted split empty while it can", () => {
  const shares = fc
    .tuple(fc.nat(10), fc.nat(10), fc.nat(10))
    .filter(([a, b, c]) => a + b + c > 0)
    .map(([a, b, c]) => ({ train: a / (a + b + c), valid: b / (a + b + c), test: c / (a + b + c) }));
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 60 }), shares, (n, wanted) => {
      const patients = Array.from({ length: n }, (_, i) => i + 1);
      const split = splitPatients(patients, wanted);
      expect([...split.train, ...split.valid, ...split.test]).toEqual(patients);
      for (const name of SPLITS) {
        if (wanted[name] > 0) expect(split[name].length).toBeGreaterThan(0);
        else expect(split[name]).toEqual([]);
        expect(Math.abs(split[name].length - wanted[name] * n)).toBeLessThan(2.001);
      }
    }),
  );
});
