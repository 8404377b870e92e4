import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatSplit } from "../../src/cli/commands/split.js";
import { type FrameRecord, listFrames, loadDataDescription, type SplitName } from "../../src/data/index.js";
import { simulate } from "../../src/data/simulate/index.js";
import {
  collectFrames,
  type DuplicatePair,
  type SplitOptions,
  splitFrames,
  splitLists,
  summariseSplit,
  writeSplit,
} from "../../src/data/split/index.js";
import { groupFrames } from "../../src/data/split/groups.js";
import { countStrata } from "../../src/data/split/strata.js";
import { jsonOf, runCli, succeed, temporaryFolder } from "../support/cli.js";

const { folder, remove } = temporaryFolder("split");
afterAll(remove);

const declared = { names: ["AR", "MR"], views: ["A4C", "PLAX"] };
const plain: SplitOptions = {
  ...declared,
  by: "patient",
  ratios: [0.6, 0.2, 0.2],
  seed: 0,
  duplicates: [],
};

/** A frame as listFrames gives it. */
function frame(
  name: string,
  {
    patient = null,
    video = null,
    classes = [0],
    view = 0,
  }: Partial<FrameRecord> & { classes?: number[] } = {},
): FrameRecord {
  return {
    ...{ name, patient, video, view, imagePath: `/data/${name}`, labelPath: null, detectionMasked: false },
    boxes: Float32Array.from(classes.flatMap((c) => [c, 0.5, 0.5, 0.1, 0.1])),
  };
}

/** `count` frames of a patient, of its only clip. */
function patientFrames(
  patient: string,
  count: number,
  more: Partial<FrameRecord> & { classes?: number[] } = {},
) {
  const video = `${patient}v01`;
  return Array.from({ length: count }, (_, i) =>
    frame(`images/${video}f${String(i).padStart(3, "0")}.jpg`, { patient, video, ...more }),
  );
}

const near = (a: string, b: string): DuplicatePair => ({
  a,
  b,
  kind: "near",
  distance: 3,
  correlation: 0.998,
});
const namesOf = (frames: readonly FrameRecord[]) => frames.map(({ name }) => name);
const membersOf = (grouping: ReturnType<typeof groupFrames>) => grouping.groups.map(({ members }) => members);

describe("groupFrames", () => {
  it("groups by patient, by clip where the patient is unknown, and else each frame alone", () => {
    const frames = [
      frame("b/2.jpg"),
      frame("p1a.jpg", { patient: "p1", video: "c1" }),
      frame("c9a.jpg", { video: "c9" }),
      frame("p1b.jpg", { patient: "p1", video: "c2" }),
      frame("c9b.jpg", { video: "c9" }),
      frame("c/1.jpg"),
    ];
    const grouping = groupFrames(frames, "patient");
    expect(membersOf(grouping)).toEqual([["clip:c9"], ["frame:c/1.jpg"], ["frame:b/2.jpg"], ["patient:p1"]]);
    expect(grouping.groups[3].frames.map(({ name }) => name)).toEqual(["p1a.jpg", "p1b.jpg"]);
    expect(grouping.warnings).toEqual([
      "patient unknown of 4 of 6 frames (first b/2.jpg): they are grouped 2 by clip, 2 alone; " +
        "correct `groups.patient` in data.yaml if one patient may be behind several of them",
    ]);
  });

  it("keeps a clip with the patient that some of its frames name", () => {
    const frames = [frame("1.jpg", { patient: "p1", video: "c1" }), frame("2.jpg", { video: "c1" })];
    const { groups, merges } = groupFrames(frames, "patient");
    expect(groups.map(({ members }) => members)).toEqual([["clip:c1", "patient:p1"]]);
    expect(merges).toEqual([{ groups: ["clip:c1", "patient:p1"], reason: { kind: "clip", clip: "c1" } }]);
  });

  it("warns of a clip id that several patients share, which tells nothing about clips", () => {
    const frames = [
      frame("1.jpg", { patient: "p1", video: "v1" }),
      frame("2.jpg", { patient: "p2", video: "v1" }),
    ];
    const { groups, warnings } = groupFrames(frames, "patient");
    expect(groups).toHaveLength(2);
    expect(warnings).toEqual([
      "clip v1 is of several patients: clips are told apart by their id alone, so let `groups.video` capture the patient as well",
    ]);
  });

  it("says that a patient may be in several splits when grouping by clip", () => {
    const { groups, warnings } = groupFrames(patientFrames("p1", 2), "clip");
    expect(groups.map(({ members }) => members)).toEqual([["clip:p1v01"]]);
    expect(warnings[0]).toContain("a patient may be in several splits");
  });

  it("merges the groups of duplicates, through chains, and tells each merge once", () => {
    const frames = ["p1", "p2", "p3", "p4"].flatMap((patient) => patientFrames(patient, 2));
    const at = (patient: string, i: number) => `images/${patient}v01f00${i}.jpg`;
    const pairs = [
      near(at("p3", 1), at("p1", 0)),
      near(at("p3", 0), at("p4", 1)),
      near(at("p4", 0), at("p1", 1)),
      near(at("p2", 0), at("p2", 1)),
      near(at("p2", 0), "images/gone.jpg"),
    ];
    const { groups, merges } = groupFrames(frames, "patient", pairs);
    expect(groups.map(({ members }) => members)).toEqual([
      ["patient:p1", "patient:p3", "patient:p4"],
      ["patient:p2"],
    ]);
    expect(merges.map((merge) => merge.groups)).toEqual([
      ["patient:p1", "patient:p3"],
      ["patient:p1", "patient:p4"],
    ]);
    expect(merges[0].reason).toEqual(near(at("p1", 0), at("p3", 1)));
  });
});

