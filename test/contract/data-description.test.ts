import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listFrames, loadDataDescription, resolveSplit } from "../../src/data/index.js";
import { EchoDuetError } from "../../src/errors.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "echoduet-description-"));
  mkdirSync(join(folder, "config"));
  mkdirSync(join(folder, "elsewhere", "train", "images"), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(text: string): string {
  const file = join(folder, "config", "data.yaml");
  writeFileSync(file, text);
  return file;
}

function fault(text: string): string {
  try {
    loadDataDescription(write(text));
  } catch (error) {
    expect(error).toBeInstanceOf(EchoDuetError);
    expect((error as EchoDuetError).code).toBe("data");
    return (error as Error).message;
  }
  throw new Error(`no error for ${text}`);
}

describe("data.yaml", () => {
  it("keeps the meaning of Ultralytics' keys, a path elsewhere included", () => {
    const file = write(
      "path: ../elsewhere\ntrain: train/images\nval: [a/images, b/images]\ntest:\nnc: 2\n" +
        "names:\n  0: person\n  1: car\ndownload: https://example.org/x.zip\nyaml_file: x.yaml\n",
    );
    const root = join(folder, "elsewhere");
    expect(loadDataDescription(file)).toEqual({
      file,
      root,
      names: ["person", "car"],
      views: [],
      groups: {},
      rules: null,
      unlabelled: "negative",
      splits: {
        train: [join(root, "train/images")],
        val: [join(root, "a/images"), join(root, "b/images")],
      },
    });
  });

  it("reads views, groups and unlabelled, and takes its own folder without a path", () => {
    const description = loadDataDescription(
      write(
        "train: images\nnames: [AR, 1, yes]\nviews: [A4C, PSAX]\nunlabelled: mask\n" +
          "groups:\n  patient: '^(?:[a-z]+-)?(p\\d+)'\n  video: '^(p\\d+v\\d+)'\n",
      ),
    );
    expect(description.root).toBe(join(folder, "config"));
    expect(description.names).toEqual(["AR", "1", "yes"]);
    expect(description.views).toEqual(["A4C", "PSAX"]);
    expect(description.unlabelled).toBe("mask");
    expect(description.groups.patient?.exec("p07v03f0012.jpg")?.[1]).toBe("p07");
    expect(description.groups.video?.exec("p07v03f0012.jpg")?.[1]).toBe("p07v03");
  });

  it("accepts a path of its own folder and entries with dots that stay inside", () => {
    const { splits, root } = loadDataDescription(write("path: .\ntrain: a/../images\nnames: [x]\n"));
    expect(splits.train).toEqual([join(root, "images")]);
  });

  it.each(["", "names:\n", "names: []\n"])("needs no names where there are views: %j", (names) => {
    const { names: read, views } = loadDataDescription(write(`train: i\n${names}views: [A4C, PSAX]\n`));
    expect(read).toEqual([]);
    expect(views).toEqual(["A4C", "PSAX"]);
  });

  it("without names reads view lines, and asks for names at the first box", () => {
    const images = join(folder, "config", "plain", "images");
    const labels = join(folder, "config", "plain", "labels");
    for (const made of [images, labels]) mkdirSync(made, { recursive: true });
    for (const name of ["a", "b"]) writeFileSync(join(images, `${name}.png`), "");
    writeFileSync(join(labels, "a.txt"), "0 1\n");
    writeFileSync(join(labels, "b.txt"), "1 0\n");
    const description = loadDataDescription(write("train: plain/images\nviews: [A4C, PSAX]\n"));
    expect(listFrames(description, "train").map(({ view }) => view)).toEqual([1, 0]);
    writeFileSync(join(labels, "b.txt"), "1 0\n2 0.5 0.5 0.2 0.2\n");
    expect(() => listFrames(description, "train")).toThrow(
      /b\.txt:2: expected a view line.*no `names`, got the box `2 0\.5 .*; declare the classes of the boxes/,
    );
  });

  const faults: [string, RegExp][] = [
    [
      "train: images\nnames: [a]\nvalid: x\n",
      /data\.yaml:3: valid: unknown key valid; known keys are path, train, val/,
    ],
    [
      "train: i\nnames: [a]\ngroups: {clip: '(a)'}\n",
      /data\.yaml:3: groups\.clip: unknown key clip; known keys are patient, video/,
    ],
    ["train: images\n", /data\.yaml: names: expected at least one name, got none; only data with `views`/],
    ["train: images\nnames: []\n", /data\.yaml:2: names: expected at least one name, got none/],
    ["train: images\nviews: []\n", /names: expected at least one name, got none/],
    ["train: images\nviews: [A4C]\nnc: 4\n", /data\.yaml:3: nc: expected 0, the number of names, got 4/],
    ["train: images\nnames: a\n", /data\.yaml:2: names: expected a list of names/],
    ["train: images\nnames: {0: a, 2: b}\n", /names: expected the indices 0\.\.1, got 0, 2/],
    ["train: images\nnames: [a, b, a]\n", /names: expected distinct names, got "a" twice/],
    [
      "train: images\nnames: [a]\nviews: [v, v]\n",
      /data\.yaml:3: views: expected distinct names, got "v" twice/,
    ],
    ["train: images\nnames: [a]\nnc: 80\n", /data\.yaml:3: nc: expected 1, the number of names, got 80/],
    ["train: images\nnames: [a]\nunlabelled: drop\n", /data\.yaml:3: unlabelled: .*"negative"\|"mask"/],
    ["train: i\nnames: [a]\nrules: [a]\n", /data\.yaml:3: rules: expected a map from a view to the list/],
    [
      "train: i\nnames: [AR]\nviews: [A4C]\nrules: {PLAX: [AR]}\n",
      /data\.yaml:4: rules\.PLAX: expected one of the views A4C, got PLAX/,
    ],
    [
      "train: i\nnames: [AR]\nrules: {PLAX: [MR]}\n",
      /rules\.PLAX: expected classes of `names` \(AR\), got MR/,
    ],
    [
      "train: 3\nnames: [a]\n",
      /data\.yaml:1: train: expected a folder, a \.txt list of images, an image, or a list of those/,
    ],
    ["train: []\nnames: [a]\n", /data\.yaml:1: train: expected a folder/],
    ["names: [a]\n", /data\.yaml: expected at least one of train, val and test, got none/],
    [
      "path: nowhere\ntrain: i\nnames: [a]\n",
      /data\.yaml:1: path: expected an existing folder, got .*nowhere/,
    ],
    [
      "train: i\nnames: [a]\ngroups: {patient: '('}\n",
      /data\.yaml:3: groups\.patient: expected a regular expression, got \(/,
    ],
    ["train: i\nnames: [a]\ngroups: {patient: 'p\\d+'}\n", /groups\.patient: expected a capture group/],
    [
      "train: ../../images\nnames: [a]\n",
      /data\.yaml:1: train: expected a place inside .*config, got \.\.\/\.\.\/images/,
    ],
    ["train: ..\nnames: [a]\n", /train: expected a place inside/],
    ["train: /etc\nnames: [a]\n", /train: expected a place inside/],
    [
      "path: ../elsewhere\nval: [ok, ../config]\nnames: [a]\n",
      /val: expected a place inside .*elsewhere, got \.\.\/config/,
    ],
    ["- a\n- b\n", /expected a map with the keys path, train/],
    ["", /expected a map with the keys/],
    ["train: images\nnames: [a, b\nval: x\n", /data\.yaml:\d+: not valid YAML: /],
    ["train: images\nnames: [a]\ntrain: again\n", /data\.yaml:3: not valid YAML: Map keys must be unique/],
  ];
  it.each(faults)("refuses %j", (text, pattern) => {
    expect(fault(text)).toMatch(pattern);
  });

  it("reports every problem at once", () => {
    const lines = fault("train: 3\nnames: [a, a]\nfoo: 1\nnc: many\n").split("\n");
    expect(lines).toHaveLength(4);
    for (const key of ["train", "names", "foo", "nc"]) {
      expect(lines.some((line) => line.includes(`: ${key}: `))).toBe(true);
    }
  });

  it("names a file that is not there", () => {
    expect(() => loadDataDescription(join(folder, "none.yaml"))).toThrow(/none\.yaml: expected a readable/);
  });
});

describe("resolveSplit", () => {
  it("knows the splits and `valid`", () => {
    expect(["train", "val", "valid", "test"].map(resolveSplit)).toEqual(["train", "val", "val", "test"]);
    expect(() => resolveSplit("dev")).toThrow(/expected train, val, valid or test, got "dev"/);
  });
});
