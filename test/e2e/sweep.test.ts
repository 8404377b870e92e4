import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSweep, type Sweep } from "../../src/experiments/index.js";
import { readJournal } from "../../src/experiments/sweep/journal.js";
import { lockHolder } from "../../src/training/index.js";
import {
  eventsOf,
  runCli,
  startCli,
  succeed,
  temporaryFolder,
  tensorHash,
  tinyData,
  words,
} from "../support/cli.js";

const { folder, remove } = temporaryFolder("sweep");
afterAll(remove);
let data: string;
let reference: string;

const training = "size: 64, batch: 6, epochs: 2, warmupEpochs: 1, model: classify-yolov5n, threads: 1";

beforeAll(async () => {
  data = await tinyData(join(folder, "data"));
  reference = join(folder, "reference");
  await succeed(words`train --data ${data} --model classify-yolov5n --out ${reference} --size 64 --batch 6
    --epochs 2 --warmup-epochs 1 --threads 1 --seed 1`);
});

let files = 0;
/** Writes a sweep's file; `rest` is what follows its base. */
function fileOf(rest: string, base = training): string {
  const path = join(folder, `sweep-${++files}.yaml`);
  writeFileSync(path, `name: tiny\nbase: {data: ${data}, ${base}}\n${rest}`);
  return path;
}

const statesOf = ({ runs }: Sweep) => Object.fromEntries(runs.map(({ name, state }) => [name, state]));
const hashOf = (sweep: string, run: string) => tensorHash(join(sweep, "runs", run, "last.safetensors"));

/** Waits until `condition` holds; five minutes at most. */
async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 6000 && !condition(); i++) await pause(50);
  expect(condition()).toBe(true);
}

/** Processes that train the run in `directory`, by its lock; null where none does. */
function trainerOf(directory: string): number | null {
  const lock = join(directory, "run.lock");
  return lockHolder(lock) === null ? null : (JSON.parse(readFileSync(lock, "utf8")) as { pid: number }).pid;
}

