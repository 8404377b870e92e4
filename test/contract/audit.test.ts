import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AuditReport, auditData, type FindingCode, scanData } from "../../src/data/audit/index.js";
import { checks } from "../../src/data/audit/checks/index.js";
import { counted } from "../../src/data/audit/words.js";
import { echoRules, rulesOf } from "../../src/data/audit/rules.js";
import { findBetterOrder, rankViewOrders } from "../../src/data/audit/view-order.js";
import { loadDataDescription } from "../../src/data/index.js";
import { formatAudit } from "../../src/cli/audit-text.js";
import { temporaryFolder } from "../support/cli.js";
import { scannedFrame, scanOf } from "../support/label-tables.js";

let data: string;
let remove: () => void;
beforeEach(() => {
  ({ folder: data, remove } = temporaryFolder("audit"));
});
afterEach(() => remove());

const yaml = `train: train/images
val: valid/images
names: [AR, MR, PR, TR]
views: [A4C, PSAX, PLAX]
groups: {patient: '^(p\\d+)', video: '^(p\\d+v\\d+)'}
`;

function write(path: string, text: string): void {
  mkdirSync(dirname(join(data, path)), { recursive: true });
  writeFileSync(join(data, path), text);
}

/** A frame by `split/name`: an image that is never opened, and its label file unless null. */
function frame(name: string, label: string | null): void {
  const [split, file] = name.split("/");
  write(`${split}/images/${file}.jpg`, "");
  if (label !== null) write(`${split}/labels/${file}.txt`, label);
}

const mr = "1 0.5 0.5 0.2 0.2\n\n";
const a4c = `${mr}1 0 0\n`;

/** Two sound patients, one a split, so that nothing but what a test adds is found. */
function sound(): void {
  write("data.yaml", yaml);
  frame("train/p1v1f1", a4c);
  frame("valid/p2v1f1", a4c);
}

/** The audit of the labels, and what it found by code. */
async function audit(file = "data.yaml") {
  const report = await auditData(join(data, file), { images: false });
  const found = Object.fromEntries(report.findings.map((finding) => [finding.code, finding]));
  return { report, found: found as Partial<Record<FindingCode, AuditReport["findings"][number]>> };
}

