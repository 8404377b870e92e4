import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { resolveTrainConfig } from "../../src/config/index.js";
import { EchoDuetError } from "../../src/errors.js";
import { encodeSafetensors } from "../../src/onnx/index.js";
import { fromNumbers, type HostTensor } from "../../src/tensor/index.js";
import { removeTemporaryFiles, sha256File, writeFileAtomically } from "../../src/io/index.js";
import {
  type NewCheckpointMetadata,
  readCheckpoint,
  writeCheckpoint,
} from "../../src/training/checkpoint.js";

const folder = mkdtempSync(join(tmpdir(), "echoduet-checkpoint-"));
afterAll(() => rmSync(folder, { recursive: true }));

const metadata: NewCheckpointMetadata = {
  echoduet: "0.1.0",
  model: "joint-yolov5n",
  names: ["AR", "MR"],
  views: ["A4C"],
  epoch: 2,
  step: 17,
  config: resolveTrainConfig({ data: "data.yaml", model: "joint-yolov5n" }, "test"),
  trainedOn: {
    fingerprint: "abc",
    leakage: [
      {
        from: "train",
        to: "val",
        shared: { patient: 1, clip: 2, duplicate: 0 },
        images: { patient: 3, clip: 2, duplicate: 0 },
        of: 4,
      },
    ],
    patients: ["p01", "p02"],
  },
  metrics: { map50: 0.5, auroc: null },
  logs: { events: 100, metrics: 20 },
  state: { best: { fitness: 0.1 + 0.2, epoch: 1 }, lastStep: 16, weights: [1.98, 0.0198] },
};
const tensors = new Map<string, HostTensor>([
  ["model.0.conv.weight", fromNumbers("float32", [2, 2], [0.1, -0, Number.NaN, 3e-45])],
  ["momentum/model.0.conv.weight", fromNumbers("float32", [2, 2], [1, 2, 3, 4])],
  ["updates", fromNumbers("int64", [], [2 ** 40])],
]);
const path = join(folder, "last.safetensors");

function errorOf(act: () => unknown): EchoDuetError {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(EchoDuetError);
    return error as EchoDuetError;
  }
  throw new Error("expected an error");
}

function bits({ data }: HostTensor): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex");
}

describe("a checkpoint", () => {
  it("comes back bit for bit, with its metadata", () => {
    writeCheckpoint(path, tensors, metadata);
    const read = readCheckpoint(path);
    expect(read.metadata).toEqual({ kind: "checkpoint", version: 1, ...metadata });
    expect([...read.tensors.keys()]).toEqual([...tensors.keys()]);
    for (const [name, tensor] of tensors) {
      const back = read.tensors.get(name)!;
      expect([back.dtype, back.shape, bits(back)]).toEqual([tensor.dtype, tensor.shape, bits(tensor)]);
    }
  });

  it("has the same bytes for the same contents, and their SHA-256", () => {
    writeCheckpoint(path, tensors, metadata);
    const hash = sha256File(path);
    expect(hash).toBe(createHash("sha256").update(readFileSync(path)).digest("hex"));
    writeCheckpoint(path, tensors, metadata);
    expect(sha256File(path)).toBe(hash);
    writeCheckpoint(path, tensors, { ...metadata, step: 18 });
    expect(sha256File(path)).not.toBe(hash);
  });

  it.each<[string, Partial<NewCheckpointMetadata>]>([
    ["metrics.map50", { metrics: { map50: Number.NaN } }],
    ["state.loss", { state: { loss: Number.POSITIVE_INFINITY } }],
    ["epoch", { epoch: 1.5 }],
  ])("is not written with %s that JSON would lose or make wrong", (field, change) => {
    const untouched = join(folder, "untouched.safetensors");
    const error = errorOf(() => writeCheckpoint(untouched, tensors, { ...metadata, ...change }));
    expect(error.code).toBe("checkpoint");
    expect(error.message).toContain(field);
    expect(existsSync(untouched)).toBe(false);
  });

  it("is refused when cut short at any of several places", () => {
    writeCheckpoint(path, tensors, metadata);
    const whole = readFileSync(path);
    const cut = join(folder, "cut.safetensors");
    for (const length of [0, 4, 8, 100, whole.length - 1]) {
      writeFileSync(cut, whole.subarray(0, length));
      const error = errorOf(() => readCheckpoint(cut));
      expect(error.code).toBe("checkpoint");
      expect(error.message).toContain(cut);
    }
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ["plain safetensors", {}, /expected a checkpoint of EchoDuet.*--weights/],
    ["broken JSON", { echoduet: "{" }, /metadata is no JSON/],
    ["a newer version", { echoduet: '{"kind":"checkpoint","version":99}' }, /version 99; update echoduet/],
    ["another kind", { echoduet: '{"kind":"weights","version":1}' }, /got weights of version 1/],
    ["missing fields", { echoduet: '{"kind":"checkpoint","version":1}' }, /model.*\n.*names/s],
    ["no head", { echoduet: "3" }, /expected object, got 3/],
  ])("is not read from %s", (_name, entries, message) => {
    const other = join(folder, "other.safetensors");
    writeFileSync(other, encodeSafetensors(tensors, entries));
    const error = errorOf(() => readCheckpoint(other));
    expect(error.code).toBe("checkpoint");
    expect(error.message).toMatch(message);
    expect(error.message).toContain(other);
  });

  it("that is missing, or cannot be written, is named", () => {
    expect(errorOf(() => readCheckpoint(join(folder, "none.safetensors"))).message).toContain(
      "none.safetensors",
    );
    expect(errorOf(() => sha256File(join(folder, "none"))).code).toBe("io");
    const below = join(path, "last.safetensors"); // a folder that is a file refuses root too
    const error = errorOf(() => writeCheckpoint(below, tensors, metadata));
    expect(error.code).toBe("io");
    expect(error.message).toContain(`${below}: cannot be written (ENOTDIR`);
    expect(error.message).toContain("choose another folder");
  });
});

