import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tensor } from "onnxruntime-node";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { resolveTrainConfig } from "../../src/config/index.js";
import { add, Graph, matMul, mul, neg, relu, sigmoid } from "../../src/graph/index.js";
import { readModelMetadata, reverseNodes, serialise } from "../../src/onnx/index.js";
import { Program } from "../../src/runtime/index.js";
import { createKeptSession } from "../../src/runtime/kept-session.js";
import { ProgramCache, programKey } from "../../src/runtime/program-cache.js";
import { hostTensor } from "../../src/tensor/index.js";
import { declareForTraining, TrainingSession } from "../../src/training/session.js";
import { initialTensors } from "../../src/training/state-layout.js";
import { Predictor } from "../../src/training/predictor.js";
import { nodesOf } from "../support/onnx-nodes.js";
import { smallBatch } from "../support/small-batch.js";
import { tinyModel } from "../support/tiny-model.js";

const before = process.env.ECHODUET_CACHE;
let folder: string;
let programs: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "echoduet-cache-"));
  programs = join(folder, "programs");
  process.env.ECHODUET_CACHE = folder;
});
afterEach(() => {
  process.env.ECHODUET_CACHE = before;
  rmSync(folder, { recursive: true, force: true });
});

const entries = (): string[] => readdirSync(programs).map((name) => join(programs, name));
const digest = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();
const longAgo = new Date("2020-01-01");

/** Bits of the state after three steps of a tiny training, each program compiled anew. */
async function trained(): Promise<string> {
  const model = tinyModel();
  const config = resolveTrainConfig(
    { data: "none", model: "joint-yolov5n", batch: 2, size: 32, threads: 2, nominalBatch: 0 },
    "test",
  );
  const { parameters, buffers } = declareForTraining(model);
  const session = new TrainingSession(model, config, initialTensors(parameters, buffers, 0), 3);
  const batch = smallBatch({ size: 32, views: [0, 2] });
  for (let step = 0; step < 3; step++) await session.step(batch);
  const hash = createHash("sha256");
  for (const [name, { data }] of session.state) hash.update(name).update(new Uint8Array(data.buffer));
  await session.close();
  return hash.digest("hex");
}

/** Bits of a prediction of a tiny model, whose weights are constants. */
async function predicted(): Promise<string> {
  const model = tinyModel();
  const { parameters, buffers } = declareForTraining(model);
  const tensors = initialTensors(parameters, buffers, 0);
  const predictor = await Predictor.create(
    model,
    tensors,
    { width: 64, height: 64 },
    { threads: 2, keep: true },
  );
  const { images } = smallBatch({ size: 64, views: [0, 1] });
  const { detections, views } = await predictor.predict(images);
  await predictor.close();
  const hash = createHash("sha256");
  for (const rows of [...(detections?.perImage ?? []), ...(views ?? [])])
    hash.update(Float32Array.from(rows));
  return hash.digest("hex");
}

/** Three doubled, by a program that is kept. */
async function doubled(keep = true): Promise<number> {
  const graph = new Graph();
  const x = graph.input("x", "float32", [1]);
  graph.output("y", add(x, x));
  const program = await Program.compile(graph, { threads: 1, keep });
  const results = await program.run(new Map([["x", hostTensor("float32", [1], Float32Array.of(3))]]));
  await program.close();
  return Number(results.get("y")?.data[0]);
}

describe.each([
  { what: "a training", run: trained },
  { what: "a prediction", run: predicted },
])("the program cache, with $what", ({ run }) => {
  it("changes no bit, and is read at the second start", async () => {
    process.env.ECHODUET_CACHE = "off";
    const without = await run();
    expect(existsSync(programs)).toBe(false);
    process.env.ECHODUET_CACHE = folder;
    expect(await run()).toBe(without);
    const [entry, ...others] = entries();
    expect(others).toEqual([]);
    const written = readFileSync(entry);
    utimesSync(entry, longAgo, longAgo);
    expect(await run()).toBe(without);
    expect(entries()).toEqual([entry]);
    expect(statSync(entry).mtimeMs).toBeGreaterThan(longAgo.getTime());
    expect(readFileSync(entry).equals(written)).toBe(true);
  });
});

