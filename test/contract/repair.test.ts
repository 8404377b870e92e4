import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type FindingCode, runAudit } from "../../src/data/audit/index.js";
import {
  proposeRepairs,
  readPlan,
  repairData,
  revertRepair,
  writeRepairPlan,
} from "../../src/data/repair/index.js";
import { EchoDuetError } from "../../src/errors.js";
import { temporaryFolder } from "../support/cli.js";
import { asRead, auditOf, type ImageClaims, readTree, type Tree, writeTree } from "../support/repair-data.js";

const { folder, remove } = temporaryFolder("repair");
afterAll(remove);
const at = (...parts: string[]) => join(folder, ...parts);
const source = at("data");
const yaml = at("data", "data.yaml");
const plan = at("plan.yaml");

beforeEach(() => {
  for (const name of readdirSync(folder)) rmSync(at(name), { recursive: true, force: true });
});

const description = `path: .
train: train/images   # most of it
val: val/images
names: [AR, MR, PR, TR]
views: [A4C, PSAX, PLAX]
groups: { patient: '^(p\\d+)', video: '^(p\\d+v\\d+)' }
`;

const boxOf = { A4C: "1 0.5 0.5 0.2 0.2", PSAX: "2 0.5 0.5 0.2 0.2", PLAX: "0 0.5 0.5 0.2 0.2" };
const oneHot = { A4C: "1 0 0", PSAX: "0 1 0", PLAX: "0 0 1" };
type View = keyof typeof oneHot;

const image = (name: string) => ({ [name]: `picture ${name}` });
const label = (view: View, box: string = boxOf[view]) => `${box}\n\n${oneHot[view]}\n`;
/** A frame with an image and a label. */
function frame(split: string, name: string, text: string | Buffer): Tree {
  return { ...image(`${split}/images/${name}.jpg`), [`${split}/labels/${name}.txt`]: text };
}
const sound: Tree = {
  "data.yaml": description,
  ...frame("train", "p1v1f1", label("A4C")),
  ...frame("train", "p1v1f2", label("A4C")),
  ...frame("train", "p1v1f3", label("A4C")),
  ...frame("val", "p2v1f1", label("PSAX")),
  ...frame("val", "p2v1f2", label("PSAX")),
  ...frame("train", "p8v1f1", label("PSAX")),
  ...frame("val", "p9v1f1", label("A4C", `${boxOf.A4C}\n3 0.2 0.2 0.1 0.1`)),
};

async function propose(tree: Tree, claims: ImageClaims = {}) {
  writeTree(source, { ...sound, ...tree });
  return proposeRepairs(await auditOf(yaml, claims)).proposal;
}

/** Writes data and the plan for it; `edit` changes the plan's text as a person would. */
async function planFor(tree: Tree, edit = (text: string) => text, claims: ImageClaims = {}): Promise<void> {
  writeTree(source, { ...sound, ...tree });
  writeRepairPlan(await auditOf(yaml, claims), plan);
  const text = readFileSync(plan, "utf8");
  const edited = edit(text);
  if (edited !== text) writeFileSync(plan, edited);
}

const switchOn = (text: string) => text.replaceAll("apply: false", "apply: true");

function refusal(work: () => unknown): EchoDuetError {
  try {
    work();
  } catch (error) {
    if (error instanceof EchoDuetError) return error;
    throw error;
  }
  throw new Error("expected a refusal, got none");
}

/** The codes that an audit without images finds. */
async function codes(dataYaml: string): Promise<FindingCode[]> {
  const { report } = await runAudit(dataYaml, { images: false });
  return report.findings.map(({ code }) => code);
}

