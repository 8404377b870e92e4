import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import {
  loadConfigFile,
  mergeConfig,
  parseSize,
  resolveTrainConfig,
  type TrainConfig,
  trainConfigSchema,
  trainOptionHelp,
  trainOptions,
} from "../../src/config/index.js";
import { EchoDuetError } from "../../src/errors.js";

const folder = mkdtempSync(join(tmpdir(), "echoduet-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

const minimal = { data: "data.yaml", model: "joint-yolov5n" };
const resolve = (input: unknown) => resolveTrainConfig(input, "train.yaml");

function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(EchoDuetError);
    expect((error as EchoDuetError).code).toBe("config");
    return (error as EchoDuetError).message;
  }
  throw new Error("expected an error");
}

function file(text: string): string {
  const path = join(folder, "train.yaml");
  writeFileSync(path, text);
  return path;
}

describe("resolveTrainConfig", () => {
  it("fills in the documented defaults", () => {
    expect(resolve(minimal)).toMatchObject({
      ...minimal,
      weights: null,
      epochs: 100,
      size: { width: 320, height: 320 },
      out: "runs/train",
      ema: { decay: 0.9999, tau: 2000 },
      taskWeights: { detection: 1, classification: 1 },
      lossScale: "sum",
      fitness: { map50: 0.1, map50_95: 0.9, balancedAccuracy: 1 },
    });
  });

  it("keeps the other fields of a nested mapping that is given in part", () => {
    expect(resolve({ ...minimal, ema: { tau: 5 } }).ema).toEqual({ decay: 0.9999, tau: 5 });
  });

  it.each([
    [320, 320, 320],
    ["352", 352, 352],
    ["640x480", 640, 480],
    [{ width: 64, height: 32 }, 64, 32],
  ])("reads the size %j", (size, width, height) => {
    expect(resolve({ ...minimal, size }).size).toEqual({ width, height });
  });

  it.each(["100", "640x470", "0", "axb", "320x", "-320", "32.5"])("refuses the size %j", (text) => {
    expect(messageOf(() => parseSize(text))).toMatch(/^size:.*(expected|must be).*, got/s);
  });

  it("reads task weights and bytes as text", () => {
    const config = resolve({ ...minimal, taskWeights: "1,0.01", cacheBytes: "1.5GB" });
    expect(config.taskWeights).toEqual({ detection: 1, classification: 0.01 });
    expect(config.cacheBytes).toBe(1.5 * 2 ** 30);
    expect(resolve({ ...minimal, taskWeights: [0, 2] }).taskWeights).toEqual({
      detection: 0,
      classification: 2,
    });
  });

  it("reports every issue with its path, what was found and a remedy for a near name", () => {
    const message = messageOf(() =>
      resolve({ data: "d.yaml", epochs: 0, epoch: 3, ema: { decai: 1 }, device: "tpu", taskWeights: "1" }),
    );
    expect(message.split("\n")).toEqual([
      "train.yaml:",
      "  model is required; give --model, such as joint-yolov5n",
      "  epochs: expected number to be >=1, got 0",
      '  device: expected one of "cpu"|"webgpu"|"cuda"|"coreml"|"dml", got "tpu"',
      "  ema.decai: unknown option; did you mean decay?",
      '  taskWeights: expected two numbers: detection,classification, got "1"',
      "  epoch: unknown option; did you mean epochs?",
    ]);
  });

  it.each([
    [{ lr0: Number.NaN }, "lr0"],
    [{ lr0: Number.POSITIVE_INFINITY }, "lr0"],
    [{ epochs: "100" }, "epochs"],
    [{ batch: 1.5 }, "batch"],
    [{ momentum: 1 }, "momentum"],
    [{ fraction: 0 }, "fraction"],
    [{ taskWeights: [0, 0] }, "taskWeights"],
    [{ taskWeights: "1,-1" }, "taskWeights.classification"],
    [{ balancer: "magic" }, "balancer"],
  ])("refuses %j", (change, path) => {
    expect(messageOf(() => resolve({ ...minimal, ...change }))).toContain(`train.yaml: ${path}: expected`);
  });

  it("changes nothing about a resolved configuration that went through YAML and JSON", () => {
    const numbers = fc.record({
      lr0: fc.double({ min: 1e-12, max: 10, noNaN: true }),
      weightDecay: fc.double({ min: 0, max: 1, noNaN: true }),
      seed: fc.nat(),
      taskWeights: fc.constantFrom<unknown>("1,0.01", [0.3, 0.1 + 0.2]),
      size: fc.constantFrom<unknown>(64, "640x480"),
    });
    fc.assert(
      fc.property(numbers, (change) => {
        const config = resolve({ ...minimal, ...change });
        expect(resolve(parse(stringify(config)))).toEqual(config);
        expect(resolve(JSON.parse(JSON.stringify(config)))).toEqual(config);
      }),
    );
  });
});

describe("configuration files", () => {
  it("are overridden field by field, also within a mapping", () => {
    const values = loadConfigFile(file("epochs: 5\nema: {decay: .9, tau: 7}\n"));
    const merged = mergeConfig(values, { epochs: undefined, batch: 4, ema: { decay: 0.5, tau: undefined } });
    expect(merged).toEqual({ epochs: 5, batch: 4, ema: { decay: 0.5, tau: 7 } });
  });

  it("may be empty", () => {
    expect(loadConfigFile(file("# nothing yet\n"))).toEqual({});
  });

  it("name file, line and column of a syntax error", () => {
    const path = file("epochs: 5\nema: {decay: .9\nbatch: 4\n");
    expect(messageOf(() => loadConfigFile(path))).toMatch(/train\.yaml:3:\d+: expected YAML/);
    expect(messageOf(() => loadConfigFile(file("epochs: 5\nepochs: 6\n")))).toMatch(
      /train\.yaml:2:1: .*unique/,
    );
  });

  it.each(["- 1\n- 2\n", "just text\n"])("are mappings, not %j", (text) => {
    expect(messageOf(() => loadConfigFile(file(text)))).toContain("expected a mapping of options");
  });

  it("name the path where there is none", () => {
    expect(messageOf(() => loadConfigFile(join(folder, "none.yaml")))).toMatch(/none\.yaml: cannot be read/);
  });
});

describe("options made of the schema", () => {
  it("cover every value once, with a description and the default", () => {
    const flags = trainOptions.map((option) => option.flag);
    expect(new Set(flags).size).toBe(flags.length);
    for (const option of trainOptions) expect(option.help, option.flag).toMatch(/\w/);
    const covered = new Set(trainOptions.map((option) => option.path[0]));
    expect([...covered].sort()).toEqual(Object.keys(trainConfigSchema.shape).sort());
  });

  it("know kind, choices and defaults", () => {
    const option = (flag: string) => trainOptions.find((candidate) => candidate.flag === flag);
    expect(option("--ema-decay")).toMatchObject({ path: ["ema", "decay"], kind: "number" });
    expect(option("--ema-decay")?.help).toContain("(default: 0.9999)");
    expect(option("--device")).toMatchObject({ kind: "choice" });
    expect(option("--device")?.choices).toContain("webgpu");
    expect(option("--detach-classifier")).toMatchObject({ kind: "boolean" });
    expect(option("--fitness-map50-95")).toMatchObject({ path: ["fitness", "map50_95"] });
    expect(option("--size")).toMatchObject({ kind: "text" });
  });

  it("help texts cover every field", () => {
    const keys: (keyof TrainConfig)[] = Object.keys(resolve(minimal)) as (keyof TrainConfig)[];
    for (const key of keys) expect(trainOptionHelp[key], key).toMatch(/\w/);
  });
});