describe("countStrata", () => {
  it("counts frames by class, view and pair, a class once a frame, and groups by class and view", () => {
    const frames = [
      frame("1.jpg", { patient: "p1", classes: [0, 0, 1], view: 0 }),
      frame("2.jpg", { patient: "p1", classes: [], view: -1 }),
      frame("3.jpg", { patient: "p2", classes: [1], view: 0 }),
    ];
    const { strata, counts } = countStrata(groupFrames(frames, "patient").groups, declared);
    const totals = Object.fromEntries(strata.map(({ kind, name, total }) => [`${kind} ${name}`, total]));
    expect(totals).toEqual({
      ...{
        "frames all": 3,
        "class AR": 1,
        "class MR": 2,
        "class no box": 1,
        "view A4C": 2,
        "view no view": 1,
      },
      ...{ "pair AR/A4C": 1, "pair MR/A4C": 2, "groups all": 2, "class-groups AR": 1, "class-groups MR": 2 },
      ...{ "view-groups A4C": 2 },
    });
    const ofGroup = counts.map((flat) =>
      Array.from({ length: flat.length / 2 }, (_, i) => [strata[flat[2 * i]].name, flat[2 * i + 1]]),
    );
    expect(ofGroup[1]).toEqual([
      ...[
        ["all", 1],
        ["MR", 1],
        ["A4C", 1],
        ["MR/A4C", 1],
        ["all", 1],
        ["MR", 1],
        ["A4C", 1],
      ],
    ]);
  });

  it("lets classes share their weight equally and pairs by frames; what is absent takes no share", () => {
    const frames = [...patientFrames("p1", 3, { classes: [0] }), ...patientFrames("p2", 1, { classes: [1] })];
    const { strata } = countStrata(groupFrames(frames, "patient").groups, declared);
    const weights = Object.fromEntries(strata.map(({ kind, name, weight }) => [`${kind} ${name}`, weight]));
    expect(weights).toEqual({
      ...{ "frames all": 4, "class AR": 2, "class MR": 2, "view A4C": 4, "pair AR/A4C": 0.375 },
      ...{ "pair MR/A4C": 0.125, "groups all": 0.25, "class-groups AR": 0.125, "class-groups MR": 0.125 },
      ...{ "view-groups A4C": 0.25 },
    });
  });
});