describe("proposals of views", () => {
  const clip = (views: readonly View[], lines = (view: View) => label(view)): Tree =>
    Object.assign({}, ...views.map((view, i) => frame("train", `p5v2f${i}`, lines(view))));

  it("give a dissenter the view of its clip's majority, in the form that its line has", async () => {
    const { actions } = await propose({
      ...clip(["PSAX", "PSAX", "PSAX"]),
      ...frame("train", "p5v2f7", "[0, 0, 1]\r\n3 0.5 0.5 0.1 0.1\r\n"),
      ...frame("val", "p5v2f8", "3 0.5 0.5 0.1 0.1\n0. 0.0 1.00"),
      ...frame("val", "p5v2f9", "3 0.5 0.5 0.1 0.1\n  0  \n"),
    });
    const rest = "majority 3 of 6 frames of clip p5v2 is PSAX, but that is no more than half";
    const plax = { code: "view.mixed-clip", why: `here PLAX, ${rest}`, apply: false };
    const a4c = { ...plax, why: `here A4C, ${rest}` };
    expect(actions).toEqual([
      { ...plax, file: "train/labels/p5v2f7.txt", line: 1, now: "[0, 0, 1]", becomes: "[0, 1, 0]" },
      { ...plax, file: "val/labels/p5v2f8.txt", line: 2, now: "0. 0.0 1.00", becomes: "0. 1.00 0.0" },
      { ...a4c, file: "val/labels/p5v2f9.txt", line: 2, now: "0", becomes: "1" },
    ]);
  });

  it("are switched on where more than half agree, and off where the rules speak against it", async () => {
    const { actions } = await propose({
      ...clip(["PSAX", "PSAX", "PSAX"]),
      ...frame("train", "p5v2f8", label("A4C", "3 0.5 0.5 0.1 0.1")),
      ...frame("train", "p5v2f9", label("PLAX", boxOf.PLAX)),
    });
    expect(actions.map(({ why, apply }) => [why, apply])).toEqual([
      ["here A4C, majority 3 of 5 frames of clip p5v2 is PSAX", true],
      ["here PLAX, majority 3 of 5 frames of clip p5v2 is PSAX, but PSAX does not show AR", false],
    ]);
  });

  it("leave a tie undecided", async () => {
    const { actions, undecided } = await propose(clip(["PSAX", "A4C"]));
    expect(actions).toEqual([]);
    expect(undecided).toEqual(
      ["train/labels/p5v2f0.txt", "train/labels/p5v2f1.txt"].map((file) => {
        return { code: "view.mixed-clip", file, why: "clip p5v2 is a tie: 1 A4C, 1 PSAX" };
      }),
    );
  });

  it("keep of several view lines the one that agrees with the clip", async () => {
    const { actions, undecided } = await propose({
      ...clip(["PSAX", "PSAX"]),
      ...frame("train", "p5v2f7", `1 0 0\n${boxOf.PSAX}\n0 1 0\n0 0 1`),
      ...frame("train", "p5v2f8", `${boxOf.PSAX}\n1 0 0\n0 0 1`),
      ...frame("train", "p5v2f9", `${boxOf.PSAX}\n1 1 0\n0 1 0`),
    });
    const majority = "majority 2 of 2 frames of clip p5v2 is PSAX";
    const file = "train/labels/p5v2f7.txt";
    const why = `line 3 says PSAX, and ${majority}`;
    expect(actions).toEqual([
      { code: "view.contradictory", file, line: 1, now: "1 0 0", becomes: null, why, apply: true },
      { code: "view.contradictory", file, line: 4, now: "0 0 1", becomes: null, why, apply: true },
      {
        ...{ code: "view.ambiguous", file: "train/labels/p5v2f9.txt", line: 2, now: "1 1 0", becomes: null },
        ...{ why, apply: true },
      },
    ]);
    expect(undecided).toEqual([
      {
        code: "view.contradictory",
        file: "train/labels/p5v2f8.txt",
        why: `it names A4C and PLAX; ${majority}`,
      },
    ]);
  });

  it("fill in the clip's view where a line names several, and offer it where there is none", async () => {
    const { actions } = await propose({
      ...clip(["PSAX", "PSAX"]),
      ...frame("train", "p5v2f7", `${boxOf.PSAX}\n[1, 1, 0]\n`),
      ...frame("train", "p5v2f8", `${boxOf.PSAX}\n0 0 0\n`),
      ...frame("train", "p5v2f9", boxOf.PSAX),
    });
    expect(actions.map(({ code, line, becomes, apply }) => [code, line, becomes, apply])).toEqual([
      ["view.ambiguous", 2, "0 1 0", true],
      ["view.ambiguous", 2, "0 1 0", false],
      ["view.missing", undefined, "0 1 0", false],
    ]);
  });
});

describe("proposals of boxes and lines", () => {
  const lines = async (...boxes: string[]) => {
    const { actions } = await propose(frame("train", "p1v1f4", `${boxes.join("\n")}\n\n1 0 0\n`));
    return actions.map(({ code, line, becomes, apply }) => [code, line, becomes, apply]);
  };

  it("clip a box or a polygon, and change no number that is inside", async () => {
    expect(
      await lines(
        "1 0.95 0.50 0.2  0.20",
        "1 .5 -0.05 .2 .3",
        "1 0.9 0.10 1.05 0.10 0.90 0.30",
        "1 1 1 0.2 0.2",
      ),
    ).toEqual([
      ["box.out-of-range", 1, "1 0.925 0.50 0.15  0.20", true],
      ["box.out-of-range", 2, "1 .5 0.05 .2 0.1", false],
      ["box.out-of-range", 3, "1 0.9 0.10 1 0.10 0.90 0.30", true],
      ["box.out-of-range", 4, "1 0.95 0.95 0.1 0.1", false],
    ]);
  });

  it("offer to remove a box that lies outside altogether, is empty or of no class, and what is no box", async () => {
    expect(await lines("1 1.5 0.5 0.2 0.2", "1 0.5 0.5 0 0.1", "9 0.5 0.5 0.1 0.1", "valve: MR")).toEqual([
      ["label.unparseable", 4, null, false],
      ["label.class-range", 3, null, false],
      ["box.out-of-range", 1, null, false],
      ["box.empty", 2, null, false],
    ]);
  });

  it("take pixels for no box to clip", async () => {
    expect(await lines("1 150 100 320 240")).toEqual([["box.out-of-range", 1, "1 0.5 0.5 1 1", false]]);
  });

  it("remove repeated boxes, those that clipping makes so among them", async () => {
    const [a, b] = ["1 0.95 0.5 0.1 0.2", "1 0.955 0.5 0.11 0.2"];
    expect(await lines(a, "1 0.5 0.5 0.1 0.2", b, a)).toEqual([
      ["box.out-of-range", 3, "1 0.95 0.5 0.1 0.2", true],
      ["box.repeated", 3, null, true],
      ["box.repeated", 4, null, true],
    ]);
  });
});

