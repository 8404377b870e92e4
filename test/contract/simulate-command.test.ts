import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { formatSimulation, simulateCommand } from "../../src/cli/commands/simulate.js";
import { type FaultKind, faultNames, simulate } from "../../src/data/simulate/index.js";

/** What the command prints on standard output. */
async function run(...args: string[]): Promise<string> {
  const written: string[] = [];
  const spy = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
  try {
    const command = simulateCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => undefined });
    await command.parseAsync(args, { from: "user" });
  } finally {
    spy.mockRestore();
  }
  return written.join("");
}

describe("simulate, the command", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "simulate-command-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const small = [
    "--patients",
    "3",
    "--clips",
    "2",
    "--frames",
    "1",
    "--size",
    "96x72",
    "--splits",
    "0.34,0.33,0.33",
  ];

  it("passes every option on, and prints the summary as JSON", async () => {
    const out = join(folder, "json");
    const more = ["--difficulty", "0.5", "--views", "A4C=2,PLAX=0", "--classes", "TR=3", "--seed", "7"];
    const text = await run(
      "--out",
      out,
      ...small,
      ...more,
      "--fault",
      "view-missing=1,label-orphan=2",
      "--json",
    );
    const summary = JSON.parse(text);
    expect(summary).toMatchObject({
      out,
      reused: false,
      images: 6,
      faults: { "view.missing": 1, "label.orphan": 2 },
    });
    expect(summary.views.PLAX).toBe(0);
    const { options } = JSON.parse(readFileSync(join(out, "simulation.json"), "utf8"));
    expect(options).toMatchObject({
      ...{ patients: 3, clipsPerPatient: 2, framesPerClip: 1, seed: 7, difficulty: 0.5 },
      size: { width: 96, height: 72 },
      splits: { train: 0.34, valid: 0.33, test: 0.33 },
      viewShares: { A4C: 2, PSAX: 1, PLAX: 0 },
      classShares: { AR: 1, MR: 1, PR: 1, TR: 3 },
    });
  });

  it("tells in words what it wrote", async () => {
    const text = await run("--out", join(folder, "words"), ...small);
    expect(text).toMatch(/^wrote 6 frames in .*words\ntrain: 2 frames of 1 patient\n/);
    expect(text).toMatch(/^findings to expect, by files: /m);
    const summary = await simulate({ out: join(folder, "machine"), patients: 1, seed: 0, size: "machine" });
    expect(formatSimulation({ ...summary, reused: true })).toMatch(/^already there: 24 frames/);
  });

  it("names in errors the options as they are typed", async () => {
    const out = join(folder, "refused");
    const wrong: [string, string, RegExp][] = [
      [
        "--fault",
        "view-noise=1.5",
        /^simulate: --fault view-noise expects a share below 1 or a whole number, got 1.5/,
      ],
      ["--fault", "near-duplicates=9999", /^simulate: --fault near-duplicates expects at most/],
      ["--frames", "10000", /^simulate: --frames expects/],
      ["--clips", "100", /^simulate: --clips expects/],
      ["--size", "10x80", /^simulate: --size expects/],
      ["--views", "A5C=1", /^simulate: --views expects/],
      ["--classes", "XX=1", /^simulate: --classes expects/],
      ["--splits", "0.5,0.5,0.5", /^simulate: --splits expects/],
    ];
    for (const [option, value, message] of wrong) {
      await expect(run("--out", out, option, value)).rejects.toThrow(message);
    }
  });

  it("leaves out a split with a share of 0", async () => {
    const out = join(folder, "two");
    await run(
      "--out",
      out,
      "--patients",
      "2",
      "--clips",
      "1",
      "--frames",
      "1",
      "--size",
      "96x72",
      "--splits",
      "0.5,0.5,0",
    );
    expect(readdirSync(out).sort()).toEqual([
      "data.yaml",
      "simulation.json",
      "train",
      "truth.json",
      "truth.jsonl",
      "valid",
    ]);
    const yaml = readFileSync(join(out, "data.yaml"), "utf8");
    expect(yaml).toContain("train: train/images\nval: valid/images\nnames:");
    const again = {
      out,
      patients: 2,
      clipsPerPatient: 1,
      framesPerClip: 1,
      seed: 0,
      size: { width: 96, height: 72 },
    };
    expect((await simulate({ ...again, splits: { train: 0.5, valid: 0.5, test: 0 } })).reused).toBe(true);
  });

  it("lists every fault in its help", () => {
    let help = "";
    simulateCommand()
      .configureOutput({ writeOut: (text) => (help += text) })
      .outputHelp();
    for (const kind of faultNames satisfies readonly FaultKind[]) {
      expect(help).toContain(`  ${kind.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} `);
    }
  });

  it.each([
    [["--size", "12"], /expected WxH in pixels or machine, got "12"/],
    [["--splits", "1,2"], /expected three numbers/],
    [["--views", "A4C"], /expected NAME=NUMBER, got "A4C"/],
    [["--fault", "gremlins=1"], /expected one of .*view-noise.*, got gremlins/],
    [["--difficulty", "2"], /expected a number from 0 to 1/],
  ])("refuses %j", async (wrong, message) => {
    await expect(run("--out", join(folder, "wrong"), ...wrong)).rejects.toThrow(message);
  });
});
