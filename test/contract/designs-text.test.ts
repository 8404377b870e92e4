import { describe, expect, it } from "vitest";
import { formatDesigns } from "../../src/cli/designs-text.js";
import { type DesignComparison, designsAt, takeTurns } from "../../src/experiments/index.js";

const cost = {
  parameters: 1000,
  forwardFlops: 1e9,
  stepFlops: 3e9,
  trainingActivationBytes: 2 ** 20,
  inferenceActivationBytes: 2 ** 19,
  matched: null,
};
const input = { size: { width: 96, height: 64 }, batch: 2, classes: 4, views: 3 };
const measuredIn = (seconds: number, ratio: number) => ({
  stepSeconds: [[seconds, seconds], [seconds]],
  imageSeconds: [[seconds / 10]],
  stepRatios: [ratio, ratio + 0.2],
  peakMemoryBytes: 3 * 2 ** 20,
});
const comparison: DesignComparison = {
  input,
  designs: designsAt("n")
    .slice(0, 3)
    .map((design, i) => ({ ...design, cost, measured: measuredIn(i + 1, (i + 1) / 3) })),
  measurement: {
    input: "synthetic: random pixels and boxes, for speed only",
    machine: {
      ...{ processor: "some processor", cores: 2, simd: null, memoryBytes: 2 ** 30, system: "linux" },
      ...{ node: "v20", onnxRuntime: "1.30", load: null },
    },
    options: { ...input, threads: 2, rounds: 2, stepsPerRound: 2, imagesPerRound: 1 },
  },
};

describe("the table of designs", () => {
  it("has the sum below the single tasks, medians with their spread, and what it was measured on", () => {
    const lines = formatDesigns(comparison).split("\n");
    const cells = lines.map((line) => line.trim().split(/ {2,}/));
    expect(cells.find(([name]) => name === "detection")?.slice(6)).toEqual([
      ...["1000 (1000-1000)", "0.433 (0.333-0.533)", "100.0 (100.0-100.0)", "3"],
    ]);
    const sum = cells.find(([name]) => name === "sum of both");
    expect(sum?.slice(1)).toEqual([
      ...["2,000", "2.00", "6.00", "2", "1.0", "3000 (3000-3000)", "1", "300.0 (300.0-300.0)"],
    ]);
    expect(cells.findIndex(([name]) => name === "sum of both")).toBe(
      cells.findIndex(([name]) => name === "joint") - 1,
    );
    expect(lines[0]).toContain("images 2x3x64x96");
    expect(lines[1]).toContain("some processor, 2 cores (SIMD unknown)");
    expect(lines[3]).toContain("2 threads, 2 rounds of 2 steps and of 1 images");
  });

  it("has no measured column where nothing was measured", () => {
    const designs = comparison.designs.map((design) => ({ ...design, measured: null }));
    const text = formatDesigns({ input, designs, measurement: null });
    expect(text).not.toMatch(/ ms|peak|some processor/);
  });
});

describe("takeTurns", () => {
  it("gives each contender one turn a round, another one first in each", async () => {
    const order: string[] = [];
    const rounds: number[] = [];
    const turns = ["a", "b", "c"].map((name) => async () => order.push(name));
    const answers = await takeTurns(turns, 2, (round) => rounds.push(round));
    expect(order.join("")).toBe("abcbca");
    expect(answers).toEqual([
      [1, 6],
      [2, 4],
      [3, 5],
    ]);
    expect(rounds).toEqual([1, 2]);
  });
});
