import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type FrameRecord, listFrames, loadDataDescription } from "../../src/data/index.js";
import { findLeakage } from "../../src/data/leakage.js";
import {
  collectFrames,
  compareFrames,
  type DuplicatePair,
  type SplitOptions,
  splitFrames,
  splitLists,
  writeSplit,
} from "../../src/data/split/index.js";
import { temporaryFolder } from "../support/cli.js";

const names = ["AR", "MR", "PR", "TR"];
const views = ["A4C", "PSAX", "PLAX"];

/**
 * 40 patients with one to four clips of one to 13 frames each, their labels made of the numbers in their names
 * alone: no random numbers, so that the lists below depend on nothing but the split.
 */
function namedFrames(): FrameRecord[] {
  const frames: FrameRecord[] = [];
  for (let p = 0; p < 40; p++) {
    for (let v = 0; v <= (p * 7) % 4; v++) {
      for (let f = 0; f <= (p * 5 + v * 11) % 13; f++) {
        const stem = `p${String(p).padStart(2, "0")}v${v}f${String(f).padStart(3, "0")}`;
        frames.push({
          name: `${["train", "valid", "test"][(p + f) % 3]}/images/${stem}.jpg`,
          imagePath: `/data/${stem}.jpg`,
          labelPath: null,
          boxes: Float32Array.from(f % 9 === 8 ? [] : [(p + 2 * v) % 4, 0.5, 0.5, 0.1, 0.1]),
          view: (p * 3 + v) % 5 === 4 ? -1 : (p + v) % 3,
          patient: stem.slice(0, 3),
          video: stem.slice(0, 5),
          detectionMasked: false,
        });
      }
    }
  }
  return frames;
}

/** On any machine, the same lists; another hash here means that everyone's splits have changed. */
describe("the lists of 40 patients with seed 0", () => {
  const base: SplitOptions = { by: "patient", seed: 0, names, views, duplicates: [] };
  const ratios = [0.7, 0.15, 0.15] as const;

  it.each<[string, Partial<SplitOptions>, string]>([
    ["by patient", { ratios }, "d3714cbb96f0af10dd59b9cc23516d359be461fc236cbcd08364cf656502eabf"],
    ["by clip", { by: "clip", ratios }, "c82cc2ebd3ba3ca239080db0cbc1a6a00a1edda41abab58d4abcbd81fc08a5a7"],
    ["in five folds", { folds: 5 }, "55e063549362fd667e00ed4c2f8b58dc44b6d710034280733ac4cf4e4c4ce4f4"],
    [
      "with another seed",
      { ratios, seed: 1 },
      "2606e18f7530d104c9973da422822c5ebdab3bb32dd0ec19dd1ca47483354a54",
    ],
  ])("%s", (_, options, fingerprint) => {
    expect(splitFrames(namedFrames(), { ...base, ...options }).fingerprint).toBe(fingerprint);
  });
});

const data = fileURLToPath(new URL("../../../shared/data/regurgitation/data.yaml", import.meta.url));
const present = existsSync(data);
if (!present) console.warn("skipped: shared/data/regurgitation is not beside the checkout");

describe.skipIf(!present)("the regurgitation frames", async () => {
  const description = present ? loadDataDescription(data) : null!;
  const frames = present ? collectFrames(description) : [];
  const compared = present ? await compareFrames(frames) : null!;
  const ratios = [0.7, 0.15, 0.15] as const;
  const assign = (options: Partial<SplitOptions>) =>
    splitFrames(frames, {
      ...{ by: "patient", seed: 0, names, views, duplicates: compared.duplicates },
      ...options,
    });
  const pairs = () => compared.duplicates.map(({ a, b }: DuplicatePair) => [a, b] as const);

  it("as they come share patients, clips and duplicates, or the next tests would show nothing", () => {
    const [train, val, test] = ["train", "val", "test"].map((split) => listFrames(description, split));
    const leakage = findLeakage({ train, val, test }, pairs());
    expect(leakage.every(({ patients, clips }) => patients.length > 0 && clips.length > 0)).toBe(true);
    expect(leakage.some(({ duplicates }) => duplicates.length > 0)).toBe(true);
    expect(compared.faults).toEqual([]);
  });

  it.each([0, 1])("share no patient, clip or duplicate after a split by patient, seed %i", (seed) => {
    const assignment = assign({ ratios, seed });
    const [{ train, val, test }] = splitLists(assignment);
    expect(train.length + val.length + test.length).toBe(1229);
    expect(findLeakage({ train, val, test }, pairs())).toEqual([]);
    expect(assignment.objective.lacks).toBe(0);
    expect(assignment.objective.deviation).toBeLessThan(0.1);
  });

  it("share none in any of five folds", () => {
    for (const { train, val, test } of splitLists(assign({ folds: 5 }))) {
      expect(findLeakage({ train, val, test }, pairs())).toEqual([]);
    }
  });

  it("share no clip or duplicate after a split by clip", () => {
    const [{ train, val, test }] = splitLists(assign({ by: "clip", ratios }));
    for (const { clips, duplicates } of findLeakage({ train, val, test }, pairs())) {
      expect([clips, duplicates]).toEqual([[], []]);
    }
  });

  it("have the same lists for seed 0 as ever, also when written and read back", () => {
    const assignment = assign({ ratios });
    expect(assignment.fingerprint).toBe("a8fb0ba20073a4e1433509ac1eaa1c1bcf6f74b7784a9ed18b5768eb7c02f271");
    const { folder, remove } = temporaryFolder("split-regurgitation");
    try {
      const [file] = writeSplit(description, assignment, { out: `${folder}/split` }).dataYamls;
      const written = loadDataDescription(file);
      const [lists] = splitLists(assignment);
      for (const split of ["train", "val", "test"] as const) {
        expect(listFrames(written, split)).toEqual(lists[split]);
      }
    } finally {
      remove();
    }
  });
});
