import { spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { resolveTrainConfig } from "../../src/config/index.js";
import { EchoDuetError } from "../../src/errors.js";
import { fromNumbers } from "../../src/tensor/index.js";
import { AppendedLog, formatCsvLine, formatEvent, readEvents } from "../../src/training/events.js";
import { findWeights } from "../../src/training/find-weights.js";
import { RunDirectory } from "../../src/training/run-directory.js";
import { readRunInfo } from "../../src/training/run-info.js";
import { runFiles } from "../../src/training/run-files.js";

const root = mkdtempSync(join(tmpdir(), "echoduet-run-"));
afterAll(() => rmSync(root, { recursive: true }));
let out: string;
beforeEach(() => {
  out = join(mkdtempSync(join(root, "case-")), "train");
});

const config = resolveTrainConfig({ data: "data.yaml", model: "joint-yolov5n", seed: 7 }, "test");
const origin = {
  echoduet: "0.1.0",
  onnxruntime: "1.30.0",
  seed: 7,
  data: { path: "data.yaml", fingerprint: "abc", leakage: [] },
};
const create = (path = out) => RunDirectory.create(path, config, origin);
const tensors = new Map([["w", fromNumbers("float32", [2], [1, 2])]]);
const save = (run: RunDirectory, step: number, which: "last" | "best" = "last") =>
  run.saveCheckpoint(which, tensors, {
    echoduet: "0.1.0",
    model: config.model,
    names: [],
    views: [],
    epoch: 1,
    step,
    config: run.config,
    trainedOn: null,
    metrics: {},
    state: {},
  });
const note = (run: RunDirectory, message: string, step = 0) =>
  run.event({ type: "note", epoch: 1, step, message });
const messages = (path = out) =>
  readEvents(join(path, runFiles.events)).map((event) =>
    event.type === "note" ? event.message : event.type,
  );

function errorOf(act: () => unknown): EchoDuetError {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(EchoDuetError);
    return error as EchoDuetError;
  }
  throw new Error("expected an error");
}

describe("a new run directory, in place", () => {
  const inPlace = () => RunDirectory.createAt(out, config, origin);

  it("is the one asked for, also over what a killed process left before it was a run", () => {
    mkdirSync(out);
    writeFileSync(join(out, runFiles.info), "{}");
    const run = inPlace();
    expect(run.path).toBe(out);
    run.close();
  });

  it("is refused where it holds a run or another process makes one, and nothing else is made", () => {
    const run = inPlace();
    expect(errorOf(inPlace).message).toContain("expected a free directory, got one in use by process");
    run.close();
    expect(errorOf(inPlace).message).toBe(
      `${out}: expected no run there, got one; go on with it (--resume ${out}), or choose another --out`,
    );
    expect(existsSync(join(out, runFiles.lock))).toBe(false);
    expect(existsSync(`${out}2`)).toBe(false);
  });
});

