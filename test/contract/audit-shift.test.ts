import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { DataScan } from "../../src/data/audit/index.js";
import { testShift } from "../../src/data/audit/shift.js";
import { randomStream } from "../../src/tensor/index.js";
import { type Dealing, labelTable, scannedFrame, scanOf } from "../support/label-tables.js";

const alarms = (scan: DataScan) => testShift(scan).filter(({ shifted }) => shifted);

describe("testShift", () => {
  it.each<Dealing>(["patient", "clip", "frame", "leaky"])(
    "raises no alarm where splits were dealt at random by %s",
    async (dealing) => {
      const patients = dealing === "frame" ? 12 : 24;
      const runs = process.env.ECHODUET_LONG ? 1000 : 25;
      let raised = 0;
      for (let seed = 0; seed < runs; seed++) {
        if (alarms(labelTable(seed, patients, dealing)).length > 0) raised++;
        // The runner gives up on a test that never lets it answer.
        await setImmediate();
      }
      // The seeds are fixed, and so is this number; 25 of them guard against a test that is plainly wrong.
      expect(raised).toBeLessThan(Math.max(1, runs / 100));
    },
    600_000,
  );

  it("would raise it in most of them without the patients: frames are no units", () => {
    const scans = Array.from({ length: 8 }, (_, seed) => labelTable(seed, 24, "patient"));
    const apart = scans.map(({ frames, ...scan }) => ({
      ...scan,
      frames: frames.map((frame) => ({ ...frame, patient: frame.name, video: frame.name })),
    }));
    expect(apart.filter((scan) => alarms(scan).length > 0).length).toBeGreaterThan(4);
  });

  it("finds a view that is more than twice as common in test, in splits by patient and by frame", () => {
    for (const dealing of ["patient", "frame"] as const) {
      const table = labelTable(1, dealing === "patient" ? 60 : 12, dealing);
      const random = randomStream(1, "shift");
      const clips = new Map<string, boolean>();
      const frames = table.frames.map((frame) => {
        const unit = dealing === "patient" ? `${frame.video}` : frame.name;
        if (!clips.has(unit)) clips.set(unit, random.uniform() < 0.9);
        return frame.split === "test" && clips.get(unit) ? { ...frame, view: 0 } : frame;
      });
      const found = alarms({ ...table, frames });
      expect(found.map(({ of, from, to }) => `${of} ${from} ${to}`)).toContain("view train test");
      const [test] = found;
      expect(test.shares.to.A4C).toBeGreaterThan(2 * test.shares.from.A4C);
    }
  });

  it("says nothing of a difference below a tenth, however many patients there are", () => {
    const frames = Array.from({ length: 4000 }, (_, i) => {
      const split = i % 2 === 0 ? ("train" as const) : ("val" as const);
      const view = i % 100 < (split === "train" ? 50 : 58) ? 0 : 1;
      return scannedFrame({ split, name: `${i}`, patient: `p${i}`, video: `p${i}v1`, label: null, view });
    });
    const [, view] = testShift(scanOf(frames));
    expect(view.distance).toBeGreaterThan(0.05);
    expect(view.distance).toBeLessThan(0.1);
    expect(view.shifted).toBe(false);
  });

  it("measures the distance and tests nothing where data.yaml declares no groups", () => {
    const frames = Array.from({ length: 200 }, (_, i) => {
      const split = i < 100 ? ("train" as const) : ("val" as const);
      const view = i < 100 ? 0 : 1;
      return scannedFrame({ split, name: `${i}`, patient: null, video: null, label: 1, view });
    });
    const tests = testShift(scanOf(frames));
    expect(tests.find(({ of }) => of === "view")).toMatchObject({
      distance: 1,
      pValue: null,
      shifted: false,
    });
    expect(tests.find(({ of }) => of === "class")).toMatchObject({ distance: 0, pValue: null });
  });

  it("gives the same figures each time, and the distance as half the summed differences", () => {
    const scan = labelTable(3, 24, "patient");
    expect(testShift(scan)).toEqual(testShift(scan));
    for (const { distance, shares } of testShift(scan)) {
      const gaps = Object.keys(shares.from).map((label) => Math.abs(shares.from[label] - shares.to[label]));
      expect(distance).toBeCloseTo(gaps.reduce((a, b) => a + b, 0) / 2, 12);
    }
  });
});
