import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ConvertReport } from "../../src/data/formats/index.js";
import { listFrames, loadDataDescription } from "../../src/data/index.js";
import { jsonOf, runCli, startCli, succeed, temporaryFolder, tinyData, words } from "../support/cli.js";
import { type CocoEntry, cocoText } from "../support/coco.js";

const { folder, remove } = temporaryFolder("convert-cli");
afterAll(remove);
const at = (...parts: string[]) => join(folder, ...parts);
let data: string;
beforeAll(async () => {
  data = await tinyData(at("data"));
});

const contents = (yaml: string, split: "train" | "val" | "test") =>
  listFrames(loadDataDescription(yaml), split).map(({ name, boxes, view }) => ({ name, boxes, view }));

describe("convert", () => {
  it("writes simulated data in the canonical layout, with pictures, and reports on standard output", async () => {
    const { stdout } = await succeed(words`convert ${data} --out ${at("plain")} --check 3`);
    expect(stdout).toMatch(/^before +24 +0 +24 +24 +0$/m);
    expect(stdout).toMatch(/^after +24 +0 +24 +24 +0$/m);
    expect(stdout.trimEnd().endsWith(`written: ${at("plain")}`)).toBe(true);
    expect(readdirSync(at("plain")).sort()).toEqual([
      "check",
      "convert.json",
      "data.yaml",
      "test",
      "train",
      "valid",
    ]);
    expect(readdirSync(at("plain/check"))).toHaveLength(3);
    for (const split of ["train", "val", "test"] as const) {
      expect(contents(at("plain/data.yaml"), split)).toEqual(contents(data, split));
    }
  });

  it("turns COCO files into the labels that they were made of", async () => {
    const description = loadDataDescription(data);
    const { names, views } = description;
    const files = (["train", "val"] as const).flatMap((split) => {
      const entries = listFrames(description, split).map(({ name, boxes, view }): CocoEntry => {
        const [category, cx, cy, w, h] = boxes;
        const box = [(cx - w / 2) * 96, (cy - h / 2) * 72, w * 96, h * 72];
        return {
          name,
          width: 96,
          height: 72,
          shapes: [{ category: names[category], box }],
          view: views[view],
        };
      });
      writeFileSync(at(`${split}.json`), cocoText(entries, [...names, ...views]));
      return [`--${split}`, at(`${split}.json`)];
    });
    const given = words`convert --images ${at("data")} --views A4C,PSAX,PLAX --out ${at("coco")} --check 1`;
    const report = await jsonOf<ConvertReport>([...given, ...files]);
    expect(report).toMatchObject({ out: at("coco"), names, views, drops: [], changes: [] });
    expect(report.after).toEqual({ image: 20, box: 20, polygon: 0, view: 20, other: 0 });
    for (const split of ["train", "val"] as const) {
      const [before, after] = [contents(data, split), contents(at("coco/data.yaml"), split)];
      expect(after.map(({ name, view }) => ({ name, view }))).toEqual(
        before.map(({ name, view }) => ({ name, view })),
      );
      after.forEach(({ boxes }, i) => {
        boxes.forEach((value, j) => {
          expect(value).toBeCloseTo(before[i].boxes[j], 5);
        });
      });
    }
  });

  it("refuses to drop anything, lists it, and exits with 1 unless told otherwise", async () => {
    const source = at("faulty");
    await succeed(words`convert ${data} --out ${source} --check 0`);
    const label = join(source, "train/labels", readdirSync(join(source, "train/labels")).sort()[0]);
    writeFileSync(label, `${readFileSync(label, "utf8")}9 0.5 0.5 0.1 0.1\n`);
    const arguments_ = words`convert ${join(source, "data.yaml")} --out ${at("kept")} --check 0`;
    const refused = await runCli(arguments_);
    expect([refused.code, existsSync(at("kept"))]).toEqual([1, false]);
    expect(refused.stdout).toContain(`dropped other: ${label}:4: expected a class index in 0..3`);
    expect(refused.stderr).toMatch(
      /echoduet: .*kept: not written, since 1 parts? of the source would be dropped/,
    );
    const json = await runCli([...arguments_, "--json"]);
    expect([json.code, JSON.parse(json.stdout).out]).toEqual([1, null]);
    await succeed([...arguments_, "--allow-drops"]);
    expect(JSON.parse(readFileSync(at("kept/convert.json"), "utf8")).drops).toHaveLength(1);
  });

  it.each<["SIGKILL" | "SIGINT", number | null]>([
    ["SIGKILL", null],
    ["SIGINT", 130],
  ])("leaves nothing half-written after a %s", async (signal, code) => {
    const out = at(`killed-${signal}`);
    const { child, ended } = startCli(words`convert ${data} --out ${out} --check 24`);
    const partial = () => readdirSync(folder).filter((name) => name.startsWith(`.killed-${signal}.partial-`));
    while (partial().length === 0 && child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 2));
    child.kill(signal);
    const result = await ended;
    expect(existsSync(out)).toBe(false);
    expect(result.code).toBe(code);
    if (signal === "SIGINT") expect(partial()).toEqual([]);
  });

  it("explains wrong command lines", async () => {
    const both = await runCli(words`convert ${data} --train x.json --out ${at("x")}`);
    expect([both.code, both.stdout]).toEqual([1, ""]);
    expect(both.stderr).toMatch(/expected a data\.yaml or COCO files, got .*data\.yaml and --train/);
    const none = await runCli(words`convert --out ${at("x")}`);
    expect(none.stderr).toMatch(/expected a data\.yaml, or COCO files/);
    const missing = await runCli(words`convert --train ${at("none.json")} --out ${at("x")}`);
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringMatching(/none\.json: cannot be read/)]);
  });
});