describe("auditData", () => {
  it("finds nothing in sound data, and counts it", async () => {
    sound();
    const { report } = await audit();
    expect(report.findings).toEqual([]);
    expect(report.summary).toMatchObject({
      frames: 2,
      classes: { AR: 0, MR: 2, PR: 0, TR: 0 },
      viewFrames: { A4C: 2, PSAX: 0, PLAX: 0 },
      pairs: { A4C: { MR: 2 } },
      rulesFrom: "echo",
      splits: { train: { frames: 1, patients: 1, clips: 1 }, val: { frames: 1 } },
      images: null,
    });
    expect(report.summary.boxes.MR).toMatchObject({
      boxes: 2,
      width: { median: 0.2 },
      area: { max: 0.2 * 0.2 },
    });
  });

  it.each<[FindingCode, string, number | undefined]>([
    ["label.unparseable", `${mr}left ventricle\n1 0 0\n`, 3],
    ["label.class-range", "4 0.5 0.5 0.2 0.2\n\n1 0 0\n", 1],
    ["box.out-of-range", "1 0.5 0.5 320 240\n\n1 0 0\n", 1],
    ["box.out-of-range", "1 0.95 0.5 0.2 0.2\n\n1 0 0\n", 1],
    ["box.empty", "1 0.5 0.5 0 0.2\n\n1 0 0\n", 1],
    ["box.repeated", `${mr}1 0.5 0.5 0.2 0.2\n1 0 0\n`, 3],
    ["view.missing", mr, undefined],
    ["view.contradictory", `${mr}1 0 0\n0 0 1\n`, 4],
    ["view.ambiguous", `${mr}1 0 1\n`, 3],
    ["view.ambiguous", `${mr}0 0 0\n`, 3],
    ["rules.violation", "0 0.5 0.5 0.2 0.2\n\n1 0 0\n", undefined],
    ["label.missing", null as never, undefined],
  ])("finds %s, its file and its line, and nothing else", async (code, label, line) => {
    sound();
    frame("train/p1v2f1", label);
    const { found, report } = await audit();
    // A new class or view in train alone is absent from val: that is another finding's business.
    const others = report.findings.filter((finding) => finding.code !== "class.absent");
    expect(others.map((finding) => finding.code)).toEqual([code]);
    expect(found[code]).toMatchObject({ count: 1, files: ["train/images/p1v2f1.jpg"] });
    const [detail] = found[code]!.details;
    expect(detail.line).toBe(line);
    expect(detail.file).toBe(line ? "train/labels/p1v2f1.txt" : "train/images/p1v2f1.jpg");
    expect(detail.message).not.toBe("");
  });

  it("finds label files without an image, also in folders that no image is in", async () => {
    sound();
    write("train/labels/p9v1f1.txt", a4c);
    write("train/labels/more/p9v1f2.txt", a4c);
    write("train/labels/classes.txt", "AR\nMR\nPR\nTR\n");
    const { found } = await audit();
    expect(found["label.orphan"]?.files).toEqual(["train/labels/more/p9v1f2.txt", "train/labels/p9v1f1.txt"]);
  });

  it("takes no label for an orphan whose image is in no split, nor lists beside the data", async () => {
    sound();
    frame("train/p3v1f1", a4c);
    write("train.txt", "train/images/p1v1f1.jpg\n");
    write("lists.yaml", yaml.replace("train/images", "train.txt"));
    const { report } = await audit("lists.yaml");
    expect(report.findings).toEqual([]);
    expect(report.summary.frames).toBe(2);
  });

  it("reports a label that is a folder, or that leaves the data by a link, and reads on", async () => {
    sound();
    frame("train/p1v2f1", null);
    mkdirSync(join(data, "train/labels/p1v2f1.txt"));
    frame("train/p1v2f2", null);
    const { folder: outside, remove: removeOutside } = temporaryFolder("audit-outside");
    writeFileSync(join(outside, "secret.txt"), "1 0.5 0.5 0.2 0.2\n");
    symlinkSync(join(outside, "secret.txt"), join(data, "train/labels/p1v2f2.txt"));
    const { found, report } = await audit();
    removeOutside();
    expect(found["label.unparseable"]?.files).toEqual(["train/images/p1v2f1.jpg", "train/images/p1v2f2.jpg"]);
    expect(report.summary.classes.MR).toBe(2);
  });

  it.skipIf(process.getuid?.() === 0)("reports a label that may not be read", async () => {
    sound();
    chmodSync(join(data, "train/labels/p1v1f1.txt"), 0);
    const { found } = await audit();
    expect(found["label.unparseable"]?.files).toEqual(["train/images/p1v1f1.jpg"]);
  });

  it("reports a split that is not there and audits the others", async () => {
    sound();
    rmSync(join(data, "valid"), { recursive: true });
    const { found, report } = await audit();
    expect(found["split.unreadable"]).toMatchObject({ count: 1, severity: "error", files: ["data.yaml"] });
    expect(report.summary.frames).toBe(1);
  });

  it("names majority, counts and dissenters of a clip, and a tie as a tie", async () => {
    sound();
    for (const i of [2, 3]) frame(`train/p1v1f${i}`, a4c);
    frame("train/p1v1f4", `${mr}0 0 1\n`);
    frame("train/p1v5f1", a4c);
    frame("train/p1v5f2", `${mr}0 0 1\n`);
    const { found, report } = await audit();
    const mixed = found["view.mixed-clip"];
    expect(mixed).toMatchObject({ count: 2, unit: "clips", severity: "warning" });
    expect(mixed?.files).toEqual(["p1v1f4", "p1v5f1", "p1v5f2"].map((name) => `train/images/${name}.jpg`));
    expect(mixed?.details[0].message).toBe("clip p1v1: 3 A4C, 1 PLAX; majority A4C");
    expect(mixed?.details[1].message).toBe("clip p1v5: 1 A4C, 1 PLAX; tie");
    expect(report.summary.mixedClips.map(({ majority }) => majority)).toEqual(["A4C", null]);
  });

  it("finds leakage by patient and by clip, and the frames of the later split it touches", async () => {
    sound();
    frame("valid/p1v1f9", a4c);
    frame("valid/p1v7f1", a4c);
    const { found, report } = await audit();
    expect(found["leakage.patient"]?.files).toEqual(["valid/images/p1v1f9.jpg", "valid/images/p1v7f1.jpg"]);
    expect(found["leakage.clip"]?.files).toEqual(["valid/images/p1v1f9.jpg"]);
    expect(report.summary.leakage).toEqual([
      { from: "train", to: "val", frames: 3, patient: 2, clip: 1, duplicate: 0 },
    ]);
  });

  it("finds a file that two splits list, without opening it", async () => {
    sound();
    write("data.yaml", yaml.replace("val: valid/images", "val: [valid/images, train/images/p1v1f1.jpg]"));
    const { found } = await audit();
    expect(found["leakage.duplicate"]?.files).toEqual(["train/images/p1v1f1.jpg"]);
  });

  it("demands groups, and finds names that their patterns do not match", async () => {
    sound();
    write("bare.yaml", yaml.replace(/^groups.*\n/m, ""));
    expect((await audit("bare.yaml")).found["groups.undeclared"]).toMatchObject({
      count: 2,
      files: ["bare.yaml"],
    });
    frame("train/heart", a4c);
    expect((await audit()).found["groups.unmatched"]?.files).toEqual(["train/images/heart.jpg"]);
  });

  it("says which class and view a split lacks", async () => {
    sound();
    frame("train/p1v3f1", "2 0.5 0.5 0.2 0.2\n\n0 1 0\n");
    const { found } = await audit();
    expect(found["class.absent"]?.details.map(({ message }) => message)).toEqual([
      "val has no PR; train has",
      "val has no PSAX; train has",
    ]);
  });

  it("demands a choice of the views' order where data.yaml declares none", async () => {
    sound();
    frame("train/p1v2f1", "0 0.5 0.5 0.2 0.2\n\n0 0 1\n");
    frame("train/p1v2f2", "2 0.5 0.5 0.2 0.2\n\n0 1 0\n");
    write("data.yaml", yaml.replace(/^views.*\n/m, ""));
    const { found, report } = await audit();
    expect(report.viewOrders).toHaveLength(6);
    expect(report.viewOrders[0]).toEqual({ views: ["A4C", "PSAX", "PLAX"], violations: 0 });
    expect(found["view.order-undeclared"]).toMatchObject({ severity: "error", count: 4 });
    expect(found["view.order-undeclared"]?.remedy).toContain("`views: [A4C, PSAX, PLAX]`");
    expect(found["label.unparseable"]).toBeUndefined();
  });

  it("takes a stray number for an unparseable line where the data has no views", async () => {
    write(
      "data.yaml",
      "train: train/images\nnames: [AR, MR]\ngroups: {patient: '^(p\\d+)', video: '^(p\\d+v\\d+)'}\n",
    );
    frame("train/p1v1f1", "1 0.5 0.5 0.2 0.2\n");
    frame("train/p1v1f2", "1 0.5 0.5 0.2 0.2\n");
    frame("train/p1v1f3", "7\n");
    const { report } = await audit();
    expect(report.findings.map(({ code }) => code)).toEqual(["label.unparseable"]);
    expect(report.viewOrders).toEqual([]);
  });

  it("lists findings with errors first, and files in the order of code units", async () => {
    sound();
    frame("train/p1v2f1", null);
    frame("train/P1v2f1", null);
    frame("train/p1v3f1", "9 0.5 0.5 0.2 0.2\n\n1 0 0\n");
    const { report } = await audit();
    expect(report.findings.map(({ code }) => code)).toEqual([
      "label.class-range",
      "groups.unmatched",
      "label.missing",
    ]);
    expect(report.findings[2].files).toEqual(["train/images/P1v2f1.jpg", "train/images/p1v2f1.jpg"]);
  });

  it("prints what would steer a terminal as plain text", async () => {
    sound();
    frame("train/p1v2\u001b[31mf1", null);
    const { report } = await audit();
    expect(formatAudit(report)).not.toContain("\u001b");
    expect(formatAudit(report)).toContain("p1v2\\u001b[31mf1.jpg: no label file");
  });
});

