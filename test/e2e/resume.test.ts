import { appendFileSync, existsSync, readdirSync, readFileSync, watch } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RandomStream, randomStream } from "../../src/tensor/index.js";
import { readCheckpoint, readRunInfo } from "../../src/training/index.js";
import {
  eventsOf,
  metricsRows,
  type RunningCli,
  runCli,
  startCli,
  succeed,
  temporaryFolder,
  tensorHash,
  tinyData,
  words,
} from "../support/cli.js";

const { folder, remove } = temporaryFolder("resume");
afterAll(remove);

const epochs = 7;
/** 16 frames in batches of 6: the last step of an epoch has 4. */
const stepsPerEpoch = 3;
const reference = join(folder, "uninterrupted");
const dualReference = join(folder, "uninterrupted-dual");
let data: string;

/** Gradients are accumulated over two steps, so that kills fall between the parts of an update as well. */
const trainArgs = (out: string) =>
  words`train --data ${data} --model joint-yolov5n --out ${out} --size 64 --batch 6 --nominal-batch 12
    --epochs ${epochs} --warmup-epochs 1 --validation-every 2 --checkpoint-every-steps 1 --threads 1 --seed 3`;

/** Two backbones, each with an optimiser, a schedule and clipping of its own. */
const dualArgs = (out: string) => [
  ...trainArgs(out),
  ...words`--model dual-yolov5n --attention se --epochs 4 --optim-detection-schedule linear
    --optim-detection-clip-norm 3 --optim-classification-optimizer adamw --optim-classification-lr0 0.001
    --optim-classification-warmup-epochs 2`,
];

beforeAll(async () => {
  data = await tinyData(join(folder, "data"));
  await succeed(trainArgs(reference));
}, 300_000);

/** A started run goes on from its checkpoint; one killed before it was a run is started again. */
function startOrResume(out: string, args: typeof trainArgs): RunningCli {
  const isRun = existsSync(join(out, "config.yaml"));
  return startCli(isRun ? ["train", "--resume", out] : args(out));
}

/** Resolves when a file that `matches` appears or changes in `directory`, or where the run ends first. */
function fileEvent(directory: string, matches: (name: string) => boolean, { ended }: RunningCli) {
  return new Promise<void>((resolve) => {
    const done = () => {
      watcher.close();
      resolve();
    };
    const watcher = watch(directory, (_type, name) => {
      if (name !== null && matches(name)) done();
    });
    void ended.then(done);
  });
}

