import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  type Executor,
  type Job,
  type JobEnd,
  type RunningJob,
  runSweep,
  type SweepStatus,
} from "../../src/experiments/index.js";
import type { Budget, RunCost } from "../../src/experiments/sweep/estimate.js";
import { readJournal } from "../../src/experiments/sweep/journal.js";
import { configOf, planSweep, type SweepPlan } from "../../src/experiments/sweep/plan.js";
import { loadSweepFile } from "../../src/experiments/sweep/sweep-file.js";
import { temporaryFolder } from "../support/cli.js";

const { folder, remove } = temporaryFolder("run-sweep");
afterAll(remove);

/** How a pretended job ends, by the run's folder and the times it was started; null: it trains to the end. */
type Ending = (name: string, start: number) => JobEnd | null;

const line = (event: object) =>
  `${JSON.stringify({ time: new Date().toISOString(), step: 0, epoch: 0, ...event })}\n`;

/** Writes the log of a run where a training would, an epoch every few milliseconds. */
class PretendedTraining implements Executor {
  readonly starts: string[] = [];
  readonly interrupted: string[] = [];
  most = 0;
  #running = 0;

  constructor(
    private readonly ending: Ending = () => null,
    private readonly fitness: (name: string) => number = () => 0.5,
  ) {}

  start({ directory, config }: Job): RunningJob {
    const name = directory.split("/").at(-1)!;
    this.starts.push(name);
    const end = this.ending(name, this.starts.filter((each) => each === name).length);
    this.most = Math.max(this.most, ++this.#running);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "config.yaml"), "");
    const log = join(directory, "events.jsonl");
    let epoch = existsSync(log) ? readFileSync(log, "utf8").split('"validation"').length - 1 : 0;
    let stop = false;
    const train = async (): Promise<JobEnd> => {
      while (epoch < config.epochs && end === null) {
        await new Promise((resolve) => setTimeout(resolve, 30));
        if (stop) return { code: 130, signal: null, message: "interrupted" };
        const fitness = this.fitness(name);
        epoch++;
        appendFileSync(log, line({ type: "validation", epoch, split: "val", metrics: {}, fitness }));
      }
      if (end) return end;
      writeFileSync(join(directory, "last.safetensors"), "");
      appendFileSync(log, line({ type: "end", epoch, reason: "completed" }));
      return { code: 0, signal: null, message: "" };
    };
    const ended = train().finally(() => this.#running--);
    const interrupt = () => {
      this.interrupted.push(name);
      stop = true;
    };
    return { pid: null, ended, interrupt };
  }
}

let sweeps = 0;

async function go(
  yaml: string,
  executor: Executor,
  options: { directory?: string; budget?: Budget; retryFailed?: boolean; signal?: AbortSignal } = {},
): Promise<{ directory: string; plan: SweepPlan; states: Record<string, string>; status: SweepStatus }> {
  const directory = options.directory ?? join(folder, `${++sweeps}`);
  mkdirSync(directory, { recursive: true });
  const path = join(folder, `${sweeps}.yaml`);
  writeFileSync(path, `name: s\nbase: {data: d.yaml, model: joint-yolov5n, epochs: 6}\n${yaml}`);
  const plan = planSweep(loadSweepFile(path), [{ fold: null, data: "/d.yaml", reference: "d.yaml" }]);
  const cost = { startSeconds: 1, stepSeconds: 1, validationSeconds: 1, imageSeconds: 1, peakBytes: 100 };
  const costs = new Map<string, RunCost | null>(
    plan.runs.map((run) => [
      run.id,
      { cost, counts: { train: 16, val: 1 }, config: configOf(plan.base, run, "-") },
    ]),
  );
  const { budget = { cores: 2, memory: null }, retryFailed = false } = options;
  const signal = options.signal ?? new AbortController().signal;
  const status = await runSweep({
    directory,
    plan,
    budget,
    costs,
    executor,
    retryFailed,
    signal,
    onStatus: () => {},
  });
  const states = Object.fromEntries(status.runs.map(({ run, state }) => [run.arm, state]));
  return { directory, plan, states, status };
}

const four = "grid: {alpha: [1, 2, 3, 4]}\n";

describe("a sweep", () => {
  it("runs as many at once as cores and memory allow, each once", async () => {
    const byCores = new PretendedTraining();
    const { states, status } = await go(four, byCores, { budget: { cores: 3, memory: null } });
    expect(Object.values(states)).toEqual(Array(4).fill("finished"));
    expect([byCores.most, byCores.starts.length]).toEqual([3, 4]);
    expect(status.secondsLeft).toBe(0);
    const byMemory = new PretendedTraining();
    await go(four, byMemory, { budget: { cores: 3, memory: 250 } });
    expect(byMemory.most).toBe(2);
    const threads = new PretendedTraining();
    await go("grid: {alpha: [1, 2], threads: [2]}\n", threads, { budget: { cores: 3, memory: null } });
    expect(threads.most).toBe(1);
  });

  it("leaves the others alone where a run fails, and tries it again on request", async () => {
    const bad = { code: 1, signal: null, message: "no such weights" };
    const executor = new PretendedTraining((name) => (name.includes("alpha=2") ? bad : null));
    const { directory, states, status } = await go(four, executor);
    expect(states).toMatchObject({ "alpha=1": "finished", "alpha=2": "failed", "alpha=4": "finished" });
    expect(status.runs[1].facts.failure).toBe("no such weights");
    expect(readFileSync(join(directory, "table.csv"), "utf8")).toMatch(
      /alpha=2.*,failed,.*no such weights$/m,
    );
    const idle = new PretendedTraining();
    await go(four, idle, { directory });
    expect(idle.starts).toEqual([]);
    const again = new PretendedTraining();
    expect((await go(four, again, { directory, retryFailed: true })).states["alpha=2"]).toBe("finished");
    expect(again.starts).toEqual(["alpha=2,seed=0"]);
  });

  it("goes on with a run that was killed, and gives it up where that comes to nothing", async () => {
    const killed = { code: null, signal: "SIGKILL", message: "" };
    const once = new PretendedTraining((_, start) => (start === 1 ? killed : null));
    expect((await go("", once)).states).toEqual({ base: "finished" });
    const always = new PretendedTraining(() => killed);
    const { status } = await go("", always);
    expect(always.starts).toHaveLength(2);
    expect(status.runs[0].facts.failure).toBe(
      "killed by SIGKILL twice in epoch 1; look whether memory is short",
    );
  });

  it("stops where the disk is full, without a failure, and goes on when there is room", async () => {
    const full = {
      code: 1,
      signal: null,
      message: "last.safetensors: cannot be written (ENOSPC: no space left)",
    };
    const executor = new PretendedTraining((name) => (name.includes("alpha=2") ? full : null));
    const directory = join(folder, "full");
    const message =
      /alpha=2,seed=0: stopped as the disk is full \(.*ENOSPC.*make room and start the sweep again/;
    await expect(go(four, executor, { directory })).rejects.toThrow(message);
    expect(readJournal(directory).filter(({ type }) => type === "failed")).toEqual([]);
    const { states } = await go(four, new PretendedTraining(), { directory });
    expect(Object.values(states)).toEqual(Array(4).fill("finished"));
  });

  it("waits for what another process trains", async () => {
    const directory = join(folder, "adopted");
    const run = join(directory, "runs", "base,seed=0");
    mkdirSync(run, { recursive: true });
    writeFileSync(join(run, "config.yaml"), "");
    // This process stands for the other one: it is alive.
    const lock = join(run, "run.lock");
    writeFileSync(lock, JSON.stringify({ pid: process.ppid, host: (await import("node:os")).hostname() }));
    const executor = new PretendedTraining();
    const other = setTimeout(() => {
      writeFileSync(join(run, "last.safetensors"), "");
      appendFileSync(join(run, "events.jsonl"), line({ type: "end", reason: "completed" }));
      writeFileSync(lock, "");
    }, 1200);
    const { states } = await go("", executor, { directory });
    clearTimeout(other);
    expect({ states, starts: executor.starts }).toEqual({ states: { base: "finished" }, starts: [] });
  });

  it("lets every run save on interruption", async () => {
    const controller = new AbortController();
    const executor = new PretendedTraining();
    setTimeout(() => controller.abort(), 50);
    await expect(go(four, executor, { signal: controller.signal })).rejects.toThrow(/start the sweep again/);
    expect(executor.interrupted).toEqual(executor.starts);
  });

  it("halves: stops the runs at the epoch, compares them and goes on with the better ones", async () => {
    const fitness = (name: string) => Number(/alpha=(\d)/.exec(name)?.[1]) / 10;
    const executor = new PretendedTraining(() => null, fitness);
    const { directory, states } = await go(`${four}halving: {at: [2]}\n`, executor);
    expect(states).toEqual({
      "alpha=1": "pruned",
      "alpha=2": "pruned",
      "alpha=3": "finished",
      "alpha=4": "finished",
    });
    const scores = { "alpha=1": 0.1, "alpha=2": 0.2, "alpha=3": 0.3, "alpha=4": 0.4 };
    expect(readJournal(directory).filter(({ type }) => type === "selected")).toMatchObject([
      { stage: "all", epoch: 2, scores, kept: ["alpha=4", "alpha=3"] },
    ]);
  });
});