describe("counts in words", () => {
  it("have their unit in the singular where there is one", async () => {
    write("data.yaml", yaml);
    frame("train/p1v1f1", null);
    const text = formatAudit(await auditData(join(data, "data.yaml"), { images: false }));
    expect(text).toContain("data.yaml: 1 frame, 1 patient, 1 clip\n");
    expect(text).toContain("label.missing: 1 frame\n");
    expect(counted(2, "frames")).toBe("2 frames");
    expect(counted(0, "clips")).toBe("0 clips");
  });

  it("have a singular for the unit of every check", () => {
    const units = [...new Set(Object.values(checks).map(({ unit }) => counted(1, unit)))].sort();
    expect(units).toEqual([
      "1 class or view",
      "1 clip",
      "1 frame",
      "1 group of images",
      "1 label file",
      "1 order",
      "1 pair of images",
      "1 pair of splits",
      "1 pattern",
      "1 split",
    ]);
  });
});

describe("rules", () => {
  it("are data.yaml's, else the echo default where all names and views are its", () => {
    write("data.yaml", yaml);
    mkdirSync(join(data, "train/images"), { recursive: true });
    expect(rulesOf(loadDataDescription(join(data, "data.yaml")))).toEqual({ rules: echoRules, from: "echo" });
    write("own.yaml", `${yaml}rules: {A4C: [AR]}\n`);
    const own = loadDataDescription(join(data, "own.yaml"));
    expect(rulesOf(own)).toEqual({ rules: { A4C: ["AR"] }, from: "data.yaml" });
    write("other.yaml", yaml.replace("PLAX", "A2C"));
    expect(rulesOf(loadDataDescription(join(data, "other.yaml")))).toBeNull();
  });
});