/** Resolves once `path` exists, or the run has ended. */
async function appearance(path: string, { child }: RunningCli): Promise<void> {
  while (!existsSync(path) && child.exitCode === null) await pause(5);
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const isTemporaryCheckpoint = (name: string) => /^\.last\.safetensors\.\d+\.tmp$/.test(name);
const isLog = (name: string) => name === "events.jsonl";

/**
 * How a process ends. "start": some time after its beginning, while it loads or compiles. "step": some time
 * after it logged something, in a step, a checkpoint or a validation. "write": the moment a temporary file of
 * the checkpoint appears, while 37 MB are on their way into it.
 */
type Death = "start" | "step" | "write";
const deaths: readonly Death[] = ["step", "write", "start", "write", "step"];

/** Processes that were killed, and how many of them left a half-written checkpoint behind. */
interface Tally {
  kills: number;
  torn: number;
}

/** Kills `run`, which trains in `out`, as `death` says; the times are drawn from `random`. */
async function kill(run: RunningCli, out: string, death: Death, random: RandomStream, tally: Tally) {
  if (death === "start") await pause(random.uniform(0, 2000));
  else {
    await fileEvent(out, isLog, run);
    await pause(random.uniform(0, 500));
    if (death === "write") await fileEvent(out, isTemporaryCheckpoint, run);
  }
  run.child.kill("SIGKILL");
  if ((await run.ended).signal === "SIGKILL") tally.kills++;
  // By its own process: one killed at its start leaves those of its forerunner where they are.
  if (existsSync(join(out, `.last.safetensors.${run.child.pid}.tmp`))) tally.torn++;
}

/** A training in `out` whose first six processes are killed; the seventh goes on to the end. */
async function trainThroughKills(out: string, seed: number, tally: Tally, args = trainArgs): Promise<void> {
  const random = randomStream(seed, "kills");
  const first = startCli(args(out));
  await appearance(join(out, "run.json"), first);
  await kill(first, out, "start", random, tally);
  for (const death of random.shuffled(deaths))
    await kill(startOrResume(out, args), out, death, random, tally);
  const { code, stderr } = await startOrResume(out, args).ended;
  expect(code, stderr).toBe(0);
}

/** The run in `out` has the tensors, the metrics and the log of steps of the uninterrupted one. */
function expectSameEnd(out: string, reference: string): void {
  for (const file of ["last.safetensors", "best.safetensors"]) {
    expect(tensorHash(join(out, file)), file).toBe(tensorHash(join(reference, file)));
  }
  expect(metricsRows(out)).toEqual(metricsRows(reference));
  const steps = (run: string) => eventsOf(run, "step").map(({ time: _, ...event }) => event);
  expect(steps(out)).toEqual(steps(reference));
  const leftovers = readdirSync(out).filter((name) => name.endsWith(".tmp") || name.endsWith(".lock"));
  expect(leftovers).toEqual([]);
}

describe("the uninterrupted run", () => {
  it("logs every step once, its learning included", () => {
    const steps = eventsOf(reference, "step");
    expect(steps.map(({ step }) => step)).toEqual(
      Array.from({ length: epochs * stepsPerEpoch }, (_, i) => i + 1),
    );
    expect(new Set(steps.map(({ losses }) => losses.detection)).size).toBe(steps.length);
    expect(metricsRows(reference)).toHaveLength(epochs);
  });
});

describe("SIGKILL", { timeout: 400_000 }, () => {
  it("24 times in four runs, some in the middle of a checkpoint, changes no bit of their ends", async () => {
    const out = (seed: number) => join(folder, `killed-${seed}`);
    const tally: Tally = { kills: 0, torn: 0 };
    for (const pair of [
      [1, 2],
      [3, 4],
    ]) {
      await Promise.all(pair.map((seed) => trainThroughKills(out(seed), seed, tally)));
    }
    expect(tally.kills).toBeGreaterThanOrEqual(20);
    expect(tally.torn).toBeGreaterThanOrEqual(5);
    for (const seed of [1, 2, 3, 4]) expectSameEnd(out(seed), reference);
  });

  it("of a dual model with two optimisers changes no bit of its end", async () => {
    await succeed(dualArgs(dualReference));
    const { tensors } = readCheckpoint(join(dualReference, "last.safetensors"));
    for (const slot of ["velocity/detection.weight", "mean/classification.weight"]) {
      expect(
        tensors.get(`training/${slot}`)?.data.some((value) => value !== 0),
        slot,
      ).toBe(true);
    }
    const out = join(folder, "killed-dual");
    const tally: Tally = { kills: 0, torn: 0 };
    await trainThroughKills(out, 5, tally, dualArgs);
    expect(tally.kills).toBeGreaterThanOrEqual(4);
    expectSameEnd(out, dualReference);
  });
});

describe("Ctrl-C", () => {
  it("saves, says how to go on, and exits with 130; resuming ends in the same weights", async () => {
    const out = join(folder, "interrupted");
    const run = startCli(trainArgs(out));
    while (!existsSync(join(out, "last.safetensors")))
      await new Promise((resolve) => setTimeout(resolve, 20));
    run.child.kill("SIGINT");
    const { code, stdout, stderr } = await run.ended;
    expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
    expect(stderr).toContain("interrupted: saving a checkpoint after this step");
    expect(stderr).toMatch(new RegExp(`echoduet: interrupted at step \\d+; resume with --resume ${out}\n$`));
    expect(eventsOf(out, "checkpoint").at(-1)).toMatchObject({ reason: "interrupted" });

    const { stdout: json } = await succeed(["train", "--resume", out, "--json"]);
    expect(JSON.parse(json)).toMatchObject({ run: out, reason: "completed", epochs });
    expectSameEnd(out, reference);
  });
});

describe("--resume", () => {
  it("of a completed run changes nothing", async () => {
    const before = readFileSync(join(reference, "last.safetensors"));
    const { stdout } = await succeed(["train", "--resume", reference, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ reason: "completed", epochs });
    expect(readFileSync(join(reference, "last.safetensors")).equals(before)).toBe(true);
    expect(metricsRows(reference)).toHaveLength(epochs);
  });

  it("takes no other options", async () => {
    const { code, stderr } = await runCli(words`train --resume ${reference} --epochs 9 --lr0 0.1`);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^echoduet: --resume: takes the run's own configuration, got epochs, lr0 as well; leave them out, or start a new run\n$/,
    );
  });

  it("refuses a folder without a run", async () => {
    const { code, stderr } = await runCli(["train", "--resume", folder]);
    expect(code).toBe(1);
    expect(stderr).toBe(`echoduet: ${folder}: expected a run, got no config.yaml there; check the path\n`);
  });

  // Last, because it changes the data.
  it("refuses data that have changed, and leaves the run as it was", async () => {
    const images = join(folder, "data", "train", "images");
    const label = readdirSync(images)[0].replace(/\.jpg$/, ".txt");
    appendFileSync(join(folder, "data", "train", "labels", label), "0 0.5 0.5 0.25 0.25\n");
    const before = tensorHash(join(reference, "last.safetensors"));
    const { code, stderr } = await runCli(["train", "--resume", reference]);
    expect(code).toBe(1);
    const { fingerprint } = readRunInfo(reference).data;
    expect(stderr).toContain(`${data}: expected the data that the run began with`);
    expect(stderr).toContain(fingerprint.slice(0, 12));
    expect(stderr).toContain("restore them, or start a new run");
    expect(tensorHash(join(reference, "last.safetensors"))).toBe(before);
  });
});