describe("proposals of copies", () => {
  const names = ["train/images/p1v1f9.jpg", "val/images/p2v1f9.jpg"];
  const copies = (a: string, b: string): Tree => ({
    ...{ [names[0]]: "same", "train/labels/p1v1f9.txt": a },
    ...{ [names[1]]: "same", "val/labels/p2v1f9.txt": b },
  });
  const claims = { identical: [names] };

  it("keep the one in the held-out split where nothing else decides", async () => {
    const { actions } = await propose(copies(label("A4C"), label("A4C")), claims);
    expect(actions.filter(({ code }) => code === "duplicate.exact")).toEqual([
      {
        code: "duplicate.exact",
        file: names[0],
        now: expect.stringMatching(/^sha256 [0-9a-f]{64}$/),
        becomes: null,
        why: `copy of ${names[1]}, which is kept (the held-out val split stays as it is)`,
        apply: true,
      },
    ]);
  });

  it("keep the one that leaves less leakage, and tell where labels disagree", async () => {
    const { actions } = await propose(
      { ...copies(label("A4C"), label("PSAX")), ...frame("train", "p2v1f3", label("PSAX")) },
      claims,
    );
    expect(actions[0]).toMatchObject({
      file: names[1],
      why:
        `copy of ${names[0]}, which is kept (frames of its clip in other splits 0, of this one's 1)` +
        "; its label says A4C and MR, this one PSAX and PR: look at both",
    });
  });

  it("keep the original rather than a copy that is like another clip's frames, or alone under its name", async () => {
    const original = "train/images/p1v1f1.jpg";
    const { actions } = await propose(
      { ...frame("val", "p9v7f1", label("A4C")), ...frame("val", "p9v8f1", label("A4C")) },
      {
        identical: [
          [original, "val/images/p9v7f1.jpg"],
          ["train/images/p1v1f3.jpg", "val/images/p9v8f1.jpg"],
        ],
        near: [["val/images/p9v7f1.jpg", "train/images/p1v1f2.jpg"]],
      },
    );
    expect(actions.map(({ file, why }) => [file, why])).toEqual([
      [
        "val/images/p9v7f1.jpg",
        `copy of ${original}, which is kept (like 0 frames of other clips, this one like 1)`,
      ],
      [
        "val/images/p9v8f1.jpg",
        "copy of train/images/p1v1f3.jpg, which is kept (its clip has other frames, this one's has none)",
      ],
    ]);
  });

  it("keep the one with a sound label, and give the overlap of the boxes", async () => {
    const box = "1 0.5 0.5 0.2 0.1";
    const { actions } = await propose(copies(label("A4C"), label("A4C", `${box}\nnonsense`)), claims);
    expect(actions[0]).toMatchObject({
      file: names[1],
      why: `copy of ${names[0]}, which is kept (faults of its label 0, of this one's 1); their boxes overlap by 0.50`,
    });
  });

  it("offer near copies, unreadable images and label files without image, switched off", async () => {
    const { actions } = await propose(
      { ...copies(label("A4C"), label("PSAX")), "train/labels/gone.txt": label("A4C") },
      { near: [[names[0], names[1]]], unreadable: ["train/images/p1v1f1.jpg"] },
    );
    expect(actions.map(({ code, file, apply }) => [code, file, apply])).toEqual([
      ["duplicate.near", names[0], false],
      ["image.unreadable", "train/images/p1v1f1.jpg", false],
      ["label.orphan", "train/labels/gone.txt", false],
    ]);
    expect(actions[0].why).toContain(`like ${names[1]} (3 bits apart, correlation 0.987), which is kept`);
  });

  it("keep one of a chain of near copies for each that is unlike it", async () => {
    const chain = ["a", "b", "c"].map((name) => `val/images/${name}.jpg`);
    const tree = Object.assign({}, ...["a", "b", "c"].map((name) => frame("val", name, label("A4C"))));
    const { actions } = await propose(tree, {
      near: [
        [chain[0], chain[1]],
        [chain[1], chain[2]],
      ],
    });
    expect(actions.map(({ file }) => file)).toEqual([chain[1]]);
  });
});

