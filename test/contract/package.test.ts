import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { beforeAll, describe, expect, it } from "vitest";
import { commands } from "../../src/cli/commands/index.js";
import { loadConfigFile, mergeConfig, resolveTrainConfig } from "../../src/config/index.js";
import { planSweep } from "../../src/experiments/sweep/plan.js";
import { loadSweepFile } from "../../src/experiments/sweep/sweep-file.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string): string => readFileSync(`${root}${path}`, "utf8");

const manifest = JSON.parse(read("package.json")) as {
  exports: Record<string, string | { types: string; default: string }>;
  bin: Record<string, string>;
};
const subpaths = Object.keys(manifest.exports).filter((path) => path !== "./package.json");

const made = await Promise.all(Object.values(commands).map((load) => load()));

/** Rooms for the program's own use. */
const internal = ["cli", "io", "threads"];

/** Runs Node in the package's folder, where `echoduet` means the package itself. */
function node(...args: string[]): string {
  return execFileSync(process.execPath, args, { cwd: root, encoding: "utf8", stdio: "pipe" });
}

describe("the package's exports", () => {
  /** Exported names by specifier, from the built files and by Node's own resolution. */
  let names: Record<string, string[]>;

  beforeAll(() => {
    expect(existsSync(`${root}dist/index.js`), "dist/index.js is missing: run `npm run build` first").toBe(
      true,
    );
    const specifiers = subpaths.map((path) => `echoduet${path.slice(1)}`);
    const program = `const names = {};
      for (const from of ${JSON.stringify(specifiers)}) names[from] = Object.keys(await import(from));
      console.log(JSON.stringify(names));`;
    names = JSON.parse(node("--input-type=module", "--eval", program));
  });

  it("have a subpath for every room with an index", () => {
    const rooms = readdirSync(`${root}src`, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && existsSync(`${root}src/${entry.name}/index.ts`))
      .map(({ name }) => name)
      .filter((name) => !internal.includes(name));
    expect(subpaths.toSorted()).toEqual([".", ...rooms.map((name) => `./${name}`)].toSorted());
  });

  it.each(subpaths)("%s is importable and has its types", (path) => {
    const target = manifest.exports[path] as { types: string };
    expect(names[`echoduet${path.slice(1)}`].length).toBeGreaterThan(0);
    expect(existsSync(`${root}${target.types}`), target.types).toBe(true);
  });

  it("hold the detection functions that other programs use", () => {
    expect(names["echoduet/detection"]).toEqual(
      expect.arrayContaining(["detectionLoss", "assignTargets", "nonMaximumSuppression", "averagePrecision"]),
    );
  });

  it("hold at the root what trains, scores, uses and exports a model", () => {
    expect(names.echoduet).toEqual(
      expect.arrayContaining([
        ...["EchoDuetError", "loadConfigFile", "resolveTrainConfig", "loadDataDescription", "simulate"],
        ...["createModel", "DetectionBackbone", "train", "resume", "validate"],
        ...["openPredictor", "predictImage", "exportModel"],
      ]),
    );
  });

  it("keep everything else inside", () => {
    for (const inside of ["echoduet/cli", "echoduet/io", "echoduet/dist/index.js"]) {
      expect(() => node("--input-type=module", "--eval", `await import("${inside}")`)).toThrow(
        /ERR_PACKAGE_PATH_NOT_EXPORTED/,
      );
    }
  });
});

describe("examples", () => {
  it("detection-loss.mjs prints a loss that is the sum of its items", () => {
    const line = /^loss (\S+) = box (\S+) \+ objectness (\S+) \+ classes (\S+)$/m;
    const [loss, ...items] = (line.exec(node("examples/detection-loss.mjs")) ?? []).slice(1).map(Number);
    expect(items.every((item) => item > 0)).toBe(true);
    expect(items.reduce((a, b) => a + b)).toBeCloseTo(loss, 3);
  });

  it("detection-metrics.mjs suppresses the duplicate and scores the rest", () => {
    const output = node("examples/detection-metrics.mjs");
    // 0.81 is kept; 0.72, its near duplicate, is not.
    expect(output).toContain("AR 0.81");
    expect(output).not.toContain("AR 0.72");
    expect(output).toMatch(/^AR: 1 labels, AP@\.5 0\.995,/m);
  });

  it("regurgitation.yaml is a valid configuration, and so are the lines that it offers instead", () => {
    const path = `${root}examples/regurgitation.yaml`;
    const values = mergeConfig(loadConfigFile(path), { data: "data.yaml" });
    expect(resolveTrainConfig(values, path).model).toBe("joint-yolov5n");
    expect(read("examples/regurgitation.yaml")).toMatch(
      /^# lossScale: yolov5\n# taskWeights: \[1, 0\.01\]$/m,
    );
    const other = mergeConfig(values, { lossScale: "yolov5", taskWeights: [1, 0.01] });
    expect(resolveTrainConfig(other, path).taskWeights).toEqual({ detection: 1, classification: 0.01 });
  });
});

describe("examples/sweep.yaml", () => {
  it("is a valid sweep: four arms in the screen, all seeds and folds for those that go on", () => {
    const folds = [1, 2, 3, 4, 5].map((fold) => ({ fold, data: `/${fold}.yaml`, reference: `fold ${fold}` }));
    const { runs, stages } = planSweep(loadSweepFile(`${root}examples/sweep.yaml`), folds);
    const arms = ["static,alpha=1.5", "gradnorm,alpha=0.5", "gradnorm,alpha=1.5", "gradnorm,alpha=3"];
    expect([...new Set(runs.map(({ arm }) => arm))]).toEqual(arms);
    expect(runs.filter(({ stages }) => stages.includes("screen"))).toHaveLength(4);
    expect(runs.filter(({ stages }) => stages.includes("finalists"))).toHaveLength(4 * 3 * 5);
    expect(stages).toEqual([
      { name: "screen", keep: 2 },
      { name: "finalists", keep: null },
    ]);
  });
});

describe("docs/cli.md", () => {
  it.each(made)("describes every option of $_name, and no other", (command) => {
    const section = sectionOf(command);
    // Options stand at the start of a table's row, so that the text may name those of other commands.
    const rows = section.split("\n").filter((line) => line.startsWith("| `--"));
    const described = rows.flatMap((row) => row.split("|")[1].match(/--[a-z0-9-]+/g) ?? []);
    const offered = command.options.map(({ long }) => long).filter((long) => long !== "--help");
    expect(described.toSorted()).toEqual(offered.toSorted());
  });

  /** The text under the command's heading. */
  function sectionOf(command: Command): string {
    const [, ...sections] = read("docs/cli.md").split(/^## /m);
    return sections.find((text) => text.startsWith(`${command.name()}\n`)) ?? "";
  }
});
