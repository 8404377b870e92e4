import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { commands } from "../../src/cli/commands/index.js";
import { temporaryFolder, words } from "../support/cli.js";

const dist = fileURLToPath(new URL("../../dist/", import.meta.url));
const { folder, remove } = temporaryFolder("start");
afterAll(remove);

const javascript = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`;
/** Notes the address of every module that is imported in the file that the environment names. */
const note = javascript(`
  import { register } from "node:module";
  register(${JSON.stringify(
    javascript(`
      import { appendFileSync } from "node:fs";
      export function load(url, context, next) {
        appendFileSync(process.env.ECHODUET_TEST_MODULES, url + "\\n");
        return next(url, context);
      }`),
  )});`);

/** What `echoduet ARGS` loads: packages by name, and the program's own files below dist/. */
function loaded(args: readonly string[]): { packages: string[]; files: string[]; stdout: string } {
  const main = join(dist, "cli", "main.js");
  expect(existsSync(main), "dist/cli/main.js is missing: run `npm run build` first").toBe(true);
  const list = join(folder, `${args.join("_").replaceAll(/\W/g, "_")}.txt`);
  const { stdout } = spawnSync(process.execPath, ["--import", note, main, ...args], {
    encoding: "utf8",
    env: { ...process.env, ECHODUET_TEST_MODULES: list },
  });
  const paths = readFileSync(list, "utf8")
    .split("\n")
    .filter((url) => url.startsWith("file:"))
    .map((url) => fileURLToPath(url));
  const packages = paths.flatMap((path) => {
    const inside = path.split(`${sep}node_modules${sep}`).at(1)?.split(sep);
    if (!inside) return [];
    return [inside[0].startsWith("@") ? `${inside[0]}/${inside[1]}` : inside[0]];
  });
  const files = paths.flatMap((path) =>
    path.startsWith(dist) ? [path.slice(dist.length).replaceAll(sep, "/")] : [],
  );
  return { packages: [...new Set(packages)].sort(), files, stdout };
}

describe("what the program loads", () => {
  it("for the version is the command line's own files alone", () => {
    const { packages, files, stdout } = loaded(["--version"]);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(packages).toEqual(["commander"]);
    expect(files).toHaveLength(5);
  });

  it("for the help is what the options of all commands need", () => {
    const { packages, stdout } = loaded(["--help"]);
    for (const name of Object.keys(commands)) expect(stdout).toContain(`\n  ${name} [options]`);
    for (const heavy of ["onnxruntime-node", "sharp", "echarts", "protobufjs", "simple-statistics"]) {
      expect(packages).not.toContain(heavy);
    }
  });

  it("for a command's help is nothing of the others", () => {
    const { files } = loaded(words`predict --help`);
    expect(files.filter((file) => file.startsWith("cli/commands/"))).toEqual([
      "cli/commands/index.js",
      "cli/commands/predict.js",
    ]);
  });

  it("to predict is what it runs", () => {
    // What is missing is told after everything is loaded.
    const { packages, files } = loaded(words`predict --weights missing.pt --source missing.png`);
    expect(files).toContain("serving/predict.js");
    expect(packages).toEqual(expect.arrayContaining(["onnxruntime-node", "sharp"]));
    for (const other of ["echarts", "simple-statistics", "cli-progress"]) {
      expect(packages).not.toContain(other);
    }
    const rooms = new Set(files.map((file) => file.split("/")[0]));
    for (const other of ["autodiff", "balancing", "experiments", "interference", "optim"]) {
      expect(rooms).not.toContain(other);
    }
    const isOther =
      /^(data\/(audit|augmentation|formats|repair|simulate|split)\/|training\/(session|trainer|step-))/;
    expect(files.filter((file) => isOther.test(file))).toEqual([]);
  });
});