describe("a plan", () => {
  const dissent = frame("train", "p1v1f4", label("PSAX", "3 0.5 0.5 0.1 0.1"));

  it("explains itself, groups its actions, and lists what is undecided and what is beyond it", async () => {
    await planFor({
      ...dissent,
      ...frame("val", "p3v1f1", label("PSAX")),
      ...frame("val", "p3v1f2", label("A4C")),
      ...frame("train", "p2v7f1", label("PSAX")),
    });
    const text = readFileSync(plan, "utf8");
    expect(text).toMatch(/^# Repairs that `echoduet audit --fix` proposes for data\/data\.yaml\./);
    expect(text).toContain("\n  # Frames whose view is not that of most frames of their clip.");
    expect(text).toContain("\n  # Undecided: val/labels/p3v1f2.txt: clip p3v1 is a tie: 1 A4C, 1 PSAX\n");
    expect(text).toMatch(
      /\n# Findings that a repair cannot settle:\n# - leakage\.patient, 2 frames: split anew/,
    );
    expect(parse(text).actions).toEqual({
      "view.mixed-clip": [
        {
          file: "train/labels/p1v1f4.txt",
          line: 3,
          now: "0 1 0",
          becomes: "1 0 0",
          why: "here PSAX, majority 3 of 4 frames of clip p1v1 is A4C",
          apply: true,
        },
      ],
    });
    expect(Object.keys(parse(text).actions["view.mixed-clip"][0])[0]).toBe("file");
  });

  it("is written over while nobody has edited it, and after that only by force", async () => {
    await planFor(dissent);
    const audit = await auditOf(yaml);
    const text = readFileSync(plan, "utf8");
    expect(writeRepairPlan(audit, plan)).toEqual({ file: plan, actions: 1, switchedOn: 1, undecided: 0 });
    expect(readFileSync(plan, "utf8")).toBe(text);
    writeFileSync(plan, text.replace("apply: true", "apply: false"));
    expect(refusal(() => writeRepairPlan(audit, plan))).toMatchObject({
      code: "io",
      message: `${plan}: expected no file or an unedited plan, got a plan that was edited; name another file, or give --force`,
    });
    writeRepairPlan(audit, plan, { force: true });
    expect(readFileSync(plan, "utf8")).toBe(text);
    expect(refusal(() => writeRepairPlan(audit, yaml)).message).toContain("got another file");
  });

  it.each<[string, (text: string) => string, string]>([
    [
      "a word for true",
      (t) => t.replaceAll("apply: true", "apply: please"),
      'apply: expected boolean, got "please"',
    ],
    ["an unknown key", (t) => t.replace("why:", "because:"), "because: unknown option"],
    ["an unknown code", (t) => t.replace("view.mixed-clip:", "view.mixed:"), "view.mixed"],
    ["a list for a line", (t) => t.replace("becomes: 1 0 0", "becomes: [1, 0, 0]"), "put the line in quotes"],
    [
      "no new line",
      (t) => t.replace(/line: 3\n\s+now: .*/, "now: null").replace(/becomes: .*/, "becomes: null"),
      "expected the line to add",
    ],
    ["text for a file", (t) => t.replace(/\n\s+line: 3/, ""), "only a line has other text"],
    ["no YAML", (t) => t.replace("version: 1", "version: ]"), "expected YAML, got an error"],
    ["a later version", (t) => t.replace("version: 1", "version: 2"), "version"],
  ])("with %s is refused with its line", async (_, edit, reason) => {
    await planFor(dissent, edit);
    const { code, message } = refusal(() => readPlan(plan));
    expect(code).toBe("config");
    expect(message).toContain(reason);
    const [, line] = /plan\.yaml:(\d+): /.exec(message) ?? [];
    const original = readFileSync(plan, "utf8").split("\n")[Number(line) - 1];
    expect(original).toMatch(/apply|because|view\.mixed|becomes|version|file|now/);
  });

  it("reads a lone number as a line", async () => {
    await planFor(frame("train", "p1v1f4", "3 0.5 0.5 0.1 0.1\n1\n"), (t) =>
      t.replace('becomes: "0"', "becomes: 0"),
    );
    expect(readPlan(plan).actions).toMatchObject([{ now: "1", becomes: "0" }]);
  });
});

describe("a repair", () => {
  /** One of each fault, all of which the proposals settle. */
  const faulty: Tree = {
    ...frame("train", "p1v1f4", label("PSAX", "3 0.5 0.5 0.1 0.1")),
    ...frame("train", "p1v1f5", `${boxOf.A4C}\r\n1 0 0\r\n\r\n0 1 0`),
    ...frame("train", "p1v1f6", `${boxOf.A4C}\n[1, 1, 0]\n`),
    ...frame("train", "p1v1f7", boxOf.A4C),
    ...frame("train", "p1v1f8", label("A4C", "1 0.95 0.5 0.2 0.2\n1 0.925 0.5 0.15 0.2")),
    ...frame(
      "train",
      "p1v1f9",
      label("A4C", `\uFEFF1 0.5 0.5 0 0\n9 0.5 0.5 0.1 0.1\n${boxOf.A4C}\nnonsense`),
    ),
    "train/labels/gone.txt": label("A4C"),
  };

  it("leaves no finding, counts what it did, and touches the lines of the plan alone", async () => {
    await planFor(faulty, switchOn, { unreadable: ["val/images/p2v1f2.jpg"] });
    expect(await codes(yaml)).toEqual([
      ...["box.empty", "box.out-of-range", "label.class-range", "label.unparseable"],
      ...["view.ambiguous", "view.contradictory", "label.orphan", "view.missing", "view.mixed-clip"],
    ]);
    const before = readTree(source);
    const out = at("out");
    expect(repairData(plan, out)).toEqual({
      out,
      data: join(out, "data.yaml"),
      log: join(out, "repair.json"),
      actions: {
        ...{ "image.unreadable": 1, "label.orphan": 1, "label.unparseable": 1, "label.class-range": 1 },
        ...{ "box.out-of-range": 1, "box.empty": 1, "box.repeated": 1 },
        ...{ "view.mixed-clip": 1, "view.contradictory": 1, "view.ambiguous": 1, "view.missing": 1 },
      },
      moot: 0,
      counts: {
        frames: { in: 13, dropped: 1, out: 12 },
        labelFiles: { in: 14, dropped: 2, changed: 6, out: 12 },
        lines: { in: 33, removed: 9, added: 1, out: 25 },
      },
      images: { linked: 12, copied: 0 },
    });
    expect(await codes(join(out, "data.yaml"))).toEqual([]);
    const after = readTree(out);
    expect(readTree(source)).toEqual(before);
    const {
      "val/images/p2v1f2.jpg": _,
      "val/labels/p2v1f2.txt": __,
      "train/labels/gone.txt": ___,
      ...kept
    } = before;
    expect(after).toEqual({
      ...kept,
      "train/labels/p1v1f4.txt": "3 0.5 0.5 0.1 0.1\n\n1 0 0\n",
      "train/labels/p1v1f5.txt": `${boxOf.A4C}\r\n1 0 0\r\n\r\n`,
      "train/labels/p1v1f6.txt": `${boxOf.A4C}\n1 0 0\n`,
      "train/labels/p1v1f7.txt": `${boxOf.A4C}\n\n1 0 0\n`,
      "train/labels/p1v1f8.txt": "1 0.925 0.5 0.15 0.2\n\n1 0 0\n",
      "train/labels/p1v1f9.txt": Buffer.from(`\uFEFF${boxOf.A4C}\n\n1 0 0\n`).toString("latin1"),
    });
    expect(revertRepair(out, at("back"))).toMatchObject({
      files: { out: 28, restored: 6, returned: 3 },
      images: { linked: 13, copied: 0 },
    });
    expect(readTree(at("back"))).toEqual(before);
    expect(readdirSync(folder).sort()).toEqual(["back", "data", "out", "plan.yaml"]);
  });

  it("links images, so that they take no space, and copies labels, so that they can be edited", async () => {
    await planFor(faulty);
    repairData(plan, at("out"));
    const inode = (...parts: string[]) => statSync(at(...parts)).ino;
    const [picture, text] = ["train/images/p1v1f1.jpg", "train/labels/p1v1f1.txt"];
    expect(inode("out", picture)).toBe(inode("data", picture));
    expect(inode("out", text)).not.toBe(inode("data", text));
  });

  it("logs each action with the text before and after it", async () => {
    await planFor(faulty);
    repairData(plan, at("out"));
    const log = JSON.parse(readFileSync(at("out", "repair.json"), "utf8"));
    expect(log.actions).toContainEqual({
      code: "view.mixed-clip",
      file: "train/labels/p1v1f4.txt",
      line: 3,
      before: "0 1 0",
      after: "1 0 0",
      why: "here PSAX, majority 5 of 6 frames of clip p1v1 is A4C",
    });
    expect(log.source).toBe(yaml);
  });

  it("drops a copy from folders, lists and data.yaml, with its label file", async () => {
    const tree: Tree = {
      ...sound,
      "data.yaml": description
        .replace("train/images ", "[train/images, lists/more.txt]")
        .replace("val: val/images", "val: [val/images, extra/x.jpg, extra/y.jpg]  # three"),
      "lists/more.txt": "../extra/a.jpg\r\n\r\n./../extra/b.jpg  \r\n../extra/c.jpg",
      ...Object.assign({}, ...["a", "b", "c", "x", "y"].map((n) => image(`extra/${n}.jpg`))),
      "extra/a.txt": label("A4C"),
      "extra/b.txt": label("A4C"),
      "extra/x.txt": label("PSAX"),
    };
    const claims = {
      identical: [
        ["extra/b.jpg", "extra/x.jpg"],
        ["extra/a.jpg", "train/images/p1v1f1.jpg"],
      ],
    };
    await planFor(tree, (t) => t, claims);
    const [dropB, dropA] = readPlan(plan)
      .actions.map(({ file }) => file)
      .sort()
      .reverse();
    expect([dropA, dropB]).toEqual(["extra/b.jpg", "train/images/p1v1f1.jpg"]);
    // The other way round, as a person may decide.
    const text = readFileSync(plan, "utf8");
    const marks = new Map(readPlan(plan).actions.map(({ file, now }) => [file, now ?? ""]));
    const hashOf = (name: string) => JSON.parse(readFileSync(at("log.json"), "utf8")).files[name];
    writeRepairPlan(await auditOf(yaml), at("none.yaml"));
    repairData(at("none.yaml"), at("none"));
    cpSync(at("none", "repair.json"), at("log.json"));
    writeFileSync(
      plan,
      text
        .replace("file: train/images/p1v1f1.jpg", "file: extra/x.jpg")
        .replace(marks.get("train/images/p1v1f1.jpg") ?? "", `sha256 ${hashOf("extra/x.jpg")}`),
    );
    const { counts } = repairData(plan, at("out"));
    expect(counts.frames).toEqual({ in: 12, dropped: 2, out: 10 });
    expect(counts.labelFiles).toEqual({ in: 10, dropped: 2, changed: 0, out: 8 });
    const after = readTree(at("out"));
    expect(after["lists/more.txt"]).toBe("../extra/a.jpg\r\n\r\n../extra/c.jpg");
    expect(after["data.yaml"]).toContain("val: [val/images, extra/y.jpg] # three");
    expect(after["data.yaml"]).toContain("# most of it");
    const { report } = await runAudit(at("out", "data.yaml"), { images: false });
    expect(report.summary.frames).toBe(10);
    revertRepair(at("out"), at("back"));
    expect(readTree(at("back"))).toEqual(asRead(tree));
  });

  it("writes absolute paths anew, and the revert writes them back", async () => {
    const tree: Tree = {
      ...sound,
      "data.yaml": description
        .replace("path: .", `path: ${source}`)
        .replace("train: train/images", "train: lists/all.txt")
        .replace("val: val/images", `val: ${at("data/val/images")}`),
      "lists/all.txt": `${at("data/train/images/p1v1f1.jpg")}\n../train/images/p1v1f2.jpg\n`,
      ...{ "train/images/p1v1f3.jpg": "in no list", "train/labels/p1v1f3.txt": "nor is this" },
    };
    await planFor(tree);
    repairData(plan, at("out"));
    const after = readTree(at("out"));
    expect(after["lists/all.txt"]).toBe("./../train/images/p1v1f1.jpg\n../train/images/p1v1f2.jpg\n");
    expect(parse(after["data.yaml"])).toMatchObject({ path: ".", train: "lists/all.txt", val: "val/images" });
    expect(after).not.toHaveProperty(["train/images/p1v1f3.jpg"]);
    const { report } = await runAudit(at("out", "data.yaml"), { images: false });
    expect(report.summary.frames).toBe(5);
    revertRepair(at("out"), at("back"));
    const unlisted = /p1v1f3|p8v1f1/;
    const listed = Object.entries(asRead(tree)).filter(([name]) => !unlisted.test(name));
    expect(readTree(at("back"))).toEqual(Object.fromEntries(listed));
  });

  it("takes a data.yaml that lies outside its data into the copy", async () => {
    writeTree(folder, { "heart.yaml": description.replace("path: .", "path: data") });
    writeTree(source, { ...sound, ...faulty });
    writeRepairPlan(await auditOf(at("heart.yaml")), plan);
    expect(repairData(plan, at("out")).data).toBe(at("out", "heart.yaml"));
    expect(parse(readFileSync(at("out", "heart.yaml"), "utf8")).path).toBe(".");
    expect(await codes(at("out", "heart.yaml"))).not.toContain("view.mixed-clip");
    revertRepair(at("out"), at("back"));
    expect(readFileSync(at("back", "heart.yaml"), "utf8")).toBe(readFileSync(at("heart.yaml"), "utf8"));
  });

  it("keeps a data.yaml below its data where it is", async () => {
    const nested = description.replace("path: .", "path: ../..");
    writeTree(source, { ...sound, "splits/one/data.yaml": nested });
    writeRepairPlan(await auditOf(at("data/splits/one/data.yaml")), plan);
    expect(repairData(plan, at("out")).data).toBe(at("out/splits/one/data.yaml"));
    expect(readFileSync(at("out/splits/one/data.yaml"), "utf8")).toBe(nested);
  });

  it("follows links, keeps a label that another image shares, and passes over a split that is not there", async () => {
    await planFor(
      {
        "data.yaml": `${description}test: test/images\n`,
        ...image("train/images/p1v1f1.png"),
        ...image("raw/one.jpg"),
      },
      (t) => t,
    );
    rmSync(at("data/val/images/p2v1f1.jpg"));
    symlinkSync("../../raw/one.jpg", at("data/val/images/p2v1f1.jpg"));
    const claims = { identical: [["train/images/p1v1f1.jpg", "train/images/p1v1f1.png"]] };
    writeRepairPlan(await auditOf(yaml, claims), plan);
    expect(repairData(plan, at("out")).counts.labelFiles).toMatchObject({ in: 7, dropped: 0 });
    expect(readFileSync(at("out/val/images/p2v1f1.jpg"), "utf8")).toBe("picture raw/one.jpg");
    expect(existsSync(at("out/raw"))).toBe(false);
  });

  it("carries out a removal rather than another change of the same line or file", async () => {
    const copies = [["val/images/p2v1f1.jpg", "train/images/p1v1f4.jpg"]];
    await planFor(faulty, switchOn, { identical: copies });
    // The view of p1v1f4, and the clipped box of p1v1f8, which another box then repeats.
    const text = readFileSync(plan, "utf8");
    const line = /file: train\/labels\/p1v1f8\.txt\n\s+line: 2/;
    expect(text).toMatch(line);
    const repeated = text.replace(line, (found) => found.replace("line: 2", "line: 1"));
    writeFileSync(plan, repeated.replace("now: 1 0.925 0.5 0.15 0.2", "now: 1 0.95 0.5 0.2 0.2"));
    const { moot, actions } = repairData(plan, at("out"));
    expect(moot).toBe(2);
    expect(actions).not.toHaveProperty("view.mixed-clip");
    expect(actions).not.toHaveProperty(["box.out-of-range"]);
    expect(readFileSync(at("out/train/labels/p1v1f8.txt"), "utf8")).toBe("1 0.925 0.5 0.15 0.2\n\n1 0 0\n");
  });
});

describe("a repair is refused", () => {
  const dissent = frame("train", "p1v1f4", label("PSAX", "3 0.5 0.5 0.1 0.1"));
  const repaired = () => repairData(plan, at("out"));

  it.each<[string, () => void, string | RegExp]>([
    [
      "another line",
      () => writeTree(source, { "train/labels/p1v1f4.txt": label("PLAX") }),
      'p1v1f4.txt:3: expected "0 1 0", got "0 0 1"',
    ],
    [
      "fewer lines",
      () => writeTree(source, { "train/labels/p1v1f4.txt": "" }),
      'p1v1f4.txt:3: expected "0 1 0", got 0 lines',
    ],
    [
      "a file gone",
      () => rmSync(at("data/train/labels/p1v1f4.txt")),
      "train/labels/p1v1f4.txt: expected a file of",
    ],
    [
      "another label",
      () => writeTree(source, { "val/labels/p2v1f1.txt": label("A4C") }),
      "got other label files, lists or data.yaml in",
    ],
    [
      "another image",
      () => writeTree(source, { "val/images/p2v1f1.jpg": "other" }),
      /plan\.yaml: .* got other images in/,
    ],
    ["a new image", () => writeTree(source, frame("val", "new", "")), "got other images and label files"],
  ])("for data with %s", async (_, change, reason) => {
    await planFor(dissent);
    change();
    const { code, message } = refusal(repaired);
    expect(code).toBe("data");
    expect(message).toMatch(reason);
    expect(readdirSync(folder).sort()).toEqual(["data", "plan.yaml"]);
  });

  it("for a copy whose bytes are others", async () => {
    const names = ["train/images/p1v1f1.jpg", "train/images/p1v1f2.jpg"];
    await planFor({}, (t) => t, { identical: [names] });
    writeTree(source, { [names[1]]: "edited" });
    expect(refusal(repaired).message).toMatch(
      /plan\.yaml:\d+: .*p1v1f2\.jpg: expected sha256 \w+, got sha256/,
    );
  });

  it("for a new line that no label file may have", async () => {
    await planFor(dissent, (t) => t.replace("becomes: 1 0 0", "becomes: 1 0 0 0"));
    expect(refusal(repaired).message).toMatch(/plan\.yaml:\d+: becomes: expected a one-hot line of 3 views/);
  });

  it("for two texts of one line, a file outside the data, and the label of an image that stays", async () => {
    const again = (text: string, edit: (item: string) => string) => {
      const item = /\n {4}- file: train\/labels\/p1v1f4[\s\S]*?apply: true/.exec(text)?.[0] ?? "";
      return text.replace(item, item + edit(item));
    };
    await planFor(dissent, (t) => again(t, (item) => item.replace("becomes: 1 0 0", "becomes: 0 0 1")));
    expect(refusal(repaired).message).toMatch(
      /:\d+: expected one new text for a line, got another one at .*:\d+/,
    );
    writeRepairPlan(await auditOf(yaml), plan, { force: true });
    const text = readFileSync(plan, "utf8");
    writeFileSync(
      plan,
      again(text, (item) => item.replace("file: train", "file: ../plan.yaml\n      #")),
    );
    expect(refusal(repaired).message).toContain("../plan.yaml: expected a file of");
    const whole = (item: string) => item.replace(/\n\s+line.*/, "").replace(/becomes: .*/, "becomes: null");
    writeFileSync(plan, again(text, whole));
    expect(refusal(repaired).message).toContain("got the label file of an image");
  });

  it("that would leave a split empty", async () => {
    const names = ["p2v1f1", "p2v1f2", "p9v1f1"].map((name) => `val/images/${name}.jpg`);
    await planFor({}, switchOn, { unreadable: names });
    expect(refusal(repaired).message).toContain("data.yaml: val: expected an image that is kept");
  });

  it("into a folder that holds something, or lies in the data", async () => {
    await planFor(dissent);
    writeTree(at("out"), { "old.txt": "" });
    expect(refusal(repaired)).toMatchObject({
      code: "io",
      message: expect.stringContaining("got 1 entries (old.txt)"),
    });
    expect(refusal(() => repairData(plan, at("data/out"))).message).toContain(
      "expected a folder outside the data",
    );
    rmSync(at("out/old.txt"));
    expect(repaired().counts.frames.out).toBe(8);
  });

  it("of a split that cannot be listed", async () => {
    writeTree(source, {
      ...sound,
      "data.yaml": `${description}test: list.txt\n`,
      "list.txt": "nothing.jpg\n",
    });
    const audit = await auditOf(yaml);
    expect(refusal(() => writeRepairPlan(audit, plan)).message).toContain(
      "list.txt:1: expected an existing image",
    );
  });
});

describe("a revert", () => {
  const prepare = async () => {
    await planFor({ ...frame("train", "p1v1f4", label("PSAX", "3 0.5 0.5 0.1 0.1")) }, (t) => t, {
      identical: [["train/images/p1v1f1.jpg", "train/images/p1v1f2.jpg"]],
    });
    repairData(plan, at("out"));
  };
  const reverted = () => revertRepair(at("out"), at("back"));

  it("needs the source no more, and leaves out what the repair did not write", async () => {
    await prepare();
    const before = readTree(source);
    rmSync(source, { recursive: true });
    writeTree(at("out"), { "train/labels.cache": "made by another tool" });
    reverted();
    expect(readTree(at("back"))).toEqual(before);
  });

  it.each<[string, () => void, string]>([
    [
      "a changed file",
      () => writeTree(at("out"), { "val/labels/p2v1f1.txt": "" }),
      "p2v1f1.txt: expected the file as the repair left it",
    ],
    [
      "a lost file",
      () => rmSync(at("out/val/labels/p2v1f1.txt")),
      "p2v1f1.txt: expected the file that the repair left, got none",
    ],
    ["no log", () => rmSync(at("out/repair.json")), "repair.json: cannot be read"],
    [
      "a broken log",
      () => writeFileSync(at("out/repair.json"), "{"),
      "expected the log of a repair, got no JSON",
    ],
    [
      "another JSON",
      () => writeFileSync(at("out/repair.json"), "{}"),
      "repair.json: expected the log of a repair: version",
    ],
    [
      "no dropped images",
      () => rmSync(at("out/repair.dropped"), { recursive: true }),
      "got none; restore it",
    ],
  ])("is refused with %s", async (_, spoil, reason) => {
    await prepare();
    spoil();
    expect(refusal(reverted).message).toContain(reason);
    expect(existsSync(at("back"))).toBe(false);
  });

  it("never leaves its folders, nor believes a log that was edited", async () => {
    await prepare();
    const log = JSON.parse(readFileSync(at("out/repair.json"), "utf8"));
    const write = (changes: object) =>
      writeFileSync(at("out/repair.json"), JSON.stringify({ ...log, ...changes }));
    write({ changed: [...log.changed, { file: "../victim.txt", before: { text: "" } }] });
    expect(refusal(reverted).message).toContain("got ../victim.txt");
    write({ folders: ["../elsewhere"] });
    expect(refusal(reverted).message).toContain("got ../elsewhere");
    write({ changed: [{ ...log.changed[0], before: { text: "0 0.5 0.5 0.1 0.1" } }] });
    expect(refusal(reverted).message).toContain("expected a log whose files make up the original data");
  });
});
