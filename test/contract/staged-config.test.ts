import { describe, expect, it } from "vitest";
import { type ConfigValues, resolveStagedConfig, stageConfig } from "../../src/config/index.js";
import type { EchoDuetError } from "../../src/errors.js";

const base = { data: "data.yaml", model: "dual-yolov5n", epochs: 9, lr0: 0.02 };
const resolve = (stages: unknown, others: ConfigValues = {}) =>
  resolveStagedConfig({ ...base, ...others, stages }, "stages.yaml");

function problemsOf(stages: unknown, others: ConfigValues = {}): string {
  try {
    resolve(stages, others);
  } catch (error) {
    expect((error as EchoDuetError).code).toBe("config");
    return (error as Error).message;
  }
  throw new Error("expected a refusal");
}

describe("a configuration of stages", () => {
  const optim = { classification: { optimizer: "adamw", lr0: 0.001 } };
  const staged = resolve(
    [
      { name: "detection", branch: "detection", size: 64 },
      { name: "heads", freeze: "backbone", lr0: 0.1, optim: { classification: { lr0: 0.5 } } },
    ],
    { optim },
  );

  it("gives a stage its own options, then those beside the stages, then the defaults", () => {
    expect(stageConfig(staged, 0)).toMatchObject({
      ...base,
      branch: "detection",
      size: { width: 64, height: 64 },
      freeze: "none",
      optim,
    });
    expect(stageConfig(staged, 1)).toMatchObject({
      ...base,
      lr0: 0.1,
      branch: "both",
      freeze: "backbone",
      optim: { classification: { optimizer: "adamw", lr0: 0.5 } },
    });
    expect(stageConfig(staged, 1)).not.toHaveProperty("name");
    expect(stageConfig(staged, 1)).not.toHaveProperty("stages");
  });

  it("resolved once more is the same", () => {
    expect(resolveStagedConfig({ ...staged }, "again")).toEqual(staged);
  });

  it("reports every problem with its path, and knows near names", () => {
    const text = problemsOf(
      [
        { name: "One" },
        { name: "two", freez: "all", model: "detect-yolov5n", seed: 3 },
        { name: "three", freeze: "some" },
        { ema: { decay: 3 } },
      ],
      { lr0: -1, epocs: 3 },
    );
    expect(text.split("\n").map((line) => line.trim())).toEqual([
      "stages.yaml:",
      "lr0: expected number to be >0, got -1",
      'stages.0.name: expected lower-case words with dashes between them, such as each-branch, got "One"',
      'stages.1.model is the same in every stage; put it beside `stages`, got "detect-yolov5n"',
      "stages.1.seed is the same in every stage; put it beside `stages`, got 3",
      "stages.1.freez: unknown option; did you mean freeze?",
      'stages.2.freeze: expected one of "none"|"backbone"|"all", got "some"',
      "stages.3.name is required; give the stage a name",
      "stages.3.ema.decay: expected number to be <1, got 3",
      "epocs: unknown option; did you mean epochs?",
    ]);
  });

  it.each([
    [[], /stages: expected array to have >=1 items, got \[\]/],
    [{ name: "a" }, /stages: expected array, got {"name":"a"}/],
    [["a"], /stages\.0: expected object, got "a"/],
    [
      [{ name: "a" }, { name: "a" }],
      /stages\.1\.name: expected a name of its own, not that of stages\.0, got "a"/,
    ],
    [[{ name: "a", stages: [] }], /stages\.0\.stages: unknown option/],
  ])("refuses the stages %j", (stages, message) => {
    expect(problemsOf(stages)).toMatch(message);
  });
});