describe("a new run directory", () => {
  it("holds the resolved configuration and the circumstances", () => {
    const run = create();
    expect(run.path).toBe(out);
    const info = readRunInfo(out);
    expect(info).toMatchObject({ ...origin, node: process.version });
    expect(info.platform).toContain(process.platform);
    run.close();
    const opened = RunDirectory.open(out);
    expect(opened.run.config).toEqual({ ...config, out });
    expect(opened.checkpoint).toBeNull();
    opened.run.close();
  });

  it("takes the next free name where there is a run, and uses a folder that holds none", () => {
    mkdirSync(out);
    writeFileSync(join(out, "notes.txt"), "mine");
    const runs = [create(), create(), create(`${out}/`)];
    expect(runs.map((run) => run.path)).toEqual([out, `${out}2`, `${out}3`]);
    expect(runs[1].config.out).toBe(`${out}2`);
    for (const run of runs) run.close();
    expect(existsSync(join(out, runFiles.lock))).toBe(false);
    expect(readFileSync(join(out, "notes.txt"), "utf8")).toBe("mine");
  });

  it("is not made where the folder cannot be, and the folder is named", () => {
    const file = join(root, "file");
    writeFileSync(file, "");
    const below = join(file, "train"); // a file in the path refuses root too
    const error = errorOf(() => create(below));
    expect(error.code).toBe("io");
    expect(error.message).toMatch(/file\/train: cannot be created \(ENOTDIR.*choose another folder/);
    expect(errorOf(() => create(file)).message).toMatch(/file: cannot be created \(EEXIST/);
  });
});

describe("the lock", () => {
  const lock = () => join(out, runFiles.lock);

  it("keeps a second one out while the first is open", () => {
    const run = create();
    const error = errorOf(() => RunDirectory.open(out));
    expect(error.message).toContain(`in use by process ${process.pid} on ${hostname()}`);
    run.close();
    RunDirectory.open(out).run.close();
  });

  it("of a living process is respected, of a dead one taken over", async () => {
    create().close();
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    writeFileSync(lock(), JSON.stringify({ pid: child.pid, host: hostname() }));
    expect(errorOf(() => RunDirectory.open(out)).message).toContain(`process ${child.pid}`);
    child.kill("SIGKILL");
    await new Promise((done) => child.once("exit", done));
    const { run } = RunDirectory.open(out);
    expect(JSON.parse(readFileSync(lock(), "utf8"))).toMatchObject({ pid: process.pid });
    run.close();
    expect(readdirSync(out).filter((name) => name.includes("lock"))).toEqual([]);
  });

  it("of an earlier process with this one's id, or torn, is taken over", () => {
    create().close();
    for (const text of [JSON.stringify({ pid: process.pid, host: hostname() }), '{"pid"', ""]) {
      writeFileSync(lock(), text);
      RunDirectory.open(out).run.close();
    }
  });

  it("of another computer is respected, with the remedy", () => {
    create().close();
    writeFileSync(lock(), JSON.stringify({ pid: 1, host: "elsewhere" }));
    expect(errorOf(() => RunDirectory.open(out)).message).toMatch(/process 1 on elsewhere.*delete this file/);
  });

  it("is given back when a damaged run cannot be opened", () => {
    create().close();
    writeFileSync(join(out, runFiles.config), "epochs: 0\n");
    expect(errorOf(() => RunDirectory.open(out)).message).toContain("config.yaml");
    expect(existsSync(lock())).toBe(false);
  });

  it("sends a new run to the next name while another process is making one there", () => {
    mkdirSync(out);
    writeFileSync(lock(), JSON.stringify({ pid: 1, host: "elsewhere" }));
    const run = create();
    expect(run.path).toBe(`${out}2`);
    run.close();
  });
});

describe("resuming", () => {
  it("cuts the logs back to the last checkpoint and drops torn lines and temporary files", () => {
    const run = create();
    note(run, "before", 1);
    run.metricsRow({ epoch: 1, "a,b": 0.5, none: null });
    save(run, 1);
    const events = readFileSync(run.file("events"), "utf8");
    const metrics = readFileSync(run.file("metrics"), "utf8");
    note(run, "after", 2);
    run.metricsRow({ epoch: 2, "a,b": 0.6, none: Number.NaN });
    run.close();
    appendFileSync(run.file("events"), '{"type":"no');
    writeFileSync(join(out, ".last.safetensors.4242.tmp"), "half");
    expect(messages()).toEqual(["before", "after"]); // a reader leaves the torn line out

    const opened = RunDirectory.open(out);
    expect(opened.checkpoint?.metadata.step).toBe(1);
    expect(readFileSync(run.file("events"), "utf8")).toBe(events);
    expect(readFileSync(run.file("metrics"), "utf8")).toBe(metrics);
    expect(readdirSync(out).filter((name) => name.endsWith(".tmp"))).toEqual([]);

    note(opened.run, "again", 2);
    opened.run.metricsRow({ epoch: 2, "a,b": 0.7, none: 3 });
    opened.run.close();
    expect(messages()).toEqual(["before", "again"]);
    expect(readFileSync(run.file("metrics"), "utf8")).toBe('epoch,"a,b",none\n1,0.5,\n2,0.7,3\n');
  });

  it("starts over where there is no checkpoint yet", () => {
    const run = create();
    note(run, "lost");
    run.metricsRow({ epoch: 1 });
    run.close();
    const opened = RunDirectory.open(out);
    expect(opened.checkpoint).toBeNull();
    opened.run.metricsRow({ other: 1 });
    opened.run.close();
    expect(messages()).toEqual([]);
    expect(readFileSync(run.file("metrics"), "utf8")).toBe("other\n1\n");
  });

  it("goes on with logs that are shorter than the checkpoint says", () => {
    const run = create();
    note(run, "one");
    note(run, "two");
    save(run, 1);
    run.close();
    writeFileSync(
      run.file("events"),
      `${formatEvent({ type: "note", epoch: 1, step: 0, message: "one" })}\n{"ty`,
    );
    rmSync(run.file("metrics"));
    RunDirectory.open(out).run.close();
    expect(messages()).toEqual(["one"]);
  });

  it("finds the same run where the directory was moved", () => {
    create().close();
    const moved = `${out}-moved`;
    spawnSync("mv", [out, moved]);
    const { run } = RunDirectory.open(moved);
    expect(run.config.out).toBe(moved);
    run.close();
  });

  it("is refused where there is no run, or a damaged checkpoint", () => {
    expect(errorOf(() => RunDirectory.open(root)).message).toContain("expected a run, got no config.yaml");
    const run = create();
    save(run, 1);
    run.close();
    writeFileSync(run.file("last"), readFileSync(run.file("last")).subarray(0, -1));
    expect(errorOf(() => RunDirectory.open(out))).toMatchObject({ code: "checkpoint" });
    writeFileSync(run.file("info"), "{");
    rmSync(run.file("last"));
    expect(errorOf(() => RunDirectory.open(out)).message).toContain("run.json: expected JSON");
  });

  it("refuses rows of other columns, also after a resume", () => {
    const run = create();
    run.metricsRow({ epoch: 1, loss: 2 });
    save(run, 1);
    run.close();
    const opened = RunDirectory.open(out).run;
    expect(errorOf(() => opened.metricsRow({ epoch: 2 })).message).toContain(
      "expected the columns epoch,loss, got epoch",
    );
    opened.close();
  });
});

describe("weights of a run", () => {
  it("are the best, else the last, and a file is itself", () => {
    const run = create();
    expect(errorOf(() => findWeights(out)).message).toContain("got neither");
    save(run, 1);
    expect(findWeights(out)).toBe(run.file("last"));
    save(run, 1, "best");
    expect(findWeights(out)).toBe(run.file("best"));
    expect(findWeights(run.file("last"))).toBe(run.file("last"));
    expect(errorOf(() => findWeights(join(out, "none"))).message).toMatch(/none: cannot be read \(ENOENT/);
    run.close();
  });
});

describe("logs", () => {
  it("spell out numbers that are not finite, and read them back", () => {
    const run = create();
    run.event({
      type: "step",
      epoch: 1,
      step: 3,
      images: 16,
      losses: { box: Number.NEGATIVE_INFINITY, classes: Number.NaN },
      taskWeights: { detection: 1 },
      learningRate: 0.01,
      gradientNorm: null,
    });
    run.close();
    const text = readFileSync(run.file("events"), "utf8");
    expect(text).toContain('"classes":"NaN"');
    expect(text.match(/null/g)).toHaveLength(1);
    const [step] = readEvents(run.file("events"));
    expect(step).toMatchObject({
      losses: { box: Number.NEGATIVE_INFINITY, classes: Number.NaN },
      gradientNorm: null,
    });
    expect(formatCsvLine([1, null, Number.NaN, 'say "x"', "a\nb"])).toBe('1,,NaN,"say ""x""","a\nb"');
  });

  it("name file and line of what is no event", () => {
    const path = join(root, "bad.jsonl");
    writeFileSync(path, `${formatEvent({ type: "note", epoch: 1, step: 0, message: "x" })}\nnonsense\n`);
    expect(errorOf(() => readEvents(path)).message).toContain("bad.jsonl:2: expected an event");
    writeFileSync(path, '{"type":"unknown"}\n');
    expect(errorOf(() => readEvents(path)).message).toContain("bad.jsonl:1:");
  });

  it.skipIf(!existsSync("/dev/full"))("name file and remedy where the disk is full", () => {
    const log = new AppendedLog("/dev/full");
    const error = errorOf(() => log.append("line"));
    expect(error).toMatchObject({ code: "io" });
    expect(error.message).toMatch(/\/dev\/full: cannot be written \(ENOSPC.*free some disk space/);
    log.close();
  });
});
