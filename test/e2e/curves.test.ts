import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import type { DrawnCurves } from "../../src/experiments/index.js";
import { jsonOf, runCli, temporaryFolder } from "../support/cli.js";
import { writeHistory } from "../support/training-history.js";

const { folder, remove } = temporaryFolder("e2e-curves");
afterAll(remove);

it("curves draws several runs into a folder and says what it drew", async () => {
  const runs = ["static", "gradnorm"].map((name, seed) =>
    writeHistory(join(folder, name), { seed, steps: 20, balance: seed === 1, probeEvery: 10 * seed }),
  );
  const drawn = await jsonOf<DrawnCurves>(["curves", ...runs, "--out", join(folder, "out")]);
  expect(drawn.runs).toEqual(runs);
  expect(drawn.figures.map(({ name }) => name)).toEqual(expect.arrayContaining(["weights", "conflict-map"]));
  for (const file of drawn.figures.flatMap(({ files }) => files)) expect(existsSync(file), file).toBe(true);
  expect(readFileSync(drawn.page, "utf8")).toContain("<title>Training curves: static, gradnorm</title>");
}, 60_000);

it("curves names the folder that is no run, without a stack trace", async () => {
  const { code, stdout, stderr } = await runCli(["curves", folder]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(
    /^echoduet: .+: expected the folder of a run, got no events\.jsonl there; check the path\n$/,
  );
}, 60_000);
