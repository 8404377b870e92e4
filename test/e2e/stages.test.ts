import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import type { ImagePrediction, ValidationReport } from "../../src/serving/index.js";
import { type RandomStream, randomStream } from "../../src/tensor/index.js";
import { readCheckpoint, type StagedResult } from "../../src/training/index.js";
import {
  eventsOf,
  jsonOf,
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

const { folder, remove } = temporaryFolder("stages");
afterAll(remove);
const at = (...parts: string[]) => join(folder, ...parts);

/** The example's four stages, made short: what is tested is the example itself. */
const example = fileURLToPath(new URL("../../examples/three-stages.yaml", import.meta.url));
const epochs = [2, 1, 2, 1];
const file = at("stages.yaml");
const folders = words`1-detection 2-classification 3-joint 4-heads`;
const names = words`detection classification joint heads`;
const reference = at("reference");
let data: string;
let result: StagedResult;
let shown: string;

/** Gradients are accumulated over two steps, so that kills fall between the parts of an update as well. */
const trainArgs = (out: string) =>
  words`train --config ${file} --data ${data} --out ${out} --size 64 --batch 8 --nominal-batch 16
    --checkpoint-every-steps 1 --threads 1 --seed 3`;

beforeAll(async () => {
  data = await tinyData(at("data"));
  const values = parse(readFileSync(example, "utf8"));
  expect(values.stages.map(({ name }: { name: string }) => name)).toEqual(names);
  for (const [i, stage] of values.stages.entries())
    Object.assign(stage, { epochs: epochs[i], warmupEpochs: 0 });
  writeFileSync(file, stringify(values));
  const { stdout, stderr } = await succeed([...trainArgs(reference), "--json"]);
  result = JSON.parse(stdout);
  shown = stderr;
}, 300_000);

/** Every stage of `out` has the tensors, the metrics and the steps of the uninterrupted one. */
function expectSameEnd(out: string): void {
  for (const stage of folders) {
    for (const name of ["last.safetensors", "best.safetensors"]) {
      expect(tensorHash(join(out, stage, name)), `${stage} ${name}`).toBe(
        tensorHash(join(reference, stage, name)),
      );
    }
    expect(metricsRows(join(out, stage))).toEqual(metricsRows(join(reference, stage)));
    const steps = (run: string) => eventsOf(join(run, stage), "step").map(({ time: _, ...event }) => event);
    expect(steps(out)).toEqual(steps(reference));
  }
  const finished = (run: string) => JSON.parse(readFileSync(join(run, "stages.json"), "utf8")).finished;
  expect(finished(out)).toEqual(finished(reference));
  expect(readdirSync(out).sort()).toEqual([...folders, "stages.json", "stages.yaml"]);
}

describe("a training in stages", () => {
  it("gives the result of each stage, and says which one it trains", () => {
    expect(result.run).toBe(reference);
    expect(result.stages).toMatchObject(
      names.map((name, i) => ({
        name,
        run: join(reference, folders[i]),
        reason: "completed",
        epochs: epochs[i],
        leakage: [],
      })),
    );
    expect(Object.keys(result.stages[0].metrics)).toEqual(
      words`map50 map50_95 precision recall f1 confidence`,
    );
    expect(result.stages[3].metrics).toEqual(
      readCheckpoint(join(reference, "4-heads", "last.safetensors")).metadata.metrics,
    );
    for (const [i, name] of names.entries()) {
      expect(shown).toContain(`\nstage ${i + 1} of 4: ${name}\n`.slice(i === 0 ? 1 : 0));
      expect(shown).toContain(`stage ${i + 1}/4 | epoch 1/${epochs[i]} | `);
    }
  });

  it("is a run a stage, which by hand, with the same options, comes to the same weights", async () => {
    const { stages: _, ...base } = parse(readFileSync(file, "utf8"));
    const joint = parse(readFileSync(join(reference, "3-joint", "config.yaml"), "utf8"));
    expect(joint).toMatchObject({
      ...{ detectionWeights: join(reference, "1-detection", "last.safetensors"), weights: null },
      ...{ classificationWeights: join(reference, "2-classification", "last.safetensors"), seed: 3 },
      ...{ epochs: 2, lr0: 0.002, branch: "both", attention: base.attention },
    });
    expect(joint.optim.classification).toMatchObject({ optimizer: "adamw", lr0: 0.0002 });
    const { out: __, ...options } = joint;
    writeFileSync(at("by-hand.yaml"), stringify(options));
    await succeed(words`train --config ${at("by-hand.yaml")} --out ${at("by-hand")}`);
    expect(tensorHash(at("by-hand", "last.safetensors"))).toBe(
      tensorHash(join(reference, "3-joint", "last.safetensors")),
    );
  });

  it("starts the last stage from the joint one, and moves its heads alone", () => {
    const tensorsOf = (stage: string) => readCheckpoint(join(reference, stage, "last.safetensors")).tensors;
    const [before, after] = [tensorsOf("3-joint"), tensorsOf("4-heads")];
    const own = [...after].filter(([name]) => !name.startsWith("training/"));
    const moved = own.filter(
      ([name, { data }]) =>
        !Buffer.from(data.buffer, data.byteOffset, data.byteLength).equals(
          Buffer.from(before.get(name)!.data.slice().buffer),
        ),
    );
    expect(moved.length).toBeGreaterThan(0);
    for (const [name] of moved) expect(name).toMatch(/^(model\.24\.|classifier\.(conv|linear)\.)/);
  });

  it("is for val and predict the model of its last finished stage", async () => {
    const { provenance } = await jsonOf<ValidationReport>(
      words`val --weights ${reference} --data ${data} --threads 1`,
    );
    expect(provenance.checkpoint).toBe(join(reference, "4-heads", "best.safetensors"));
    const images = join(folder, "data", "test", "images");
    const predictions = await jsonOf<ImagePrediction[]>(
      words`predict --weights ${reference} --source ${images} --threads 1`,
    );
    expect(predictions).toHaveLength(4);
  });

  it("that is finished says so", async () => {
    const before = readFileSync(join(reference, "stages.json"), "utf8");
    const { stdout, stderr } = await succeed(["train", "--resume", reference, "--json"]);
    expect(JSON.parse(stdout)).toEqual(result);
    expect(stderr).toBe(`${reference}: all 4 stages are finished; nothing is left to train\n`);
    expect(readFileSync(join(reference, "stages.json"), "utf8")).toBe(before);
  });

  it("is refused before anything is made where a stage does not fit", async () => {
    const values = parse(readFileSync(file, "utf8"));
    values.stages[1].freeze = "all";
    writeFileSync(at("unfit.yaml"), stringify(values));
    const args = words`train --config ${at("unfit.yaml")} --data ${data} --out ${at("unfit")} --size 64`;
    const { code, stderr } = await runCli(args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^echoduet: stages\.1: freeze: expects parameters left to train/);
    expect(existsSync(at("unfit"))).toBe(false);
  });
});

/** A copy of the uninterrupted training of which stages from `index` on are not on record. */
function copyUpTo(out: string, index: number): string {
  cpSync(reference, out, { recursive: true });
  const info = join(out, "stages.json");
  const values = JSON.parse(readFileSync(info, "utf8"));
  writeFileSync(info, JSON.stringify({ ...values, finished: values.finished.slice(0, index) }));
  return out;
}

describe("--resume", () => {
  it("makes anew a stage whose folder was being made", async () => {
    const out = copyUpTo(at("being-made"), 3);
    const last = join(out, "4-heads");
    const info = readFileSync(join(last, "run.json"));
    rmSync(last, { recursive: true });
    mkdirSync(last);
    writeFileSync(join(last, "run.json"), info);
    writeFileSync(join(last, ".config.yaml.1.tmp"), "mod");
    await succeed(["train", "--resume", out]);
    expectSameEnd(out);
    expect(readdirSync(last).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("puts on record a stage that had ended", async () => {
    const out = copyUpTo(at("ended"), 3);
    await succeed(["train", "--resume", out]);
    expectSameEnd(out);
  });

  it("refuses data that have changed, between stages too", async () => {
    const out = copyUpTo(at("other-data"), 3);
    const file = join(out, "stages.json");
    const { data: origin, ...info } = JSON.parse(readFileSync(file, "utf8"));
    const began = "0".repeat(64);
    writeFileSync(file, JSON.stringify({ ...info, data: { ...origin, fingerprint: began } }));
    const { code, stderr } = await runCli(["train", "--resume", out]);
    expect(code).toBe(1);
    expect(stderr).toContain("expected the data that the run began with (fingerprint 000000000000)");
  });

  it("takes no model of a training without a finished stage", async () => {
    const out = copyUpTo(at("none"), 0);
    const { code, stderr } = await runCli(words`val --weights ${out} --data ${data}`);
    expect(code).toBe(1);
    expect(stderr).toContain(`${out}: expected a run with a finished stage, got none yet`);
  });

  it("after Ctrl-C goes on in the stage that was interrupted", async () => {
    const out = at("interrupted");
    const run = startCli(trainArgs(out));
    while (!existsSync(join(out, "2-classification", "last.safetensors"))) await pause(5);
    run.child.kill("SIGINT");
    const { code, stderr } = await run.ended;
    expect(code, stderr).toBe(130);
    expect(stderr).toMatch(
      new RegExp(`echoduet: interrupted in stage \\d of 4, \\w+; resume with --resume ${out}\n$`),
    );
    await succeed(["train", "--resume", out]);
    expectSameEnd(out);
  });
});

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/**
 * How a process ends. "start": some time after its beginning. "step": some time after it logged something. "write":
 * while a checkpoint is written. "made": when the folder of a stage appears. "between": when a stage is put on record.
 */
type Death = "start" | "step" | "write" | "made" | "between";
const deaths: readonly Death[] = ["start", "made", "step", "between", "write", "made"];
const moments: Record<Exclude<Death, "start">, RegExp> = {
  step: /events\.jsonl$/,
  write: /\.last\.safetensors\.\d+\.tmp$/,
  made: /^\d-\w+$/,
  between: /^(\.stages\.json\.\d+\.tmp|stages\.json)$/,
};

/** The files in `out` and in the stages' folders, with when each was made or changed last; folders as they appear. */
function filesOf(out: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const name of existsSync(out) ? (readdirSync(out, { recursive: true }) as string[]) : []) {
    const stat = statSync(join(out, name), { throwIfNoEntry: false });
    if (stat) files.set(name, stat.isDirectory() ? "" : `${stat.ino} ${stat.size}`);
  }
  return files;
}

/** Resolves when a file of that name appears or changes in `out`, or the run has ended. */
async function change(out: string, name: RegExp, { child }: RunningCli): Promise<void> {
  const before = filesOf(out);
  while (child.exitCode === null) {
    if ([...filesOf(out)].some(([file, state]) => name.test(file) && before.get(file) !== state)) return;
    await pause(2);
  }
}

/** Kills `run` as `death` says; returns whether it was still running. */
async function kill(run: RunningCli, out: string, death: Death, random: RandomStream): Promise<boolean> {
  if (death === "start") await pause(random.uniform(0, 2000));
  else {
    await change(out, moments[death], run);
    await pause(random.uniform(0, { step: 300, write: 5, made: 10, between: 10 }[death]));
  }
  run.child.kill("SIGKILL");
  return (await run.ended).signal === "SIGKILL";
}

describe("SIGKILL", { timeout: 600_000 }, () => {
  it("at any moment, in stages and between them, changes no bit of any stage", async () => {
    const start = (out: string) =>
      startCli(existsSync(join(out, "stages.yaml")) ? ["train", "--resume", out] : trainArgs(out));
    const kills = await Promise.all(
      [1, 2].map(async (seed) => {
        const out = at(`killed-${seed}`);
        const random = randomStream(seed, "kills");
        let count = 0;
        for (const death of random.shuffled(deaths)) {
          // One that is killed while its directory is made leaves the beginnings of a run: the next is another one.
          if (!existsSync(join(out, "stages.yaml"))) rmSync(out, { recursive: true, force: true });
          if (await kill(start(out), out, death, random)) count++;
        }
        const { code, stderr } = await start(out).ended;
        expect(code, stderr).toBe(0);
        expectSameEnd(out);
        return count;
      }),
    );
    expect(Math.min(...kills)).toBeGreaterThanOrEqual(4);
  });
});
