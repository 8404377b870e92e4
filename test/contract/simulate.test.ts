import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { SCENES } from "../../src/data/simulate/anatomy.js";
import { type SimulationSummary, simulate } from "../../src/data/simulate/index.js";
import { planEntries } from "../../src/data/simulate/entries.js";
import { resolveOptions, splitPatients } from "../../src/data/simulate/options.js";

const SPLITS = ["train", "valid", "test"] as const;
const OPTIONS = { patients: 4, framesPerClip: 2, seed: 11, size: { width: 160, height: 120 } };

let folder: string;
let summary: SimulationSummary;
const progress: [number, number][] = [];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "simulate-"));
  const onProgress = (done: number, total: number) => progress.push([done, total]);
  summary = await simulate({ ...OPTIONS, out: join(folder, "a"), onProgress });
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
    if (/\.(jpg|txt|yaml|jsonl?)$/.test(path)) hash.update(path).update(readFileSync(join(out, path)));
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

  test("draws views and valves by their weights", () => {
    const options = resolveOptions({
      ...OPTIONS,
      ...{ patients: 200, out: "unused", viewShares: { A4C: 3, PSAX: 1, PLAX: 0 }, classShares: { TR: 0.5 } },
    });
    const entries = planEntries(options).filter(({ shows }) => shows.frame === 0);
    const share = (view: string, valve: string): number =>
      entries.filter(({ shows }) => shows.scene.view === view && shows.scene.valve === valve).length /
      entries.length;
    // Weights: A4C MR 3, A4C TR 1.5, PSAX PR 1, PSAX TR .5.
    expect(share("A4C", "MR")).toBeCloseTo(3 / 6, 1);
    expect(share("A4C", "TR")).toBeCloseTo(1.5 / 6, 1);
    expect(share("PSAX", "PR")).toBeCloseTo(1 / 6, 1);
    expect(share("PSAX", "TR")).toBeCloseTo(0.5 / 6, 1);
    expect(share("PLAX", "AR") + share("PLAX", "MR")).toBe(0);
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

  test("removes what a killed simulation left behind, and nothing else", async () => {
    const out = join(folder, "killed");
    // No process has a number this high.
    const abandoned = join(folder, ".killed.partial-99999999-abc123");
    const others = [
      `.killed.partial-${process.pid}-abc123`,
      ".killed.partial-mine",
      ".other.partial-99999999-x",
    ];
    for (const name of [abandoned, ...others.map((other) => join(folder, other))]) {
      mkdirSync(join(name, "train"), { recursive: true });
    }
    const small = {
      patients: 1,
      clipsPerPatient: 1,
      framesPerClip: 1,
      seed: 1,
      size: { width: 96, height: 64 },
    };
    await simulate({ ...small, out });
    const left = readdirSync(folder);
    expect(left).not.toContain(".killed.partial-99999999-abc123");
    expect(left).toEqual(expect.arrayContaining(others));
    for (const name of others) rmSync(join(folder, name), { recursive: true });
  });

  test("tells of its progress, and what every frame truly shows", () => {
    const truths = readFileSync(join(summary.out, "truth.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const all = frames(summary.out);
    expect(truths.map(({ file }) => file).sort()).toEqual(
      all.map(({ split, name }) => `${split}/images/${name}.jpg`).sort(),
    );
    expect(progress.at(-1)).toEqual([all.length, all.length]);
    for (const { file, view, class: valve, box, jet, patient, clip, phase } of truths) {
      const { label, name } = all.find((f) => file.endsWith(`/${f.name}.jpg`))!;
      expect(["A4C", "PSAX", "PLAX"][label.view]).toBe(view);
      expect(["AR", "MR", "PR", "TR"][label.valve]).toBe(valve);
      expect(label.box).toEqual(box);
      expect(name.startsWith(`${patient}v0${clip}f`)).toBe(true);
      expect(jet[0]).toBeGreaterThanOrEqual(box[0]);
      expect(jet[1]).toBeGreaterThanOrEqual(box[1]);
      expect(jet[2]).toBeLessThanOrEqual(box[2]);
      expect(jet[3]).toBeLessThanOrEqual(box[3]);
      // Inlet valves leak in systole, outlet valves in diastole.
      expect(phase < 0.4).toBe(valve === "MR" || valve === "TR");
    }
  });

  test("has no faults by default, and says so", () => {
    expect(JSON.parse(readFileSync(join(summary.out, "truth.json"), "utf8"))).toEqual({ faults: [] });
    expect(summary.faults).toEqual({});
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
    [{ difficulty: 1.5 }, /difficulty expects a number from 0 to 1, got 1\.5/],
    [{ viewShares: { A4C: -1 } }, /viewShares expects weights of 0 or more/],
    [{ viewShares: { APEX: 1 } }, /viewShares expects weights of A4C, PSAX, PLAX, got APEX/],
    [{ faults: { viewNoise: 1.5 } }, /faults\.viewNoise expects a share below 1 or a whole number, got 1\.5/],
    [{ faults: { shiftView: 2 } }, /faults\.shiftView expects a share from 0 to 1, got 2/],
    [{ faults: { gremlins: 1 } }, /faults expects some of .*, got gremlins/],
    [{ faults: { corruptImages: 500 } }, /corruptImages expects at most 48 here, got 500/],
  ])("refuses %j and writes nothing", async (wrong, message) => {
    await expect(simulate({ ...OPTIONS, ...(wrong as object), out: join(folder, "wrong") })).rejects.toThrow(
      message,
    );
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