describe("splitFrames", () => {
  const ten = Array.from({ length: 10 }, (_, i) =>
    patientFrames(`p${i}`, 10, { classes: [i % 2], view: i % 2 }),
  ).flat();

  it("reaches the wanted counts where the groups allow it", () => {
    const { parts, strata, objective, warnings } = splitFrames(ten, plain);
    expect(parts.map((part) => [part.name, part.frames.length])).toEqual([
      ["train", 60],
      ["val", 20],
      ["test", 20],
    ]);
    for (const { wanted, reached } of strata) {
      reached.forEach((count, s) => {
        expect(count).toBeCloseTo(wanted[s], 9);
      });
    }
    expect(objective.lacks).toBe(0);
    expect(objective.deviation).toBeCloseTo(0, 12);
    expect(warnings).toEqual([]);
  });

  it("lets a split lack a class only if it must, even at the cost of the ratios", () => {
    // Three patients have the rare class, one of them half of all frames.
    const frames = [
      ...patientFrames("big", 50, { classes: [0, 1] }),
      ...patientFrames("r1", 1, { classes: [1] }),
      ...patientFrames("r2", 1, { classes: [1] }),
      ...["a", "b", "c", "d"].flatMap((patient) => patientFrames(patient, 12)),
    ];
    const { strata, warnings } = splitFrames(frames, plain);
    const rare = strata.find(({ kind, name }) => kind === "class" && name === "MR")!;
    expect(Math.min(...rare.reached)).toBeGreaterThan(0);
    expect(warnings.filter((warning) => warning.includes("none in"))).toEqual([]);
  });

  it("warns of each class and view that a split lacks, and of what no frame has", () => {
    const frames = [
      ...patientFrames("p1", 10, { classes: [1] }),
      ...["p2", "p3", "p4", "p5"].flatMap((patient) => patientFrames(patient, 10)),
    ];
    const { warnings } = splitFrames(frames, plain);
    expect(warnings).toEqual([
      "view PLAX: no frame has it",
      expect.stringMatching(/^class MR: none in (train, val|val, test|train, test); 1 of 5 groups have it$/),
    ]);
  });

  it("warns of ratios that the groups cannot meet", () => {
    const frames = [...patientFrames("p1", 80), ...patientFrames("p2", 10), ...patientFrames("p3", 10)];
    const { warnings } = splitFrames(frames, { ...plain, views: [], names: ["AR"] });
    expect(warnings).toEqual([
      "train: wanted 60.0 % of the frames, reached 80.0 %; there are 3 groups, the largest with 80.0 %",
      "val: wanted 20.0 % of the frames, reached 10.0 %; there are 3 groups, the largest with 80.0 %",
      "test: wanted 20.0 % of the frames, reached 10.0 %; there are 3 groups, the largest with 80.0 %",
    ]);
  });

  it("says what is not guaranteed where no image was compared", () => {
    const { warnings, duplicatesCompared } = splitFrames(ten, { ...plain, duplicates: null });
    expect(duplicatesCompared).toBe(false);
    expect(warnings).toEqual([
      "images not compared: frames that show the same may lie in different splits unless they are of one group",
    ]);
  });

  it("makes no test split for a share of 0", () => {
    const assignment = splitFrames(ten, { ...plain, ratios: [0.8, 0.2, 0] });
    expect(assignment.parts.map(({ name }) => name)).toEqual(["train", "val"]);
    expect(splitLists(assignment)[0].test).toEqual([]);
  });

  it("rotates folds: each is test once and val once, and train is the rest", () => {
    const assignment = splitFrames(ten, { ...plain, ratios: undefined, folds: 5 });
    const lists = splitLists(assignment);
    expect(lists.map(({ name }) => name)).toEqual(["fold1", "fold2", "fold3", "fold4", "fold5"]);
    lists.forEach(({ train, val, test }, k) => {
      expect(test).toEqual(assignment.parts[k].frames);
      expect(val).toEqual(assignment.parts[(k + 1) % 5].frames);
      expect(namesOf([...train, ...val, ...test]).sort()).toEqual(namesOf(ten).sort());
      expect(namesOf(train)).toEqual(namesOf(train).sort());
    });
    expect(assignment.parts.map(({ frames }) => frames.length)).toEqual([20, 20, 20, 20, 20]);
  });

  it.each<[string, Partial<SplitOptions>, RegExp]>([
    [
      "two folds",
      { ratios: undefined, folds: 2 },
      /^folds: expected .* at least 3 \(a fold to test on, .*got 2/,
    ],
    ["a part of a fold", { ratios: undefined, folds: 3.5 }, /^folds: expected a whole number .*, got 3\.5/],
    ["ratios and folds", { folds: 5 }, /^split: expected either ratios or folds, got both$/],
    ["neither", { ratios: undefined }, /^split: expected either ratios or folds, got neither$/],
    ["a sum of 0.9", { ratios: [0.7, 0.1, 0.1] }, /^ratios: .* with sum 1, got 0\.7,0\.1,0\.1; for example/],
    ["no val", { ratios: [0.7, 0, 0.3] }, /^ratios: expected train and val above 0/],
    ["no number", { ratios: [Number.NaN, 0.5, 0.5] }, /^ratios: .*, got NaN,0\.5,0\.5/],
    ["half a seed", { seed: 0.5 }, /^seed: expected a whole number, got 0\.5$/],
  ])("refuses %s", (_, options, message) => {
    expect(() => splitFrames(ten, { ...plain, ...options })).toThrow(message);
  });

  it("refuses fewer groups than splits", () => {
    const frames = [...patientFrames("p1", 5), ...patientFrames("p2", 5)];
    expect(() => splitFrames(frames, plain)).toThrow(
      /^split: expected at least 3 groups for 3 splits, got 2 by patient; add patients or ask for fewer splits$/,
    );
    expect(() => splitFrames(ten, { ...plain, ratios: undefined, folds: 11 })).toThrow(/11 folds, got 10/);
  });
});

/** A data set of tiny files in the layout of a YOLO data set, whose "images" are no pictures. */
function makeData(name: string, { patients = 6, frames = 4 } = {}): string {
  const root = join(folder, name);
  for (let p = 0; p < patients; p++) {
    const split = ["train", "train", "valid"][p % 3];
    for (const kind of ["images", "labels"]) mkdirSync(join(root, split, kind), { recursive: true });
    for (let f = 0; f < frames; f++) {
      const stem = `p${p}v0f${f}`;
      writeFileSync(join(root, split, "images", `${stem}.jpg`), `${name} ${stem}`);
      writeFileSync(
        join(root, split, "labels", `${stem}.txt`),
        `${p % 2} 0.5 0.5 0.1 0.1\n${p % 2 ? "0 1" : "1 0"}\n`,
      );
    }
  }
  writeFileSync(
    join(root, "data.yaml"),
    [
      "train: train/images\nval: valid/images\nnames: {0: AR, 1: yes}\nviews: ['0', PLAX]",
      "groups: {patient: '^(p\\d+)', video: '^(p\\d+v\\d+)'}",
      "rules: {PLAX: [AR, 'yes']}\nunlabelled: mask\n",
    ].join("\n"),
  );
  return join(root, "data.yaml");
}

function split(dataYaml: string, options: Partial<SplitOptions> = {}) {
  const description = loadDataDescription(dataYaml);
  const { names, views } = description;
  const assignment = splitFrames(collectFrames(description), { ...plain, names, views, ...options });
  return { description, assignment, lists: splitLists(assignment) };
}

/** The frames that a written data.yaml yields, by split. */
function framesOf(dataYaml: string): Record<string, string[]> {
  const description = loadDataDescription(dataYaml);
  const splits = Object.keys(description.splits) as SplitName[];
  return Object.fromEntries(splits.map((name) => [name, namesOf(listFrames(description, name))]));
}

const leftovers = () =>
  readdirSync(folder, { recursive: true }).filter((name) => String(name).includes(".tmp"));

describe("writeSplit", () => {
  it("writes lists beside the data, as a data.yaml that loads and that YOLOv5 reads the same", () => {
    const { description, assignment, lists } = split(makeData("beside"));
    const written = writeSplit(description, assignment, { command: "echoduet split data.yaml" });
    const at = join(description.root, "splits", "patient-seed0");
    expect(written).toEqual({ folder: at, dataYamls: [join(at, "data.yaml")], created: true });
    expect(readdirSync(at).sort()).toEqual(["data.yaml", "split.json", "test.txt", "train.txt", "val.txt"]);
    expect(framesOf(written.dataYamls[0])).toEqual({
      train: namesOf(lists[0].train),
      val: namesOf(lists[0].val),
      test: namesOf(lists[0].test),
    });
    const lines = readFileSync(join(at, "val.txt"), "utf8").trimEnd().split("\n");
    expect(lines).toEqual(lists[0].val.map(({ name }) => `./../../${name}`));
    // YOLOv5 puts the list's folder in place of a leading `./`.
    for (const line of lines) expect(existsSync(line.replace(/^\.\//, `${at}/`))).toBe(true);
    expect(leftovers()).toEqual([]);
  });

  it("copies what data.yaml declares, and tells its making on top", () => {
    const { description, assignment } = split(makeData("declared"));
    const [file] = writeSplit(description, assignment, { command: "echoduet split x --seed 0" }).dataYamls;
    const { file: _, root, splits, ...copied } = loadDataDescription(file);
    const { file: __, root: sourceRoot, splits: ___, ...source } = description;
    expect(copied).toEqual(source);
    expect(root).toBe(sourceRoot);
    expect(splits.train).toEqual([join(dirname(file), "train.txt")]);
    const text = readFileSync(file, "utf8");
    expect(text).toMatch(
      /^# Made by echoduet split x --seed 0, seed 0\.\n# Frames: train \d+, val \d+, test \d+\. /,
    );
    expect(text).toContain("# Balance: missing classes and views 0, deviation ");
    expect(text).toContain("\npath: ../..\ntrain: splits/patient-seed0/train.txt\n");
  });

  it("writes split.json with seed, groups, counts, objective and fingerprint", () => {
    const { description, assignment } = split(makeData("json"));
    const at = writeSplit(description, assignment).folder;
    const summary = JSON.parse(readFileSync(join(at, "split.json"), "utf8"));
    expect(summary).toEqual(JSON.parse(JSON.stringify(summariseSplit(assignment))));
    expect(summary).toMatchObject({
      by: "patient",
      seed: 0,
      ratios: [0.6, 0.2, 0.2],
      folds: null,
      frames: 24,
    });
    expect(summary.parts.flatMap((part: { groups: string[] }) => part.groups).sort()).toEqual(
      Array.from({ length: 6 }, (_, p) => `patient:p${p}`),
    );
    expect(summary.fingerprint).toMatch(/^[0-9a-f]{64}$/);
  });

  it("gives each fold a folder with its own lists", () => {
    const { description, assignment, lists } = split(makeData("folds"), { ratios: undefined, folds: 3 });
    const { folder: at, dataYamls } = writeSplit(description, assignment);
    expect(basename(at)).toBe("patient-seed0-folds3");
    expect(dataYamls).toEqual([1, 2, 3].map((k) => join(at, `fold${k}`, "data.yaml")));
    dataYamls.forEach((file, k) => {
      const { train, val, test } = lists[k];
      expect(framesOf(file)).toEqual({ train: namesOf(train), val: namesOf(val), test: namesOf(test) });
    });
    expect(readFileSync(join(at, "fold1", "test.txt"), "utf8")).toMatch(/^\.\/\.\.\/\.\.\/\.\.\//);
  });

  it("puts the images inline where the split lies outside the data", () => {
    const { description, assignment, lists } = split(makeData("inline"));
    const out = join(folder, "elsewhere", "deep");
    const [file] = writeSplit(description, assignment, { out }).dataYamls;
    expect(file).toBe(join(out, "data.yaml"));
    expect(readdirSync(out).sort()).toEqual(["data.yaml", "split.json"]);
    expect(loadDataDescription(file).root).toBe(description.root);
    const { train, val, test } = lists[0];
    expect(framesOf(file)).toEqual({ train: namesOf(train), val: namesOf(val), test: namesOf(test) });
    expect(existsSync(join(description.root, "splits"))).toBe(false);
  });

  it("says that the same split is there already, and writes over no other", () => {
    const { description, assignment } = split(makeData("twice"));
    const first = writeSplit(description, assignment, { command: "one" });
    const text = readFileSync(first.dataYamls[0], "utf8");
    expect(writeSplit(description, assignment, { command: "two" }).created).toBe(false);
    expect(readFileSync(first.dataYamls[0], "utf8")).toBe(text);
    const other = split(description.file, { ratios: [0.5, 0.25, 0.25] }).assignment;
    expect(() => writeSplit(description, other)).toThrow(
      `${first.folder}: expected no folder, got one with other contents; give another --name, or remove it`,
    );
    expect(writeSplit(description, other, { name: "halves" }).created).toBe(true);
    writeFileSync(join(first.folder, "notes.txt"), "mine");
    expect(() => writeSplit(description, assignment)).toThrow(/got one with other contents/);
    expect(leftovers()).toEqual([]);
  });

  it("takes an empty folder, and no file, for the split", () => {
    const { description, assignment } = split(makeData("empty"));
    const out = join(folder, "empty-out");
    mkdirSync(out);
    expect(writeSplit(description, assignment, { out }).created).toBe(true);
    const file = join(folder, "a-file");
    writeFileSync(file, "");
    expect(() => writeSplit(description, assignment, { out: file })).toThrow(
      `${file}: expected a folder, got a file`,
    );
  });

  it("names --out where the data's folder cannot be written to", () => {
    const { description, assignment } = split(makeData("readonly"));
    chmodSync(description.root, 0o555);
    try {
      expect(() => writeSplit(description, assignment)).toThrow(
        /splits.patient-seed0: expected a data folder that can be written to, got .*; give a folder outside the data with --out DIR$/,
      );
    } finally {
      chmodSync(description.root, 0o755);
    }
    expect(existsSync(join(description.root, "splits"))).toBe(false);
  });

  it("refuses names that are no folder's, and a name beside an out folder", () => {
    const { description, assignment } = split(makeData("names"));
    for (const name of ["", "..", "a/b", "a\\b", ".hidden"]) {
      expect(() => writeSplit(description, assignment, { name })).toThrow(
        /^name: expected the name of a folder/,
      );
    }
    expect(() => writeSplit(description, assignment, { name: "a", out: "b" })).toThrow(
      /^name: expected either/,
    );
  });

  it("refuses a file name that a list cannot hold", () => {
    const yaml = makeData("space");
    const image = join(dirname(yaml), "train", "images", "p0v0f0.jpg");
    renameSync(image, join(dirname(image), "p0v0\nf0.jpg"));
    const { description, assignment } = split(yaml);
    expect(() => writeSplit(description, assignment)).toThrow(
      /expected a file name without line breaks .*; rename/s,
    );
  });
});

describe("a split data set", () => {
  it("is split the same again, whatever split its frames were in", () => {
    const { description, assignment } = split(makeData("again"), { seed: 3 });
    const [file] = writeSplit(description, assignment).dataYamls;
    const again = split(file, { seed: 3 });
    expect(again.assignment.fingerprint).toBe(assignment.fingerprint);
    expect(writeSplit(again.description, again.assignment)).toMatchObject({ created: false });
  });

  it("counts a frame of two splits once", () => {
    const yaml = makeData("both");
    const text = readFileSync(yaml, "utf8").replace(
      "val: valid/images",
      "val: [valid/images, train/images/p0v0f0.jpg]",
    );
    writeFileSync(yaml, text);
    expect(collectFrames(loadDataDescription(yaml))).toHaveLength(24);
  });
});

describe("formatSplit", () => {
  it("shows wanted and reached of every stratum, and every merge", () => {
    const frames = Array.from({ length: 6 }, (_, i) => patientFrames(`p${i}`, 5)).flat();
    const duplicates = [near(frames[0].name, frames[5].name)];
    const lines = formatSplit(summariseSplit(splitFrames(frames, { ...plain, duplicates }))).split("\n");
    expect(lines.slice(0, 5)).toEqual([
      "30 frames in 5 groups by patient",
      "merged patient:p0 and patient:p1: images/p0v01f000.jpg and images/p1v01f000.jpg are near duplicates (3 bits apart, correlation 0.9980)",
      "                                          train               val              test",
      "                        total   wanted  reached   wanted  reached   wanted  reached",
      "frames all                 30     18.0       20      6.0        5      6.0        5",
    ]);
  });
});

describe("echoduet split", () => {
  let yaml: string;
  beforeAll(async () => {
    const out = join(folder, "simulated");
    await simulate({
      out,
      patients: 6,
      clipsPerPatient: 1,
      framesPerClip: 2,
      seed: 1,
      size: { width: 96, height: 72 },
    });
    yaml = join(out, "data.yaml");
  });

  it("compares images, writes lists and prints the balance; a second time it finds them there", async () => {
    const args = ["split", yaml, "--ratios", "0.5,0.25,0.25", "--seed", "7"];
    const { stdout } = await succeed(args);
    const at = join(dirname(yaml), "splits", "patient-seed7");
    expect(stdout).toMatch(/^12 frames in 6 groups by patient\nno duplicates between groups\n/);
    expect(stdout).toContain(`wrote ${join(at, "data.yaml")}\n`);
    const result = await jsonOf<{ created: boolean; duplicatesCompared: boolean; folder: string }>(args);
    expect(result).toMatchObject({ created: false, duplicatesCompared: true, folder: at });
    expect(readFileSync(join(at, "data.yaml"), "utf8")).toContain(
      `# Made by echoduet ${args.join(" ")}, seed 7.`,
    );
    const names = Object.values(framesOf(join(at, "data.yaml"))).flat();
    expect(names.sort()).toEqual(namesOf(collectFrames(loadDataDescription(yaml))));
  });

  it("keeps copies of a picture together, and reports the merge", async () => {
    const copy = join(folder, "copies");
    cpSync(dirname(yaml), copy, { recursive: true });
    rmSync(join(copy, "splits"), { recursive: true, force: true });
    const frames = collectFrames(loadDataDescription(join(copy, "data.yaml")));
    const [first, other] = [frames[0], frames.find(({ patient }) => patient !== frames[0].patient)!];
    cpSync(first.imagePath, other.imagePath);
    const { merges } = await jsonOf<{ merges: { groups: string[]; reason: DuplicatePair }[] }>([
      ...["split", join(copy, "data.yaml"), "--out", join(folder, "copies-split")],
    ]);
    expect(merges).toHaveLength(1);
    expect(merges[0].groups).toEqual([first, other].map(({ patient }) => `patient:${patient}`).sort());
    expect(merges[0].reason).toMatchObject({ kind: "exact", distance: 0 });
  });

  it.each<[string, string[], RegExp]>([
    ["ratios with folds", ["--folds", "3", "--ratios", "0.5,0.25,0.25"], /either --ratios or --folds/],
    ["two ratios", ["--ratios", "0.5,0.5"], /--ratios.*expected three numbers/s],
  ])("refuses %s, telling why", async (_, args, message) => {
    const { code, stdout, stderr } = await runCli(["split", yaml, "--no-images", ...args]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/This is a bug/);
  });

  it("prints JSON alone with --json; warnings go to standard error", async () => {
    const out = resolve(folder, "json-out");
    const { stdout, stderr } = await succeed([
      "split",
      yaml,
      "--no-images",
      "--json",
      "--folds",
      "3",
      "--out",
      out,
    ]);
    expect(JSON.parse(stdout)).toMatchObject({
      folds: 3,
      ratios: null,
      created: true,
      duplicatesCompared: false,
    });
    expect(stderr).toContain("warning: images not compared");
  });
});