describe("atomic writing", () => {
  it("leaves what was there and no temporary file where the rename is refused", () => {
    const place = mkdtempSync(join(folder, "refused-"));
    const target = join(place, "target");
    writeFileAtomically(target, "old");
    writeFileAtomically(target, "new");
    expect(readFileSync(target, "utf8")).toBe("new");
    const error = errorOf(() => writeFileAtomically(folder, "over a folder"));
    expect(error.message).toMatch(/cannot be written \((EISDIR|ENOTEMPTY|EEXIST)/);
    expect(readdirSync(tmpdir()).filter((name) => /^\.echoduet-checkpoint-.*tmp$/.test(name))).toEqual([]);
    expect(errorOf(() => writeFileAtomically(join(place, "none", "file"), "")).message).toContain("ENOENT");
    expect(readdirSync(place)).toEqual(["target"]);
  });

  it("cleans up after killed writers, and only after them", () => {
    const place = mkdtempSync(join(folder, "clean-"));
    const names = [".last.safetensors.123.tmp", ".other.9.tmp", ".last.safetensors.tmp", "last.safetensors"];
    for (const name of names) writeFileSync(join(place, name), "x");
    removeTemporaryFiles(place, ["last.safetensors"]);
    expect(readdirSync(place).sort()).toEqual(names.slice(1).sort());
  });

  it("survives SIGKILLs in the middle: the checkpoint is always a whole one", async () => {
    const place = mkdtempSync(join(folder, "kill-"));
    const target = join(place, "last.safetensors");
    for (const delay of [3, 11, 29, 47]) {
      const child = startWriter(target);
      await new Promise((done) => child.stdout?.once("data", done));
      await sleep(delay);
      child.kill("SIGKILL");
      await new Promise((done) => child.once("exit", done));
      const { tensors: read, metadata: told } = readCheckpoint(target);
      const values = new Set(read.get("weights")!.data as Float32Array);
      expect([...values]).toEqual([told.step]);
    }
    removeTemporaryFiles(place, ["last.safetensors"]);
    expect(readdirSync(place)).toEqual(["last.safetensors"]);
  });
});

/** A process that overwrites one checkpoint of 4 MB over and over, and says so after the first one. */
function startWriter(target: string): ChildProcess {
  const source = (name: string) => new URL(`../../src/${name}`, import.meta.url).href;
  const script = `
    import { writeCheckpoint } from ${JSON.stringify(source("training/checkpoint.ts"))};
    const metadata = ${JSON.stringify(metadata)};
    for (let step = 1; ; step++) {
      const data = new Float32Array(1 << 20).fill(step);
      const tensors = new Map([["weights", { dtype: "float32", shape: [data.length], data }]]);
      writeCheckpoint(${JSON.stringify(target)}, tensors, { ...metadata, step });
      if (step === 1) console.log("started");
    }`;
  return spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    stdio: ["ignore", "pipe", "inherit"],
  });
}
