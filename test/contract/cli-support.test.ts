import { Command } from "commander";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, describe, expect, it } from "vitest";
import { exitCodes, formatError, reportError } from "../../src/cli/format-error.js";
import {
  deviceOption,
  parseCount,
  parseShare,
  shareOption,
  sizeOption,
  threadsOption,
} from "../../src/cli/options.js";
import { formatDuration, ProgressBar } from "../../src/cli/progress-bar.js";
import { addTrainOptions, trainConfigOf } from "../../src/cli/train-options.js";
import type { StageProgress } from "../../src/training/index.js";
import type { TrainConfig } from "../../src/config/index.js";
import { EchoDuetError } from "../../src/errors.js";

const folder = mkdtempSync(join(tmpdir(), "echoduet-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

const quiet = (command: Command) => command.exitOverride().configureOutput({ writeErr: () => {} });
const train = (...args: string[]) =>
  trainConfigOf(quiet(addTrainOptions(new Command())).parse(args, { from: "user" }).opts()) as TrainConfig;

describe("options of train", () => {
  it("come before the file's values, and those before the defaults", () => {
    const file = join(folder, "train.yaml");
    writeFileSync(
      file,
      "data: d.yaml\nmodel: joint-yolov5n\nepochs: 7\nbatch: 2\nema: {decay: 0.9, tau: 3}\ndetachClassifier: true\n",
    );
    const config = train(
      ...["--config", file, "--epochs", "9", "--ema-tau", "4", "--no-detach-classifier"],
      ...["--task-weights", "1,0.01", "--size", "640x480", "--fitness-map50-95", "0.5", "--seed", "3"],
    );
    expect(config).toMatchObject({
      data: "d.yaml",
      epochs: 9,
      batch: 2,
      seed: 3,
      ema: { decay: 0.9, tau: 4 },
      detachClassifier: false,
      taskWeights: { detection: 1, classification: 0.01 },
      size: { width: 640, height: 480 },
      fitness: { map50: 0.1, map50_95: 0.5 },
      lr0: 0.01,
    });
    expect(train("--config", file).detachClassifier).toBe(true);
  });

  it("are checked by the schema, all at once", () => {
    expect(() => train("--data", "d.yaml", "--epochs", "x", "--lr0", "", "--size", "100")).toThrow(
      /model is required[\s\S]*epochs: expected number, got "x"[\s\S]*size.width[\s\S]*lr0: expected number/,
    );
    expect(() => train("--device", "tpu")).toThrow(/Allowed choices are cpu, webgpu/);
  });

  it("each have a name of their own in the help", () => {
    const command = addTrainOptions(new Command());
    const names = command.options.filter((option) => !option.negate).map((option) => option.attributeName());
    expect(new Set(names).size).toBe(names.length);
    expect(command.helpInformation()).toMatch(/--ema-decay <value> .*averaged\s+weights/);
    expect(command.helpInformation()).toContain("(default: 0.937)");
  });
});

describe("shared options", () => {
  const parse = (...args: string[]) =>
    quiet(new Command())
      .addOption(sizeOption())
      .addOption(deviceOption())
      .addOption(threadsOption())
      .addOption(shareOption("--conf", "least confidence", 0.25))
      .parse(args, { from: "user" })
      .opts();

  it("have defaults and are parsed", () => {
    expect(parse()).toEqual({ device: "cpu", threads: 0, conf: 0.25 });
    expect(parse("--size", "320", "--device", "webgpu", "--threads", "2", "--conf", ".5")).toEqual({
      size: { width: 320, height: 320 },
      device: "webgpu",
      threads: 2,
      conf: 0.5,
    });
  });

  it.each([
    ["--size", "33"],
    ["--device", "gpu"],
    ["--threads", "-1"],
    ["--threads", "1.5"],
    ["--conf", "1.1"],
    ["--conf", "NaN"],
  ])("%s refuses %s", (flag, value) => {
    expect(() => parse(`${flag}=${value}`)).toThrow(flag);
  });

  it("numbers are whole texts", () => {
    expect(() => parseCount("3x")).toThrow("whole number >= 1");
    expect(() => parseShare("")).toThrow("from 0 to 1");
  });
});

describe("errors on the terminal", () => {
  it("of the user have no stack trace", () => {
    expect(formatError(new EchoDuetError("io", "out: cannot be written; choose another folder"))).toEqual({
      text: "echoduet: out: cannot be written; choose another folder",
      exitCode: 1,
    });
  });

  it("of the program have one, with their causes", () => {
    const { text, exitCode } = formatError(new TypeError("x is undefined", { cause: new Error("below") }));
    expect(exitCode).toBe(exitCodes.bug);
    expect(text).toMatch(
      /TypeError: x is undefined\n\s+at [\s\S]*Caused by: Error: below[\s\S]*This is a bug/,
    );
    expect(formatError("thrown text").text).toContain("thrown text");
  });

  it("tell an interruption by its exit code", () => {
    const controller = new AbortController();
    controller.abort();
    expect(formatError(controller.signal.reason).exitCode).toBe(130);
  });

  it("leave commander's own alone", () => {
    const stream = new PassThrough();
    const before = process.exitCode;
    try {
      quiet(new Command()).parse(["--nothing"], { from: "user" });
      expect.unreachable();
    } catch (error) {
      reportError(error, stream);
      expect(process.exitCode).toBe(1);
    } finally {
      process.exitCode = before;
    }
    expect(stream.read()).toBeNull();
  });
});

describe("progress", () => {
  const summary = {
    epoch: 1,
    epochs: 3,
    losses: { box: 0.123456 },
    metrics: { map50: 0.5, auroc: null },
    seconds: 75,
    imagesPerSecond: 21.26,
    loaderWaitSeconds: 0.5,
    memoryBytes: 512 * 2 ** 20,
    best: true,
  };

  function play(isTTY: boolean, stage?: StageProgress): string {
    const stream = Object.assign(new PassThrough(), { isTTY, columns: 200 });
    let time = 0;
    const bar = new ProgressBar(stream, () => time);
    if (stage) bar.onStageStart(stage);
    bar.onEpochStart(1, 3, 2);
    for (const step of [1, 2]) {
      time += 2;
      bar.onStep({ step, images: 16, losses: { box: 0.5 } });
    }
    bar.onMessage("note");
    bar.onEpochEnd(summary);
    bar.stop();
    return String(stream.read());
  }

  it("is one line an epoch where there is no terminal", () => {
    expect(play(false)).toBe(
      "note\nepoch 1/3 | box 0.1235 | map50 0.5 auroc - | 21.3 img/s | 1:15 (loader 0.5 s) | 512 MB | best, ETA 0:08\n",
    );
  });

  it("is a bar with rate and time left on a terminal", () => {
    const text = play(true);
    expect(text).toContain("epoch 1/3 [");
    expect(text).toContain("2/2 | 8.0 img/s | ETA 0:08 | box 0.5");
    expect(text).toContain("| best, ETA 0:08\n");
    expect(text).toContain("\u001B[?25h"); // the cursor is shown again
  });

  it("names the stage of a training in stages", () => {
    const stage = { number: 2, count: 4, name: "classification" };
    expect(play(false, stage)).toMatch(
      /^stage 2 of 4: classification\nnote\nstage 2\/4 \| epoch 1\/3 \| box 0\.1235 /,
    );
    const length = (text: string) => /epoch 1\/3 .*? ETA/.exec(text)![0].length;
    const [alone, staged] = [play(true), play(true, stage)];
    expect(staged).toContain("stage 2/4 epoch 1/3 [");
    expect(length(staged)).toBe(length(alone) - "stage 2/4 ".length);
  });

  it("formats durations", () => {
    expect([0, 59.6, 3599, 3600, 90061].map(formatDuration)).toEqual([
      "0:00",
      "1:00",
      "59:59",
      "1:00:00",
      "25:01:01",
    ]);
    expect(formatDuration(Number.NaN)).toBe("-");
  });
});
