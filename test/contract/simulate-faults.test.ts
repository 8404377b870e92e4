import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { auditData } from "../../src/data/audit/index.js";
import { planEntries } from "../../src/data/simulate/entries.js";
import {
  FAULT_KINDS,
  type FaultAmounts,
  type FaultKind,
  faultNames,
  type SimulationOptions,
  simulate,
  type TrueFault,
} from "../../src/data/simulate/index.js";
import { resolveOptions } from "../../src/data/simulate/options.js";
import { plantFaults } from "../../src/data/simulate/planting.js";
import { consequencesOf, imageFile, sortFaults } from "../../src/data/simulate/truth.js";

/** The data set as it is planned, without drawing anything. */
function plan(faults: Partial<FaultAmounts>, more: Partial<SimulationOptions> = {}) {
  const options = resolveOptions({ out: "unused", patients: 20, framesPerClip: 6, seed: 1, faults, ...more });
  const planted = plantFaults(planEntries(options), options);
  const all = sortFaults([...consequencesOf(planted.entries), ...planted.faults]);
  const files = (code: string): string[] =>
    all.filter((fault) => fault.code === code).map(({ file }) => file);
  return { ...planted, all, files, codes: [...new Set(all.map(({ code }) => code))].sort() };
}

describe("planted faults", () => {
  /** What each fault brings with it where five of it are planted, and how many files that concerns. */
  const expected: Partial<Record<FaultKind, Record<string, number>>> = {
    shiftView: { "shift.view": 1 },
    shiftClass: { "shift.class": 1 },
    exactDuplicates: { "duplicate.exact": 10 },
    nearDuplicates: { "duplicate.near": 10 },
    exactDuplicatesAcross: { "duplicate.exact": 10, "leakage.duplicate": 5 },
    nearDuplicatesAcross: { "duplicate.near": 10, "leakage.duplicate": 5 },
    ruleViolations: { "rules.violation": 30 },
  };
  const single = faultNames.filter(
    (kind) => !["patientLeakage", "clipLeakage", "viewNoise", ...Object.keys(expected)].includes(kind),
  );

  test.each(Object.entries(expected))("%s: exactly what follows from it", (kind, codes) => {
    const amount = kind.startsWith("shift") ? 0.5 : 5;
    const { all } = plan({ [kind]: amount });
    const counts: Record<string, number> = {};
    for (const { code } of all) counts[code] = (counts[code] ?? 0) + 1;
    expect(counts).toEqual(codes);
  });

  test.each(single)("%s: five files with that finding alone", (kind) => {
    const { all, codes } = plan({ [kind]: 5 });
    expect(codes).toEqual([FAULT_KINDS[kind].code]);
    expect(all).toHaveLength(5);
    expect(new Set(all.map(({ file }) => file)).size).toBe(5);
  });

  test("view noise: fewer than half of a clip dissent, each with its rule broken where the view is blind", () => {
    const { entries, files, codes } = plan({ viewNoise: 0.2 });
    expect(codes).toEqual(["rules.violation", "view.mixed-clip"]);
    const noisy = entries.filter(({ label, shows }) => label.view !== shows.scene.view);
    expect(noisy).toHaveLength(Math.round(0.2 * entries.length));
    expect(files("view.mixed-clip").sort()).toEqual(noisy.map(imageFile).sort());
  });

  test("a leaking patient's clip is in another split, whole; a leaking clip is in two", () => {
    const patients = plan({ patientLeakage: 3 });
    expect(patients.codes).toEqual(["leakage.patient"]);
    expect(new Set(patients.files("leakage.patient").map((file) => file.split(/[/v]/).at(-2))).size).toBe(3);
    const clips = plan({ clipLeakage: 3 });
    expect(clips.codes).toEqual(["leakage.clip", "leakage.patient"]);
    const parts = new Map<string, Set<string>>();
    for (const { clip, split } of clips.entries) parts.set(clip, (parts.get(clip) ?? new Set()).add(split));
    expect([...parts.values()].filter((splits) => splits.size === 2)).toHaveLength(3);
  });

  test("a share plants that part of its unit", () => {
    expect(plan({ viewMissing: 0.05 }).all).toHaveLength(0.05 * 20 * 6 * 6);
    expect(plan({ ruleViolations: 0.1 }).all).toHaveLength(0.1 * 20 * 6 * 6);
  });

  test("shifts move the views or the classes of the test split, and not the others", () => {
    const share = (entries: ReturnType<typeof plan>["entries"], split: string, view: string): number => {
      const own = entries.filter((entry) => entry.split === split);
      return own.filter(({ shows }) => shows.scene.view === view).length / own.length;
    };
    const views = plan({ shiftView: 1 }, { patients: 60 });
    expect(share(views.entries, "train", "A4C")).toBeCloseTo(1 / 3, 5);
    expect(share(views.entries, "test", "A4C")).toBeCloseTo(2 / 3, 5);
    const classes = plan({ shiftClass: 0.5 }, { patients: 60 });
    expect(share(classes.entries, "test", "A4C")).toBeCloseTo(1 / 3, 5);
    expect(share(classes.entries, "train", "A4C")).toBeCloseTo(1 / 3, 5);
  });

  test("any mixture plants as many as asked for, at most one fault of its own a frame, names once", () => {
    const amounts = fc.record(
      Object.fromEntries(faultNames.map((kind) => [kind, fc.integer({ min: 0, max: 3 })])),
    );
    fc.assert(
      fc.property(amounts, fc.integer({ min: 0, max: 99 }), (some, seed) => {
        const faults = { ...some, shiftView: 0, shiftClass: 0 } as Partial<FaultAmounts>;
        const { entries, orphans, files } = plan(faults, { patients: 30, seed });
        const names = [...entries, ...orphans].map(({ name }) => name);
        expect(new Set(names).size).toBe(names.length);
        for (const kind of single) expect(files(FAULT_KINDS[kind].code)).toHaveLength(faults[kind] ?? 0);
        const copies = (faults.exactDuplicates ?? 0) + (faults.exactDuplicatesAcross ?? 0);
        expect(files("duplicate.exact")).toHaveLength(2 * copies);
        const own = entries.filter(({ label, image }) => label.fault !== null && image !== "plain");
        expect(own).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });
});

describe("planted faults in files", () => {
  let folder: string;
  let out: string;
  let truth: TrueFault[];
  const faults: Partial<FaultAmounts> = {
    ...{ patientLeakage: 1, clipLeakage: 1, ruleViolations: 1, viewNoise: 2 },
    ...{ viewMissing: 1, viewContradictory: 1, viewAmbiguous: 3, unparseable: 1, classRange: 1 },
    ...{ boxOutOfRange: 1, boxEmpty: 1, boxRepeated: 1, labelMissing: 1, labelOrphan: 2 },
    ...{ exactDuplicates: 1, exactDuplicatesAcross: 1, nearDuplicates: 1, nearDuplicatesAcross: 1 },
    ...{ corruptImages: 2, burntInText: 2 },
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "simulate-faults-"));
    out = join(folder, "data");
    const size = { width: 160, height: 120 };
    await simulate({ out, patients: 9, clipsPerPatient: 2, framesPerClip: 3, seed: 4, size, faults });
    truth = JSON.parse(readFileSync(join(out, "truth.json"), "utf8")).faults;
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const filesOf = (code: string): string[] =>
    truth.filter((fault) => fault.code === code).map(({ file }) => file);

  test("are all that an audit of the labels finds, file by file", async () => {
    const { findings } = await auditData(join(out, "data.yaml"), { images: false });
    const ofImages = [
      "duplicate.exact",
      "duplicate.near",
      "leakage.duplicate",
      "image.unreadable",
      "privacy.text",
    ];
    const found = findings.flatMap(({ code, files, details }) =>
      (files.length > 0 ? files : details.map(({ file }) => file)).map((file) => `${code} ${file}`),
    );
    const planted = truth
      .filter(({ code }) => !ofImages.includes(code))
      .map(({ code, file }) => `${code} ${file}`);
    // Of the whole data set (data.yaml) an audit may say the same several times.
    expect([...new Set(found)].sort()).toEqual([...new Set(planted)].sort());
  });

  test("are copies of the same bytes, and re-encoded ones of the same picture", async () => {
    const bytes = (file: string): Buffer => readFileSync(join(out, file));
    const others = (code: string): [string, string][] =>
      truth.flatMap((fault) => (fault.code === code ? [[fault.file, fault.detail.split(": ")[1]!]] : []));
    for (const [a, b] of others("duplicate.exact")) expect(bytes(a).equals(bytes(b))).toBe(true);
    expect(others("duplicate.near")).toHaveLength(4);
    for (const [a, b] of others("duplicate.near")) {
      expect(bytes(a).equals(bytes(b))).toBe(false);
      const [one, two] = await Promise.all(
        [a, b].map((file) => sharp(join(out, file)).grayscale().raw().toBuffer()),
      );
      const differences = one!.map((value, i) => Math.abs(value - two![i]!));
      expect(differences.reduce((sum, value) => sum + value, 0) / differences.length).toBeLessThan(8);
    }
  });

  test("are pictures that cannot be decoded, pictures with text, and labels without a picture", async () => {
    for (const file of filesOf("image.unreadable")) {
      await expect(sharp(join(out, file), { failOn: "warning" }).raw().toBuffer()).rejects.toThrow();
    }
    for (const file of filesOf("privacy.text")) {
      // Bright letters in the upper left corner, which is black in every other picture.
      const corner = sharp(join(out, file)).extract({ left: 0, top: 0, width: 60, height: 10 });
      expect((await corner.stats()).channels[1]!.max).toBeGreaterThan(180);
    }
    for (const file of filesOf("label.orphan")) {
      expect(existsSync(join(out, file))).toBe(true);
      expect(existsSync(join(out, file.replace("labels", "images").replace(".txt", ".jpg")))).toBe(false);
    }
    for (const file of filesOf("label.missing")) {
      expect(existsSync(join(out, file))).toBe(true);
      expect(existsSync(join(out, file.replace("images", "labels").replace(".jpg", ".txt")))).toBe(false);
    }
  });
});