describe("a sweep", { timeout: 600_000 }, () => {
  const out = () => join(folder, "whole");
  const asked = "arms: {low: {lr0: 0.001}, bad: {weights: nowhere.pt}}\nseeds: [0, 1]\n";
  let file: string;

  it("tells its cost, trains nothing and makes no directory with --dry-run", async () => {
    file = fileOf(`${asked}budget: {cores: 2}\n`);
    const { stdout, stderr } = await succeed(["sweep", file, "--out", out(), "--dry-run", "--json"]);
    const { phases, runs } = JSON.parse(stdout);
    expect(runs).toHaveLength(4);
    // 16 frames in batches of 6 are 3 steps, over 2 epochs and 4 runs.
    expect(phases).toMatchObject([{ stage: "all", runs: 4, steps: 24 }]);
    expect(phases[0].wallSeconds).toBeGreaterThan(phases[0].seconds / 3);
    expect(stderr).toMatch(/left to do +runs +steps +in a row +side by side\nall +4 +24 /);
    expect(existsSync(out())).toBe(false);
  });

  it("refuses to exceed its budget of hours, with both figures", async () => {
    const greedy = fileOf(`${asked}budget: {cores: 2, hours: 0.000001}\n`);
    const { code, stderr } = await runCli(["sweep", greedy, "--out", out()]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /expected at most 0\.000001 hours \(budget\.hours\), got an estimate of \S+ for 24 steps/,
    );
    expect(existsSync(join(out(), "runs"))).toBe(false);
  });

  it("goes through to its end although a configuration is bad, and exits with 1", async () => {
    const { code, stdout } = await runCli(["sweep", file, "--out", out()]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^failed bad,seed=0 \| .*nowhere\.pt: cannot be read/m);
    expect(stdout).toContain("2 failed: --retry-failed tries them again");
    const sweep = openSweep(out());
    expect(statesOf(sweep)).toEqual({
      "low,seed=0": "finished",
      "low,seed=1": "finished",
      "bad,seed=0": "failed",
      "bad,seed=1": "failed",
    });
    expect(sweep.runs[2].failure).toMatch(/nowhere\.pt/);
    expect(sweep.runs[0].score).toEqual(expect.any(Number));
  });

  it("writes files that standard tools open", () => {
    const [header, ...rows] = readFileSync(join(out(), "table.csv"), "utf8").trimEnd().split("\n");
    expect(header.split(",")).toEqual(
      expect.arrayContaining(["name", "id", "lr0", "seed", "state", "val/accuracy"]),
    );
    expect(rows).toHaveLength(4);
    expect(rows[0]).toMatch(/^"low,seed=0",/);
    for (const line of readFileSync(join(out(), "state.jsonl"), "utf8").trimEnd().split("\n"))
      JSON.parse(line);
  });

  it("keeps paths relative: moved, it opens and goes on, with more runs as well", async () => {
    const moved = join(folder, "moved");
    renameSync(out(), moved);
    const finished = hashOf(moved, "low,seed=1");
    expect(JSON.stringify(openSweep(moved).runs.map(({ directory }) => directory))).not.toContain(out());
    // Another seed is added: what was finished stays as it is.
    writeFileSync(file, readFileSync(file, "utf8").replace("seeds: [0, 1]", "seeds: [0, 1, 2]"));
    await runCli(["sweep", file, "--out", moved]);
    expect(statesOf(openSweep(moved))).toMatchObject({ "low,seed=2": "finished", "bad,seed=0": "failed" });
    expect(hashOf(moved, "low,seed=1")).toBe(finished);
    const started = readJournal(moved).filter(({ type }) => type === "started");
    expect(started).toHaveLength(6);
  });

  it("tries failed runs again on request alone", async () => {
    const moved = join(folder, "moved");
    const before = readJournal(moved).filter(({ type }) => type === "started").length;
    await runCli(["sweep", file, "--out", moved]);
    expect(readJournal(moved).filter(({ type }) => type === "started")).toHaveLength(before);
    const { code } = await runCli(["sweep", file, "--out", moved, "--retry-failed"]);
    expect(code).toBe(1);
    expect(readJournal(moved).filter(({ type }) => type === "retried")).toHaveLength(3);
    expect(readJournal(moved).filter(({ type }) => type === "started")).toHaveLength(before + 3);
  });
});

describe("SIGKILL", { timeout: 600_000 }, () => {
  const long = training.replace("epochs: 2", "epochs: 10");

  it("of the sweep leaves its runs in training; started again, it waits for them and trains none twice", async () => {
    const out = join(folder, "orphans");
    const file = fileOf("seeds: [1, 2]\nbudget: {cores: 2}\n", long);
    const first = startCli(["sweep", file, "--out", out]);
    const directories = [1, 2].map((seed) => join(out, "runs", `base,seed=${seed}`));
    await until(() => directories.every((directory) => trainerOf(directory) !== null));
    const trainers = directories.map(trainerOf);
    first.child.kill("SIGKILL");
    await first.ended;
    expect(directories.map(trainerOf)).toEqual(trainers);
    await succeed(["sweep", file, "--out", out]);
    expect(Object.values(statesOf(openSweep(out)))).toEqual(["finished", "finished"]);
    for (const directory of directories) {
      expect(eventsOf(directory, "start")).toHaveLength(1);
      expect(eventsOf(directory, "epoch")).toHaveLength(10);
    }
    expect(readdirSync(join(out, "runs")).sort()).toEqual(["base,seed=1", "base,seed=2"]);
  });

  it("of a worker, and Ctrl-C, make its run go on from its checkpoint to the weights of an undisturbed one", async () => {
    const out = join(folder, "worker");
    const file = fileOf("seeds: [1]\n", long);
    const directory = join(out, "runs", "base,seed=1");
    const sweep = startCli(["sweep", file, "--out", out]);
    await until(() => existsSync(join(directory, "last.safetensors")));
    process.kill(trainerOf(directory)!, "SIGKILL");
    await until(() => eventsOf(directory, "start").some(({ resumed }) => resumed));
    sweep.child.kill("SIGINT");
    const { code, stderr } = await sweep.ended;
    expect(code).toBe(130);
    expect(stderr).toContain("interrupted; start the sweep again to go on");
    expect(statesOf(openSweep(out))).toEqual({ "base,seed=1": "interrupted" });
    await succeed(["sweep", file, "--out", out]);
    expect(eventsOf(directory, "start").map(({ resumed }) => resumed)).toContain(true);
    expect(hashOf(out, "base,seed=1")).toBe(hashOf(join(folder, "orphans"), "base,seed=1"));
  });
});

