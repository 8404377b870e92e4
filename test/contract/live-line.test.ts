import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { LiveLine } from "../../src/cli/live-line.js";
import { ProgressBar } from "../../src/cli/progress-bar.js";
import type { StepProgress } from "../../src/training/progress.js";

const step = (at: number, more: Partial<StepProgress> = {}): StepProgress => ({
  step: at,
  images: 16,
  losses: { detection: 0.1, "detection.box": 0.05, classification: 1 },
  ...more,
});
const summary = {
  epoch: 1,
  epochs: 1,
  losses: { detection: 0.1 },
  metrics: {},
  seconds: 4,
  imagesPerSecond: 8,
  loaderWaitSeconds: 0,
  memoryBytes: 2 ** 20,
  best: false,
};

/** A line after steps whose classification weight rises from 0.02. */
function moving(steps: number): LiveLine {
  const line = new LiveLine();
  for (let at = 1; at <= steps; at++) {
    const classification = 0.02 + (0.5 * (at - 1)) / steps;
    line.add(
      step(at, {
        taskWeights: { detection: 2 - classification, classification },
        balance: { norms: { detection: 0.3, classification: 0.1 } },
        conflict: at < 4 ? null : { cosine: -0.1234, step: 4 },
      }),
    );
  }
  return line;
}

describe("the live line", () => {
  it("is empty without weights, and has no course of weights that stand", () => {
    const line = new LiveLine();
    expect(line.text(80)).toBe("");
    expect(line.summary()).toBe("");
    line.add(step(1));
    expect(line.text(80)).toBe("");
    for (const at of [2, 3, 4]) line.add(step(at, { taskWeights: { detection: 1, classification: 0.01 } }));
    expect(line.text(80)).toBe("weights detection 1  classification 0.01");
  });

  it("shows weights with their course from the start, conflict and norms", () => {
    const text = moving(5).text(200);
    expect(text).toBe(
      "weights detection 1.58 █▆▅▃▁  classification 0.42 ▁▃▅▆█ | cosine -0.123 (step 4) | norms detection 0.3 classification 0.1",
    );
    const course = /classification \S+ (\S+)/.exec(moving(5000).text(200))?.[1] ?? "";
    expect(course.length).toBeGreaterThan(8);
    expect(course.length).toBeLessThanOrEqual(16);
    expect(course).toMatch(/^▁.*[▇█]$/);
  });

  it("fits into every width, numbers before courses and weights before the rest", () => {
    const line = moving(200);
    for (let columns = 1; columns < 160; columns++) {
      expect(line.text(columns).length).toBeLessThanOrEqual(columns);
    }
    expect(line.text(79)).toMatch(/^weights detection \S+ {2}classification \S+ \| cosine -0\.123/);
    expect(line.text(45)).toMatch(/^weights detection \S+ {2}classification \S+$/);
  });

  it("tells a cosine that is not below zero, and one that there is not", () => {
    const line = new LiveLine();
    line.add(step(1, { conflict: { cosine: 0.5, step: 0 } }));
    expect(line.text(80)).toBe("cosine 0.500 (step 0)");
    line.add(step(2, { conflict: { cosine: null, step: 2 } }));
    expect(line.text(80)).toBe("cosine - (step 2)");
  });
});

describe("progress with weights and conflict", () => {
  function play(isTTY: boolean, columns = 120): string {
    const stream = Object.assign(new PassThrough(), { isTTY, columns });
    let time = 0;
    const bar = new ProgressBar(stream, () => time);
    bar.onEpochStart(1, 1, 2);
    for (const [at, classification] of [
      [1, 0.02],
      [2, 0.04],
    ]) {
      time += 2;
      bar.onStep(
        step(at, {
          taskWeights: { detection: 2 - classification, classification },
          conflict: { cosine: 0.25, step: at },
        }),
      );
      if (at === 1) bar.onMessage("stuck: two\nlines");
    }
    bar.onEpochEnd(summary);
    bar.stop();
    return String(stream.read());
  }

  it("is, off a terminal, one line an epoch with mean weights and the latest cosine", () => {
    expect(play(false)).toBe(
      "stuck: two\nlines\nepoch 1/1 | detection 0.1 | mean weights detection 1.97 classification 0.03 | cosine 0.250 (step 2) | 8.0 img/s | 0:04 (loader 0.0 s) | 1 MB\n",
    );
  });

  it("is, on a terminal, a line below the bar, with the losses of tasks before their items", () => {
    const text = play(true);
    expect(text).toContain("1/2 | 8.0 img/s | ETA 0:02 | detection 0.1 classification 1");
    expect(text).toContain("weights detection 1.98  classification 0.02 | cosine 0.250 (step 1)");
    expect(text).toContain("stuck: two\nlines\n");
    expect(text).toMatch(/2\/2[\s\S]+classification 0\.04 ▁█ \| cosine 0\.250 \(step 2\)/);
  });

  it("is never wider than the terminal", () => {
    const text = play(true, 60);
    expect(text).toMatch(/1\/2 \| 8\.0 img\/s \| ETA 0:02[^|]+detection 0\.1 classification 1/);
    // What lies between two moves of the cursor is one line; the bar's own is cut by the terminal, which is told to.
    expect(text).toContain("\u001B[?7l");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins a move
    const lines = text.split(/\u001B\[[0-9;?]*[A-Za-z]|\n|\r/).filter((line) => line.startsWith("weights"));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line.length).toBeLessThan(60);
  });
});
