import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { LiveTable } from "../../src/cli/live-table.js";
import { formatCounts, formatEnd } from "../../src/cli/sweep-text.js";
import type { RunStatus, SweepRunState, SweepStatus } from "../../src/experiments/index.js";

function run(name: string, state: SweepRunState, fitnesses: readonly number[] = []): RunStatus {
  const epoch = fitnesses.length;
  const plan = {
    id: name,
    name,
    arm: name,
    family: null,
    settings: {},
    seed: 0,
    fold: null,
    data: "/d.yaml",
  };
  return {
    run: { ...plan, epochs: 20, fraction: 1, stages: ["all"] },
    state,
    facts: {
      state: state === "pruned" ? "interrupted" : state,
      failure: state === "failed" ? "no such weights" : null,
      validations: fitnesses.map((fitness, i) => ({ epoch: i + 1, fitness, metrics: {} })),
      ...{ step: 3 * epoch, epoch, seconds: 1, memoryBytes: 0 },
    },
    steps: 60,
  };
}

const status = (...runs: RunStatus[]): SweepStatus => ({ runs, selections: [], secondsLeft: 75 });

/** What a table writes for these, on a terminal or not. */
function shown(isTTY: boolean, ...all: SweepStatus[]): string {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 60, rows: 4 });
  const table = new LiveTable(stream);
  for (const each of all) table.show(each);
  return String(stream.read());
}

describe("the live table", () => {
  const first = status(run("a", "training", [0.2, 0.3]), run("b", "waiting"));
  const second = status(run("a", "finished", [0.2, 0.4, 0.3]), run("b", "training"));

  it("is a line for each change where there is no terminal, with the counts and the time left", () => {
    expect(shown(false, first, first, second).split("\n")).toEqual([
      "training a | best fitness 0.3000 | 1 training, 1 waiting of 2 runs | ETA 1:15",
      "finished a | best fitness 0.4000 | 1 finished, 1 training of 2 runs | ETA 1:15",
      "training b | 1 finished, 1 training of 2 runs | ETA 1:15",
      "",
    ]);
  });

  it("is drawn anew on a terminal, in no more lines and columns than that has", () => {
    const text = shown(true, first, second);
    expect(text).toContain(
      "a  epoch 2/20  step 6/60  best fitness 0.3000\n1 training, 1 waiting of 2 runs | ETA 1:15\n",
    );
    // Two lines up, and everything below is cleared.
    expect(text).toContain("\u001b[2A\u001b[0J");
    const many = status(
      ...Array.from({ length: 9 }, (_, i) => run(`run-${i}-${"x".repeat(80)}`, "training")),
    );
    const table = shown(true, many).split("\n").slice(9, -1);
    expect(table).toHaveLength(3);
    expect(Math.max(...table.map((line) => line.length))).toBeLessThan(60);
  });
});

describe("the end of a sweep", () => {
  it("tells its comparisons, each failure and the remedy", () => {
    const scores = { a: 0.4, b: 0.2, c: null };
    const selections = [{ stage: "screen", epoch: 5, scores, kept: ["a"] }];
    const runs = [run("a", "finished", [0.4]), run("b", "pruned", [0.2]), run("c", "failed")];
    expect(formatEnd("sweeps/s", { runs, selections, secondsLeft: 0 })).toBe(
      "screen after epoch 5: a of 3 arms go on\nfailed c | no such weights\n" +
        "1 failed: --retry-failed tries them again\n1 finished, 1 pruned, 1 failed of 3 runs: sweeps/s",
    );
    expect(formatCounts(status(run("a", "interrupted")))).toBe("1 interrupted of 1 runs | ETA 1:15");
  });
});