describe("the order of the views", () => {
  /** 30 clips of 4 frames whose column means what `meaning` says. */
  const labelled = (meaning: readonly string[]) => {
    const shows: Record<string, readonly number[]> = { A4C: [1, 3], PSAX: [2, 3], PLAX: [0, 1] };
    return Array.from({ length: 120 }, (_, i) => {
      const clip = Math.floor(i / 4);
      const view = clip % 3;
      const label = shows[meaning[view]][Math.floor(clip / 3) % 2];
      return scannedFrame({
        split: "train",
        name: `${i}`,
        patient: `p${clip}`,
        video: `p${clip}v1`,
        label,
        view,
      });
    });
  };
  const rules = { rules: echoRules, from: "echo" as const };

  it("ranks the order that the labels were written in first", () => {
    for (const meaning of [
      ["PSAX", "PLAX", "A4C"],
      ["PLAX", "A4C", "PSAX"],
    ]) {
      const [best] = rankViewOrders(scanOf(labelled(meaning)), rules);
      expect(best).toEqual({ views: meaning, violations: 0 });
    }
  });

  it("doubts a declared order that another one suits significantly better, and no other", () => {
    const wrong = scanOf(labelled(["PSAX", "A4C", "PLAX"]));
    const better = findBetterOrder(wrong, rules, rankViewOrders(wrong, rules));
    expect(better?.better.views).toEqual(["PSAX", "A4C", "PLAX"]);
    expect(checks["view.order-doubtful"].severity).toBe("warning");
    const right = scanOf(labelled(["A4C", "PSAX", "PLAX"]));
    expect(findBetterOrder(right, rules, rankViewOrders(right, rules))).toBeNull();
    // One clip of many frames is one witness, however many frames it has.
    const oneClip = scanOf(
      labelled(["PSAX", "A4C", "PLAX"]).map((frame) => ({ ...frame, patient: "p1", video: "p1v1" })),
    );
    expect(findBetterOrder(oneClip, rules, rankViewOrders(oneClip, rules))).toBeNull();
  });
});

describe("scanData", () => {
  it("keeps boxes and views of a file with faults", () => {
    sound();
    frame("train/p1v2f1", "1 0.5 0.5 0.2 0.2\nnonsense here\n1 0 0\n");
    const { frames } = scanData(loadDataDescription(join(data, "data.yaml")));
    const faulty = frames.find(({ name }) => name.includes("p1v2f1"));
    expect(faulty).toMatchObject({
      view: 0,
      boxes: [{ class: 1, line: 1 }],
      faults: [{ kind: "syntax", line: 2 }],
    });
  });
});
