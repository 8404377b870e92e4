import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuditReport, auditData, type Finding, type FindingCode } from "../../src/data/audit/index.js";
import { temporaryFolder } from "../support/cli.js";

const folder = fileURLToPath(new URL("../../../shared/data/regurgitation/", import.meta.url));
const isThere = existsSync(join(folder, "data.yaml"));
if (!isThere) process.stderr.write(`skipped: ${folder} is not there\n`);

/** One frame, read here without any of the program's own code. */
interface Raw {
  readonly split: "train" | "valid" | "test";
  readonly file: string;
  readonly patient: string;
  readonly clip: string;
  /** Index of the valve. */
  readonly valve: number;
  /** Column of the one-hot line, null where there is none. */
  readonly column: number | null;
  readonly bytes: string;
}

const splits = ["train", "valid", "test"] as const;
/** Valves AR 0, MR 1, PR 2, TR 3 that a view shows. */
const shows: Record<string, readonly number[]> = { A4C: [1, 3], PSAX: [2, 3], PLAX: [0, 1] };

function readRaw(): Raw[] {
  return splits.flatMap((split) =>
    readdirSync(join(folder, split, "images"))
      .sort()
      .map((name) => {
        const [, patient, clip] = /^(p\d+)(v\d+)/.exec(name)!;
        const label = readFileSync(join(folder, split, "labels", name.replace(".jpg", ".txt")), "utf8");
        const [box, view] = label.split("\n").filter((line) => line.trim() !== "");
        return {
          split,
          file: `${split}/images/${name}`,
          patient,
          clip: patient + clip,
          valve: Number(box.split(" ")[0]),
          column: view === undefined ? null : view.trim().split(/\s+/).indexOf("1"),
          bytes: createHash("sha1")
            .update(readFileSync(join(folder, split, "images", name)))
            .digest("hex"),
        };
      }),
  );
}

/** Groups of frames by what `key` says of them. */
function by(frames: readonly Raw[], key: (frame: Raw) => string): Raw[][] {
  const groups: Record<string, Raw[]> = {};
  for (const frame of frames) {
    groups[key(frame)] ??= [];
    groups[key(frame)].push(frame);
  }
  return Object.values(groups);
}

const names = (frames: readonly Raw[]): string[] => [...new Set(frames.map(({ file }) => file))].sort();

/** Frames of a later split for which an earlier split has one of the same key. */
function seenBefore(frames: readonly Raw[], key: (frame: Raw) => string): string[] {
  return names(
    frames.filter((frame) =>
      frames.some(
        (other) => splits.indexOf(other.split) < splits.indexOf(frame.split) && key(other) === key(frame),
      ),
    ),
  );
}

