import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AuditReport } from "../../src/data/audit/index.js";
import { type RepairSummary, type RevertSummary, repairCodes } from "../../src/data/repair/index.js";
import { simulate } from "../../src/data/simulate/index.js";
import { jsonOf, runCli, succeed, temporaryFolder } from "../support/cli.js";
import { readTree } from "../support/repair-data.js";

const { folder, remove } = temporaryFolder("repair-e2e");
afterAll(remove);
const at = (...parts: string[]) => join(folder, ...parts);
const yaml = at("data", "data.yaml");
const plan = at("plan.yaml");

/** Findings by code, and how many. */
async function findings(dataYaml: string): Promise<Record<string, number>> {
  const { findings: found } = await jsonOf<AuditReport>(["audit", dataYaml, "--fail-on", "never"]);
  return Object.fromEntries(found.map(({ code, count }) => [code, count]));
}

beforeAll(async () => {
  const size = { width: 128, height: 96 };
  const faults = {
    ...{ exactDuplicatesAcross: 2, exactDuplicates: 1, viewNoise: 3, viewAmbiguous: 2, viewContradictory: 2 },
    ...{ viewMissing: 1, unparseable: 1, classRange: 1, boxOutOfRange: 2, boxEmpty: 1, boxRepeated: 2 },
    ...{ labelOrphan: 1, corruptImages: 1 },
  };
  const amount = { patients: 6, clipsPerPatient: 3, framesPerClip: 4 };
  await simulate({ out: at("data"), ...amount, seed: 3, size, faults });
});

describe("echoduet audit --fix and echoduet repair", () => {
  it("repair planted faults in a copy, after which the audit finds none, and take it back", async () => {
    const before = readTree(at("data"));
    const found = await findings(yaml);
    expect(Object.keys(found)).toEqual(
      expect.arrayContaining([
        ...["duplicate.exact", "view.mixed-clip", "view.ambiguous", "view.contradictory", "view.missing"],
        ...["label.unparseable", "label.class-range", "label.orphan", "image.unreadable"],
        ...["box.out-of-range", "box.empty", "box.repeated"],
      ]),
    );
    const { stderr } = await succeed(["audit", yaml, "--fix", plan, "--fail-on", "never"]);
    expect(stderr).toMatch(/plan\.yaml: \d+ actions, \d+ switched on, \d+ undecided; read and edit it/);
    const text = readFileSync(plan, "utf8");
    writeFileSync(plan, text.replaceAll("apply: false", "apply: true"));

    const out = at("repaired");
    const repair = await jsonOf<RepairSummary>(["repair", "--plan", plan, "--out", out]);
    expect(repair.counts.frames.in).toBe(repair.counts.frames.out + repair.counts.frames.dropped);
    expect(repair.actions).toMatchObject({ "duplicate.exact": 3, "image.unreadable": 1 });
    expect(repair.images.linked + repair.images.copied).toBe(repair.counts.frames.out);
    // What no repair is for may stay, such as text that the audit sees in a picture; nothing is new.
    const left = Object.keys(await findings(repair.data));
    expect(
      left.filter((code) => !(code in found) || (repairCodes as readonly string[]).includes(code)),
    ).toEqual([]);
    expect(readTree(at("data"))).toEqual(before);

    const revert = await jsonOf<RevertSummary>(["repair", "--revert", out, "--out", at("reverted")]);
    const { "data.yaml": _, ...restored } = readTree(at("reverted"));
    for (const [name, contents] of Object.entries(restored))
      expect(contents === before[name], name).toBe(true);
    const data = Object.keys(before).filter((name) => /\/(images|labels)\//.test(name));
    expect(Object.keys(restored).toSorted()).toEqual(data.toSorted());
    expect(await findings(revert.data)).toEqual(found);
  });

  it("print what was done, and keep a plan that was edited", async () => {
    rmSync(plan, { force: true });
    await succeed(["audit", yaml, "--fix", plan, "--no-images", "--fail-on", "never"]);
    writeFileSync(plan, `# mine\n${readFileSync(plan, "utf8")}`);
    const again = ["audit", yaml, "--fix", plan, "--no-images", "--fail-on", "never"];
    const refused = await runCli(again);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain("got a plan that was edited");
    const { stdout } = await succeed(["repair", "--plan", plan, "--out", at("printed")]);
    expect(stdout).toMatch(/^wrote .*data\.yaml\nactions: .*view\.mixed-clip \d/);
    expect(stdout).toMatch(/^frames: (\d+) = \1 \+ 0 dropped; images \1 (hard-linked|copied)$/m);
    await succeed([...again, "--force"]);
    expect(readFileSync(plan, "utf8")).not.toContain("# mine");
  });

  it.each<[string, string[], string]>([
    ["neither plan nor repaired copy", [], "repair: expected either --plan or --revert, got neither"],
    ["both", ["--plan", "a", "--revert", "b"], "got both; give one"],
    ["no such plan", ["--plan", "no.yaml"], "no.yaml: cannot be read"],
  ])("end with a message for %s", async (_, args, message) => {
    const { code, stdout, stderr } = await runCli(["repair", ...args, "--out", at("nowhere")]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(message);
    expect(existsSync(at("nowhere"))).toBe(false);
  });
});