describe("stages, halving and folds", { timeout: 600_000 }, () => {
  it("choose by the validation split alone, and write down why", async () => {
    const out = join(folder, "staged");
    const file = fileOf(
      "grid: {lr0: [0.0001, 0.01, 0.02]}\nseeds: [0, 1]\nfolds: {count: 3, images: false}\nmetric: balancedAccuracy\n" +
        "stages: [{name: screen, seeds: [0], folds: [1], keep: 1}, {name: final, seeds: [1], folds: [2], epochs: 1}]\n" +
        "halving: {at: [1], keep: 0.6}\n",
    );
    const { stdout } = await succeed(["sweep", file, "--out", out]);
    expect(stdout).toMatch(/screen after epoch 1: .* of 3 arms go on\nscreen: lr0=\S+ of 2 arms go on/);
    const sweep = openSweep(out);
    const counts = (state: string) => sweep.runs.filter((run) => run.state === state).length;
    expect([counts("finished"), counts("pruned")]).toEqual([2 + 1, 1 + 2]);
    const selected = readJournal(out).filter(({ type }) => type === "selected");
    expect(selected).toHaveLength(2);
    const final = sweep.runs.filter(({ isFinal, state }) => isFinal && state === "finished");
    expect(final.map(({ fold }) => fold)).toEqual([2]);
    expect(final[0].dataYaml).toMatch(/splits\/patient-seed0-folds3\/fold2\/data\.yaml$/);
    const splits = sweep.runs
      .filter(({ state }) => state === "finished")
      .flatMap(({ directory }) => eventsOf(directory, "validation").map(({ split }) => split));
    expect(new Set(splits)).toEqual(new Set(["val"]));
    expect(sweep.testOpened).toEqual([]);
  });
});

/** A file system of 100 MB: room for one run (44 MB), not for two and what the second one writes meanwhile. */
function smallDisk(path: string): (() => void) | null {
  mkdirSync(path);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=100m", "tmpfs", path], { stdio: "ignore" });
    return () => execFileSync("umount", [path]);
  } catch {
    return null;
  }
}

describe("a full disk", { timeout: 600_000 }, () => {
  it("stops the sweep with the remedy, and loses no finished run", async ({ skip }) => {
    const out = join(folder, "disk");
    const unmount = smallDisk(out);
    if (unmount === null) skip("mounting a small file system takes an administrator");
    try {
      const file = fileOf("seeds: [1, 2]\nbudget: {cores: 1}\n");
      const { code, stderr } = await runCli(["sweep", file, "--out", out]);
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /base,seed=2: stopped as the disk is full .*; make room and start the sweep again/,
      );
      expect(Object.values(statesOf(openSweep(out)))).toEqual(["finished", "interrupted"]);
      execFileSync("mount", ["-o", "remount,size=400m", out]);
      await succeed(["sweep", file, "--out", out]);
      expect(Object.values(statesOf(openSweep(out)))).toEqual(["finished", "finished"]);
      expect(hashOf(out, "base,seed=1")).toBe(tensorHash(join(reference, "last.safetensors")));
    } finally {
      unmount?.();
    }
  });
});
