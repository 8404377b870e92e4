import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/cli.js";

const example = fileURLToPath(new URL("../../examples/gradnorm-toy.mjs", import.meta.url));
const { folder, remove } = temporaryFolder("gradnorm-toy");
afterAll(remove);

interface Point {
  readonly step: number;
  readonly loss: number;
  readonly normalised: readonly number[];
  readonly weights: readonly number[];
}

interface Result {
  readonly scales: readonly number[];
  readonly runs: readonly { readonly static: readonly Point[]; readonly gradnorm: readonly Point[] }[];
  readonly difference: { readonly perSeed: readonly number[] };
}

/** Standard output of the example over a few steps of one seed. */
function run(out: string, ...args: string[]): string {
  const few = ["--seeds", "1", "--steps", "12", "--batches", "3", "--out", join(folder, out)];
  return execFileSync(process.execPath, [example, ...few, ...args], { encoding: "utf8", stdio: "pipe" });
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b);

describe("examples/gradnorm-toy.mjs", () => {
  it("trains both methods from one network; GradNorm moves weights away from large scales and keeps their sum", () => {
    const text = run("a", "--json");
    const { runs, scales, difference } = JSON.parse(text) as Result;
    const [{ static: equal, gradnorm }] = runs;
    for (const { loss, normalised, weights } of [...equal, ...gradnorm]) {
      expect(normalised).toHaveLength(scales.length);
      expect([loss, ...normalised, ...weights].every((number) => Number.isFinite(number) && number > 0)).toBe(
        true,
      );
      expect(loss).toBeCloseTo(sum(normalised) / scales.length, 12);
      expect(sum(weights)).toBeCloseTo(scales.length, 4);
    }
    expect(equal.map(({ step }) => step)).toEqual(gradnorm.map(({ step }) => step));
    expect(equal.at(-1)?.step).toBe(12);
    // The same network and test data: L(0) / L(0) at first, and different trainings from there.
    expect(equal[0]).toEqual({
      step: 0,
      loss: 1,
      normalised: scales.map(() => 1),
      weights: scales.map(() => 1),
    });
    expect(gradnorm[0]).toEqual(equal[0]);
    expect(new Set(equal.flatMap(({ weights }) => weights))).toEqual(new Set([1]));
    expect(difference.perSeed[0]).toBe(gradnorm[12].loss - equal[12].loss);
    expect(difference.perSeed[0]).not.toBe(0);
    expect(gradnorm[12].weights[0]).toBeGreaterThan(1);
    expect(gradnorm[12].weights[9]).toBeLessThan(1);
    expect(readFileSync(join(folder, "a/numbers.json"), "utf8")).toBe(text);
  });

  it("gives the same numbers again, prints their table and draws them", () => {
    const text = run("b");
    const numbers = readFileSync(join(folder, "b/numbers.json"), "utf8");
    const { runs } = JSON.parse(numbers) as Result;
    const cells = /^seed 0 +(\S+) +(\S+) +(\S+)$/m.exec(text)?.slice(1).map(Number) ?? [];
    expect(cells[0]).toBeCloseTo(runs[0].static[12].loss, 4);
    expect(cells[1]).toBeCloseTo(runs[0].gradnorm[12].loss, 4);
    expect(cells[2]).toBeCloseTo(cells[1] - cells[0], 3);
    expect(numbers).toBe(readFileSync(join(folder, "a/numbers.json"), "utf8"));
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
    expect(existsSync(join(folder, "b/gradnorm-toy.png"))).toBe(true);
    expect(readFileSync(join(folder, "b/gradnorm-toy.svg"), "utf8")).toContain("equal weights");
  });

  it("refuses a number of steps that is none", () => {
    const { status, stderr } = spawnSync(process.execPath, [example, "--steps", "few"], { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr).toContain("--steps: expected a whole number above 0, got few");
  });
});