describe("a kept program", () => {
  it("runs its nodes in the order in which the program that it was kept from does", async () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [2, 2]);
    const left = Array.from({ length: 4 }, (_, i) => matMul(sigmoid(add(x, i + 1)), relu(mul(x, i + 1))));
    const right = left.map((value, i) => matMul(neg(value), left[(i + 1) % 4]));
    graph.output("y", [...left, ...right].reduce(add));
    graph.output("z", right.reduce(mul));
    const model = serialise(graph);
    const cache = new ProgramCache(programs);
    const profiles = join(folder, "profiles");
    const orderOfRun = async () => {
      mkdirSync(profiles);
      const profile = { enableProfiling: true, profileFilePrefix: join(profiles, "p") };
      const options = { graphOptimizationLevel: "all", intraOpNumThreads: 1, ...profile } as const;
      const session = await createKeptSession(model, options, cache);
      await session.run({ x: new Tensor("float32", [1, 2, 3, 4], [2, 2]) });
      session.endProfiling();
      await session.release();
      const [file] = readdirSync(profiles);
      const events: { cat: string; name: string }[] = JSON.parse(readFileSync(join(profiles, file), "utf8"));
      rmSync(profiles, { recursive: true });
      return events.flatMap(({ cat, name }) =>
        cat === "Node" && name.endsWith("_kernel_time") ? [name] : [],
      );
    };
    const first = await orderOfRun();
    expect(first.length).toBeGreaterThan(20);
    expect(await orderOfRun()).toEqual(first);
  });

  it("is the model with its nodes reversed, and nothing else changed", () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [2, 2]);
    graph.output("y", relu(neg(mul(x, x))));
    const model = serialise(graph, { metadata: { made: "here" } });
    const reversed = reverseNodes(model);
    expect(nodesOf(reversed).map(({ operator }) => operator)).toEqual(["Identity", "Relu", "Neg", "Mul"]);
    expect(readModelMetadata(reversed, "reversed")).toEqual({ made: "here" });
    expect(Buffer.from(reverseNodes(reversed)).equals(model)).toBe(true);
  });
});

describe("the program cache", () => {
  it("keeps only programs that are said to come again", async () => {
    expect(await doubled(false)).toBe(6);
    expect(existsSync(programs)).toBe(false);
  });

  it.each([
    { damage: "cut short", of: (entry: Buffer) => entry.subarray(0, entry.length >> 1) },
    { damage: "empty", of: () => Buffer.alloc(0) },
    { damage: "with a bit turned", of: (entry: Buffer) => entry.fill(entry[50] ^ 1, 50, 51) },
    {
      damage: "whole, but no model",
      of: () => Buffer.concat([digest(Buffer.from("no")), Buffer.from("no")]),
    },
  ])("rebuilds an entry that is $damage", async ({ of }) => {
    await doubled();
    const [entry] = entries();
    const written = readFileSync(entry);
    writeFileSync(entry, of(Buffer.from(written)));
    expect(await doubled()).toBe(6);
    expect(entries()).toEqual([entry]);
    const rebuilt = readFileSync(entry);
    expect(rebuilt.subarray(0, 32).equals(digest(rebuilt.subarray(32)))).toBe(true);
    expect(rebuilt.length).toBe(written.length);
  });

  it("does without a folder that refuses, and says so once", async () => {
    const blocked = join(folder, "file");
    writeFileSync(blocked, "");
    process.env.ECHODUET_CACHE = blocked;
    const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    expect(await doubled()).toBe(6);
    expect(await doubled()).toBe(6);
    const messages = warning.mock.calls.map(([message]) => String(message));
    warning.mockRestore();
    expect(messages.filter((message) => message.includes("cannot be written"))).toHaveLength(1);
    expect(messages.join()).toMatch(/^program cache: .*file.programs: cannot be .*ECHODUET_CACHE=off/);
  });

  it("removes what was not read for longest, and what killed processes left, and nothing else", async () => {
    mkdirSync(programs, { recursive: true });
    const cache = new ProgramCache(programs, 250);
    const key = (digit: string): string => digit.repeat(64);
    // A model of 68 bytes, that has its producer's name alone: field 2, of 66 bytes.
    const model = (digit: string) => Buffer.concat([Buffer.of(0x12, 66), Buffer.alloc(66, digit)]);
    const put = (digit: string): Promise<void> =>
      cache.fill(key(digit), async (path) => writeFileSync(path ?? "", model(digit)));
    mkdirSync(join(programs, "new-abcdef"));
    utimesSync(join(programs, "new-abcdef"), longAgo, longAgo);
    writeFileSync(join(programs, "notes.txt"), "mine");
    await put("1");
    await put("2");
    utimesSync(join(programs, `${key("1")}.program`), longAgo, longAgo);
    utimesSync(join(programs, `${key("2")}.program`), longAgo, longAgo);
    expect(cache.read(key("1"))?.length).toBe(68);
    await put("3");
    expect(readdirSync(programs).toSorted()).toEqual(
      [`${key("1")}.program`, `${key("3")}.program`, "notes.txt"].toSorted(),
    );
    expect(cache.read(key("2"))).toBeNull();
  });

  it("knows programs by model and options", () => {
    const [a, b] = [Buffer.from("a"), Buffer.from("b")];
    const keys = [
      programKey(a, { intraOpNumThreads: 1 }),
      programKey(a, { intraOpNumThreads: 2 }),
      programKey(b, { intraOpNumThreads: 1 }),
    ];
    expect(new Set(keys).size).toBe(3);
    expect(programKey(a, { intraOpNumThreads: 1 })).toBe(keys[0]);
  });
});
