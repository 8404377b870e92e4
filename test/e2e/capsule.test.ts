import { appendFileSync, cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Capsule, readCapsule, type ReplayReport } from "../../src/experiments/index.js";
import { jsonOf, programCache, runCli, succeed, temporaryFolder, tinyData, words } from "../support/cli.js";

const { folder, remove } = temporaryFolder("capsule");
afterAll(remove);

const run = join(folder, "run");
const file = join(run, "capsule.json");
const moved = join(folder, "elsewhere", "data.yaml");
let data: string;

beforeAll(async () => {
  // A replay on another machine finds nothing in its cache.
  programCache.folder = "off";
  data = await tinyData(join(folder, "data"));
  await succeed(words`train --data ${data} --model joint-yolov5n --out ${run} --size 64 --batch 4 --epochs 2
    --warmup-epochs 1 --balancer gradnorm --fraction 0.8 --threads 1 --seed 4`);
});

/** A capsule with `change` made in it, as a file. */
function changed(name: string, change: (capsule: Capsule) => void): string {
  const capsule = readCapsule(file);
  change(capsule);
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify(capsule));
  return path;
}

describe("capsule", () => {
  it("holds configuration, seeds, split lists, fingerprints, versions, trajectory and hashes, and no image", async () => {
    const summary = await jsonOf<{ file: string; frames: object; steps: number }>(["capsule", run]);
    expect(summary).toMatchObject({ file, steps: 6, epochs: 2, frames: { val: 4, test: 4 } });
    const capsule = readCapsule(file);
    expect(capsule.config).toMatchObject({ seed: 4, balancer: "gradnorm", threads: 1, fraction: 0.8 });
    expect(capsule.environment).toMatchObject({
      echoduet: expect.any(String),
      onnxruntime: expect.any(String),
    });
    expect(capsule.data.train.frames[0]).toEqual({ name: expect.any(String), patient: expect.any(String) });
    expect(capsule.steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(new Set(capsule.steps.map(({ taskWeights }) => taskWeights.detection)).size).toBeGreaterThan(1);
    expect(Object.keys(capsule.checkpoints.last.tensors).length).toBeGreaterThan(100);
    expect(readFileSync(file).length).toBeLessThan(500_000);
  });

  it("refuses a run that has not ended, and a folder that is none", async () => {
    const unfinished = join(folder, "unfinished");
    cpSync(run, unfinished, { recursive: true });
    const log = readFileSync(join(run, "events.jsonl"), "utf8").trimEnd().split("\n");
    writeFileSync(join(unfinished, "events.jsonl"), `${log.slice(0, -1).join("\n")}\n`);
    const { code, stderr } = await runCli(["capsule", unfinished]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/expected a finished run, got one that has not ended/);
    expect((await runCli(["capsule", folder])).stderr).toMatch(/got no events\.jsonl there/);
  });
});

describe("replay", () => {
  const replay = (capsule: string, ...more: string[]) =>
    runCli(["replay", capsule, "--data", moved, "--out", join(folder, "replay"), "--json", ...more]);

  it("of the same data in another folder is identical, to the bit", async () => {
    cpSync(join(folder, "data"), join(folder, "elsewhere"), { recursive: true });
    const { code, stdout, stderr } = await replay(file);
    expect(code, stderr).toBe(0);
    const report = JSON.parse(stdout) as ReplayReport;
    expect(report).toMatchObject({ identical: true, steps: 6, difference: null, environment: [] });
  });

  it("names the first step that differs, and what is other on this machine", async () => {
    const other = changed("other", ({ steps, environment }) => {
      steps[3].losses.detection = 0.5;
      steps[4].losses.classification = 0.5;
      environment.processor = "another processor";
    });
    const { code, stdout } = await replay(other);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      identical: false,
      difference: { place: "step 4: losses.detection", capsule: "0.5" },
      environment: [{ place: "processor", capsule: "another processor" }],
    });
  });

  it("names the first tensor that differs", async () => {
    const other = changed("tensor", ({ checkpoints: { last } }) => {
      last.tensors[Object.keys(last.tensors)[5]] = "0".repeat(64);
    });
    const { code, stdout } = await replay(other);
    expect(code).toBe(1);
    const { tensors } = readCapsule(file).checkpoints.last;
    expect(JSON.parse(stdout)).toMatchObject({
      difference: { place: `last.safetensors: ${Object.keys(tensors)[5]}`, capsule: "0".repeat(64) },
    });
  });

  it("trains nothing on other data, without the weights, or from a damaged capsule", async () => {
    const started = changed("weights", ({ weights }) => {
      weights.weights = "0".repeat(64);
    });
    expect((await replay(started)).stderr).toMatch(
      /expected the weights file with SHA-256 0{12}, got none; .*--weights/,
    );
    const torn = join(folder, "torn.json");
    writeFileSync(torn, readFileSync(file).subarray(0, 1000));
    expect((await replay(torn)).stderr).toMatch(
      /torn\.json: expected JSON, got a damaged file; pack it again/,
    );
    const labels = join(folder, "elsewhere", "valid", "labels");
    appendFileSync(join(labels, readdirSync(labels)[0]), "0 0.5 0.5 0.25 0.25\n");
    const { code, stderr } = await replay(file);
    expect(code).toBe(1);
    expect(stderr).toMatch(/expected val images and labels with the fingerprint \w{12}, got \w{12}/);
  });
});