describe.skipIf(!isThere)("the audit of the regurgitation frames", () => {
  let raw: Raw[];
  let report: AuditReport;
  const found = (code: FindingCode): Finding => {
    const finding = report.findings.find((one) => one.code === code);
    expect(finding, code).toBeDefined();
    return finding!;
  };
  const { folder: scratch, remove } = temporaryFolder("audit-golden");
  afterAll(remove);

  beforeAll(async () => {
    raw = readRaw();
    report = await auditData(join(folder, "data.yaml"), { images: false });
  });

  it("counts frames, valves and views as they are in the files", () => {
    const count = (holds: (frame: Raw) => boolean): number => raw.filter(holds).length;
    expect(report.summary.frames).toBe(raw.length);
    expect(report.summary.patients.length).toBe(by(raw, ({ patient }) => patient).length);
    expect(report.summary.clips.length).toBe(by(raw, ({ clip }) => clip).length);
    expect(Object.values(report.summary.classes)).toEqual(
      [0, 1, 2, 3].map((v) => count(({ valve }) => valve === v)),
    );
    expect(Object.values(report.summary.viewFrames)).toEqual(
      [0, 1, 2].map((v) => count(({ column }) => column === v)),
    );
    for (const split of ["train", "test"] as const) {
      expect(report.summary.splits[split]?.views.A4C).toBe(count((f) => f.split === split && f.column === 0));
    }
  });

  it("finds the leakage of patients and clips", () => {
    expect(found("leakage.patient").files).toEqual(seenBefore(raw, ({ patient }) => patient));
    expect(found("leakage.clip").files).toEqual(seenBefore(raw, ({ clip }) => clip));
    const [toTest] = report.summary.leakage.filter(({ from, to }) => from === "train" && to === "test");
    const inTrain = new Set(raw.filter(({ split }) => split === "train").map(({ clip }) => clip));
    expect(toTest.clip).toBe(raw.filter(({ split, clip }) => split === "test" && inTrain.has(clip)).length);
    expect(toTest.patient).toBe(raw.filter(({ split }) => split === "test").length);
  });

  it("finds the clips of several views with majorities and dissenters", () => {
    const mixed = by(
      raw.filter(({ column }) => column !== null),
      ({ clip }) => clip,
    ).filter((clip) => new Set(clip.map(({ column }) => column)).size > 1);
    expect(found("view.mixed-clip").count).toBe(mixed.length);
    const dissenters = mixed.flatMap((clip) => {
      const counts = [0, 1, 2].map((column) => clip.filter((frame) => frame.column === column).length);
      const leaders = [0, 1, 2].filter((column) => counts[column] === Math.max(...counts));
      return leaders.length > 1 ? clip : clip.filter(({ column }) => column !== leaders[0]);
    });
    expect(found("view.mixed-clip").files).toEqual(names(dissenters));
    expect(report.summary.mixedClips.map(({ clip }) => clip)).toEqual(
      mixed.map(([frame]) => frame.clip).sort(),
    );
  });

  it("finds the two frames without a view", () => {
    const silent = names(raw.filter(({ column }) => column === null));
    expect(silent).toHaveLength(2);
    expect(found("view.missing").files).toEqual(silent);
  });

  it("finds the boxes that their view cannot show, by file", () => {
    const order = ["A4C", "PSAX", "PLAX"];
    const broken = raw.filter(
      ({ column, valve }) => column !== null && !shows[order[column]].includes(valve),
    );
    expect(found("rules.violation").files).toEqual(names(broken));
  });

  it("finds the shift of the views between train and test", () => {
    const messages = found("shift.view").details.map(({ message }) => message);
    expect(messages.some((text) => text.includes("A4C 11 % of train, 35 % of test"))).toBe(true);
    expect(report.findings.map(({ code }) => code)).not.toContain("shift.class");
  });

  it("ranks A4C, PSAX, PLAX first without `views` in data.yaml, and demands a choice", async () => {
    const text = readFileSync(join(folder, "data.yaml"), "utf8");
    const bare = join(scratch, "data.yaml");
    writeFileSync(
      bare,
      text.replace(/^views:.*$/m, "").replace(/^path:.*$/m, `path: ${JSON.stringify(folder)}`),
    );
    const without = await auditData(bare, { images: false });
    expect(without.viewOrders).toHaveLength(6);
    for (const { views, violations } of without.viewOrders) {
      const broken = raw.filter(
        ({ column, valve }) => column !== null && !shows[views[column]].includes(valve),
      );
      expect(violations, views.join()).toBe(broken.length);
    }
    expect(without.viewOrders[0].views).toEqual(["A4C", "PSAX", "PLAX"]);
    expect(without.viewOrders.map(({ violations }) => violations)).toEqual(
      without.viewOrders.map(({ violations }) => violations).toSorted((a, b) => a - b),
    );
    const demand = without.findings.find(({ code }) => code === "view.order-undeclared");
    expect(demand).toMatchObject({ severity: "error" });
    const [best, second] = without.viewOrders;
    expect(demand?.remedy).toContain(`[A4C, PSAX, PLAX] breaks the rules in ${best.violations} frames`);
    expect(demand?.remedy).toContain(`[${second.views.join(", ")}] in ${second.violations}`);
    // Nothing else is lost: clips of several views show without the names of the views, too.
    const mixed = without.findings.find(({ code }) => code === "view.mixed-clip");
    expect(mixed?.files).toEqual(found("view.mixed-clip").files);
  });

  it("keeps the declared order free of doubt, and doubts a wrong one", async () => {
    expect(report.findings.map(({ code }) => code)).not.toContain("view.order-doubtful");
    const text = readFileSync(join(folder, "data.yaml"), "utf8");
    const wrong = join(scratch, "wrong.yaml");
    writeFileSync(
      wrong,
      text
        .replace(/^views:.*$/m, "views: [PLAX, A4C, PSAX]")
        .replace(/^path:.*$/m, `path: ${JSON.stringify(folder)}`),
    );
    const doubtful = await auditData(wrong, { images: false });
    const doubt = doubtful.findings.find(({ code }) => code === "view.order-doubtful");
    expect(doubt?.details[0].message).toContain("[A4C, PSAX, PLAX]");
  });

  it("finds images of the same bytes, and those that cross splits, in the whole audit", async () => {
    const whole = await auditData(join(folder, "data.yaml"));
    const copies = by(raw, ({ bytes }) => bytes).filter((group) => group.length > 1);
    const exact = whole.findings.find(({ code }) => code === "duplicate.exact");
    const exactFiles = new Set(exact?.files);
    for (const file of names(copies.flat())) expect(exactFiles, file).toContain(file);
    expect(exact?.count).toBeGreaterThanOrEqual(copies.length);
    const leaking = new Set(whole.findings.find(({ code }) => code === "leakage.duplicate")?.files);
    const crossing = seenBefore(copies.flat(), ({ bytes }) => bytes);
    expect(crossing.length).toBeGreaterThan(0);
    for (const file of crossing) expect(leaking, file).toContain(file);
    expect(whole.summary.images).toMatchObject({ measured: raw.length, unreadable: 0 });
  }, 240_000);
});
