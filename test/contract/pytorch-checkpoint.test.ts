import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { EchoDuetError } from "../../src/errors.js";
import { parsePyTorchCheckpoint, readPyTorchCheckpoint } from "../../src/onnx/pytorch/checkpoint.js";
import { encodeSafetensors, readSafetensors } from "../../src/onnx/safetensors.js";
import { fromNumbers, toNumbers } from "../../src/tensor/index.js";
import {
  build,
  checkpointZip,
  dict,
  global,
  int,
  list,
  moduleRecord,
  newObject,
  none,
  orderedDict,
  type Piece,
  parameter,
  pickle,
  reduce,
  tensor,
  text,
  vector,
} from "../support/pickle-writer.js";

const reference = fileURLToPath(new URL("../../../shared/reference/", import.meta.url));
const hasReference = existsSync(join(reference, "yolov5n.pt"));
if (!hasReference) console.warn("skipped: yolov5n.pt is not in shared/reference beside the checkout");

const folder = mkdtempSync(join(tmpdir(), "echoduet-checkpoint-"));
afterAll(() => rmSync(folder, { recursive: true }));

const bytesOf = (data: { buffer: ArrayBufferLike }): Uint8Array => new Uint8Array(data.buffer);
const floats = (...values: number[]): Uint8Array => bytesOf(Float32Array.from(values));
const parse = (bytes: Uint8Array) => parsePyTorchCheckpoint(bytes, "checkpoint tiny.pt");
const parsePiece = (value: Piece, ...storages: Uint8Array[]) => parse(checkpointZip(pickle(value), storages));

/** The EchoDuetError `checkpoint` that `action` throws; any other outcome fails the test. */
function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(EchoDuetError);
    expect((error as EchoDuetError).code).toBe("checkpoint");
    return (error as Error).message;
  }
  throw new Error("expected an error, got none");
}

/** A YOLOv5-like checkpoint: a model of one convolution with a parameter, buffers and an absent bias. */
function tinyModel(weights: [string, Piece][], ema: Piece = none): Piece {
  const convolution = moduleRecord(["torch.nn.modules.conv", "Conv2d"], {
    parameters: [...weights, ["bias", none]],
    buffers: [["count", tensor({ storage: "LongStorage", key: "1", elements: 1, size: [], stride: [] })]],
  });
  const model = moduleRecord(["models.yolo", "DetectionModel"], {
    modules: [["0", convolution]],
    attributes: [
      ["names", dict([int(0), text("AR")], [int(1), text("MR")])],
      ["yaml", dict([text("nc"), int(2)], [text("backbone"), list(int(-1), text("Conv"))])],
    ],
  });
  return dict([text("epoch"), int(7)], [text("model"), model], [text("ema"), ema]);
}

const tinyStorages = [floats(1, -2, 3, 4, 5, 6), bytesOf(BigInt64Array.of(2n ** 60n))];
const tinyPickle = pickle(tinyModel([["weight", parameter(vector("0", 6))]]));
const tiny = checkpointZip(tinyPickle, tinyStorages);

describe.skipIf(!hasReference)("the official YOLOv5n checkpoint", () => {
  it("gives the reference's tensors exactly, and what it says of itself", () => {
    const { tensors, records } = readPyTorchCheckpoint(join(reference, "yolov5n.pt"));
    const expected = readSafetensors(join(reference, "yolov5n_state.safetensors")).tensors;
    expect(expected.size).toBeGreaterThan(30);
    for (const [name, { dtype, shape, data }] of expected) {
      const got = tensors.get(name);
      expect([name, got?.dtype, got?.shape]).toEqual([name, dtype, shape]);
      expect(Buffer.compare(bytesOf(got!.data), bytesOf(data)), name).toBe(0);
    }
    expect(tensors.get("model.0.bn.num_batches_tracked")?.dtype).toBe("int64");
    expect(tensors.get("model.24.anchors")?.shape).toEqual([3, 3, 2]);
    expect(records).toMatchObject({ source: "model", moduleClass: "models.yolo.Model", nc: 80, epoch: -1 });
    expect(records.names).toHaveLength(80);
    expect([records.names?.[0], records.names?.[79]]).toEqual(["person", "toothbrush"]);
    expect(records.yaml).toMatchObject({ nc: 80, depth_multiple: 0.33, width_multiple: 0.25 });
  });

  it("is refused, with the remedy, wherever it is cut", () => {
    const bytes = readFileSync(join(reference, "yolov5n.pt"));
    for (const share of [0.001, 0.1, 0.5, 0.9, 0.99]) {
      const message = refusal(() => parse(bytes.subarray(0, Math.floor(bytes.length * share))));
      expect(message).toMatch(/^checkpoint tiny.pt: not a complete zip archive.*download or copy it again$/);
    }
    refusal(() => parse(bytes.subarray(0, bytes.length - 1)));
  });
});

describe("what is read", () => {
  it("reads a module tree, int64 kept, names from a dict", () => {
    const { tensors, records } = parse(tiny);
    expect([...tensors.keys()]).toEqual(["0.weight", "0.count"]);
    expect(tensors.get("0.weight")).toEqual(fromNumbers("float32", [6], [1, -2, 3, 4, 5, 6]));
    expect(tensors.get("0.count")?.data).toEqual(BigInt64Array.of(2n ** 60n));
    expect(records).toEqual({
      source: "model",
      moduleClass: "models.yolo.DetectionModel",
      names: ["AR", "MR"],
      nc: 2,
      epoch: 7,
      yaml: { nc: 2, backbone: [-1, "Conv"] },
    });
  });

  it("reads deflated archives alike", () => {
    expect(parse(checkpointZip(tinyPickle, tinyStorages, { deflate: true }))).toEqual(parse(tiny));
  });

  it("prefers ema, as YOLOv5 does", () => {
    const ema = moduleRecord(["models.yolo", "Model"], { parameters: [["w", vector("0", 6)]] });
    const { tensors, records } = parsePiece(tinyModel([], ema), ...tinyStorages);
    expect([records.source, ...tensors.keys()]).toEqual(["ema", "w"]);
  });

  it.each([
    ["root", (state: Piece) => state],
    ["state_dict", (state: Piece) => dict([text("state_dict"), state])],
    ["model", (state: Piece) => dict([text("model"), state])],
  ])("reads a state dict under %s", (source, wrap) => {
    const state = build(orderedDict([text("a.w"), vector("0", 2)]), dict([text("_metadata"), orderedDict()]));
    const { tensors, records } = parsePiece(wrap(state), floats(8, 9));
    expect(records).toMatchObject({ source, moduleClass: null, names: null, nc: null });
    expect([...tensors]).toEqual([["a.w", fromNumbers("float32", [2], [8, 9])]]);
  });

  it("reads any strides and offsets", () => {
    const base = { storage: "FloatStorage", key: "0", elements: 7 };
    const transposed = tensor({ ...base, size: [3, 2], stride: [1, 3], offset: 1 });
    const repeated = tensor({ ...base, size: [2, 2], stride: [0, 5] });
    const { tensors } = parsePiece(
      dict([text("t"), transposed], [text("r"), repeated]),
      floats(0, 1, 2, 3, 4, 5, 6),
    );
    expect(tensors.get("t")).toEqual(fromNumbers("float32", [3, 2], [1, 4, 2, 5, 3, 6]));
    expect(tensors.get("r")).toEqual(fromNumbers("float32", [2, 2], [0, 5, 0, 5]));
  });

  it("widens float16 and bfloat16 exactly", () => {
    const halves = bytesOf(Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x03ff, 0x7bff, 0x7c00, 0x8000, 0x7e00));
    const brains = bytesOf(Uint16Array.of(0x3f80, 0xc049));
    const of = (storage: string, key: string, elements: number) =>
      tensor({ storage, key, elements, size: [elements], stride: [1] });
    const { tensors } = parsePiece(
      dict([text("h"), of("HalfStorage", "0", 8)], [text("b"), of("BFloat16Storage", "1", 2)]),
      halves,
      brains,
    );
    const half = [1, -2, 2 ** -24, 1023 * 2 ** -24, 65504, Number.POSITIVE_INFINITY, -0, Number.NaN];
    expect([...toNumbers(tensors.get("h")!)]).toEqual(half);
    expect([...toNumbers(tensors.get("b")!)]).toEqual([1, -3.140625]);
  });

  it("leaves out buffers that are not persistent", () => {
    const transient = reduce(global("__builtin__", "set"), list(text("grid")));
    const model = moduleRecord(["models.yolo", "Detect"], {
      buffers: [
        ["grid", vector("0", 1)],
        ["anchors", vector("0", 1)],
      ],
      attributes: [["_non_persistent_buffers_set", transient]],
    });
    expect([...parsePiece(model, floats(1)).tensors.keys()]).toEqual(["anchors"]);
  });
});

describe("what is refused by name", () => {
  const marker = join(folder, "was-run");
  it.each([
    ["posix.system", reduce(global("posix", "system"), text(`touch ${marker}`))],
    ["builtins.eval", reduce(global("builtins", "eval"), text("1"))],
    ["__builtin__.getattr", reduce(global("__builtin__", "getattr"), none, text("x"))],
    ["models.yolo.os.system", reduce(global("models.yolo", "os.system"), text("true"))],
    ["torch.load", newObject(global("torch", "load"))],
    ["ultralytics.nn.tasks.DetectionModel", newObject(global("ultralytics.nn.tasks", "DetectionModel"))],
  ])("%s", (name, payload) => {
    const path = join(folder, "malicious.pt");
    writeFileSync(path, checkpointZip(pickle(dict([text("model"), payload])), []));
    const message = refusal(() => readPyTorchCheckpoint(path));
    expect(message).toContain(`checkpoint ${path}: refused: pickle asks for ${name};`);
    expect(existsSync(marker)).toBe(false);
  });

  it("a name built on the stack, with its control characters escaped", () => {
    const stackGlobal = [...text("os\u001b[2J"), ...text("system"), 0x93];
    expect(refusal(() => parsePiece(stackGlobal))).toContain("asks for os\\u001b[2J.system;");
  });
});

describe("files that are not a whole .pt", () => {
  const encoder = new TextEncoder();
  const tar = new Uint8Array(512);
  tar.set(encoder.encode("ustar"), 257);
  const safetensors = encodeSafetensors(new Map([["a", fromNumbers("float32", [1], [1])]]), {});
  it.each<[string, Uint8Array, RegExp]>([
    ["empty", new Uint8Array(0), /got an empty file/],
    ["a bare pickle", tinyPickle, /before 1\.6.*re-save it with a recent PyTorch/],
    ["a tar", tar, /before 0\.4.*re-save it with a recent PyTorch/],
    ["safetensors", safetensors, /got a safetensors file; rename it to end in \.safetensors/],
    ["a web page", encoder.encode("<!DOCTYPE html><html>"), /got a web page/],
    ["a Git LFS pointer", encoder.encode("version https://git-lfs.github.com/spec/v1"), /git lfs pull/],
    ["text", encoder.encode("hello"), /no known weights format/],
    [
      "another zip",
      checkpointZip(tinyPickle, [], { extra: { "b/data.pkl": tinyPickle } }),
      /one data\.pkl.*got 2/,
    ],
    [
      "TorchScript",
      checkpointZip(tinyPickle, [], { extra: { "archive/constants.pkl": tinyPickle } }),
      /TorchScript/,
    ],
    [
      "big-endian",
      checkpointZip(tinyPickle, [], { extra: { "archive/byteorder": encoder.encode("big") } }),
      /byteorder expects "little", got "big"/,
    ],
    ["no model", checkpointZip(pickle(dict([text("results"), int(1)])), []), /got a dict of "results"/],
  ])("%s", (_, bytes, expected) => expect(refusal(() => parse(bytes))).toMatch(expected));

  it("a file that is not there", () => {
    expect(() => readPyTorchCheckpoint(join(folder, "none.pt"))).toThrow(/none\.pt: .*no such file/);
  });

  it("a small one cut at any byte", () => {
    for (let length = 0; length < tiny.length; length++) refusal(() => parse(tiny.subarray(0, length)));
  });

  it("one flipped bit in the weights", () => {
    const bytes = Uint8Array.from(tiny);
    bytes[Buffer.from(tiny).indexOf(Buffer.from(tinyStorages[0]))] ^= 1;
    expect(refusal(() => parse(bytes))).toMatch(/entry "archive\/data\/0" does not match its checksum/);
  });
});

describe("hostile bytes", () => {
  const base = { storage: "FloatStorage", key: "0", elements: 4 };
  const times = (count: number, ...bytes: number[]): number[] => new Array(count).fill(bytes).flat();
  const uint64 = [255, 255, 255, 255, 255, 255, 15, 0];

  it.each<[string, Piece, RegExp]>([
    [
      "a size beyond the storage",
      tensor({ ...base, size: [5], stride: [1] }),
      /expect to lie within the storage/,
    ],
    ["an offset beyond the storage", tensor({ ...base, size: [1], stride: [1], offset: 4 }), /lie within/],
    ["strides beyond the storage", tensor({ ...base, size: [2, 2], stride: [3, 1] }), /lie within/],
    ["a negative stride", tensor({ ...base, size: [2], stride: [-1] }), /stride expects a count, got -1/],
    ["stride 0 over a huge size", tensor({ ...base, size: [2 ** 30], stride: [0] }), /lie within/],
    [
      "a storage of another size",
      tensor({ ...base, elements: 8, size: [1], stride: [1] }),
      /expects 32 bytes, got 16/,
    ],
    ["a missing storage", tensor({ ...base, key: "../x", size: [1], stride: [1] }), /no such entry/],
    ["axes without strides", tensor({ ...base, size: [1, 1], stride: [1] }), /as many strides as axes/],
  ])("%s", (_, value, expected) => {
    expect(refusal(() => parsePiece(dict([text("w"), value]), floats(1, 2, 3, 4)))).toMatch(expected);
  });

  it.each<[string, Piece, RegExp]>([
    ["a text of 2^52 bytes", [0x8d, ...uint64], /truncated: expected \d+ more bytes/],
    ["an integer of 2^32 bytes", [0x8b, 255, 255, 255, 255], /integer of at most 16 bytes/],
    ["a million nested lists", [...times(1_000_000, 0x5d), ...times(999_999, 0x61)], /containers/],
    ["400,000 nested lists", [...times(400_000, 0x5d), ...times(399_999, 0x61)], /expected a model/],
    ["lists doubled by memory", [0x5d, 0x94, ...times(60, 0x32, 0x86, 0x94)], /expected a model/],
    ["an empty stack", [0x30], /expected a value on the stack/],
    ["a mark that is not there", [0x74], /expected a mark/],
    ["a memory that is not there", [0x68, 9], /remembered as 9/],
    ["a state for a number", build(int(1), none), /expected a record to give a state/],
    ["a call of a text", reduce(text("print")), /expected a name to call/],
    ["an extension code", [0x82, 1], /got 0x82/],
    ["protocol 9", [0x80, 9, ...none], /expected protocol 2 to 5, got 9/],
  ])("%s", (_, value, expected) => expect(refusal(() => parsePiece(value))).toMatch(expected));

  it("a module that is its own child", () => {
    const self = newObject(global("models.yolo", "Model"));
    const tables = dict(
      [text("_parameters"), orderedDict()],
      [text("_modules"), dict([text("a"), [0x68, 0]])],
    );
    expect(refusal(() => parsePiece([...self, 0x71, 0, ...tables, 0x62]))).toMatch(/at most 64 deep/);
  });

  it("a module tree that doubles at each level", () => {
    const nest = (levels: number): Piece => {
      if (levels === 0) return moduleRecord(["models.common", "C3"], {});
      const child = [...nest(levels - 1), 0x71, levels];
      return moduleRecord(["models.common", "C3"], {
        modules: [
          ["a", child],
          ["b", [0x68, levels]],
        ],
      });
    };
    expect(refusal(() => parsePiece(nest(40)))).toMatch(/at most 100000 parameters and modules/);
  });

  it("a storage shared by too many tensors", () => {
    const pairs = Array.from({ length: 9 }, (_, i): [Piece, Piece] => [text(`w${i}`), vector("0", 4)]);
    expect(refusal(() => parsePiece(dict(...pairs), floats(1, 2, 3, 4)))).toMatch(/share their storages/);
  });

  it("a storage that inflates a thousandfold", () => {
    const zip = checkpointZip(
      pickle(dict([text("w"), vector("0", 18 * 2 ** 20)])),
      [new Uint8Array(72 * 2 ** 20)],
      {
        deflate: true,
      },
    );
    expect(refusal(() => parse(zip))).toMatch(/expands beyond what the archive can honestly hold/);
  });
});

describe("mutated bytes", () => {
  const edits = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  });
  const mutate = (bytes: Uint8Array, changes: [number, number][]): Uint8Array => {
    const out = Uint8Array.from(bytes);
    for (const [at, value] of changes) out[at % out.length] = value;
    return out;
  };
  const readsOrRefuses = (bytes: Uint8Array): void => {
    try {
      parse(bytes);
    } catch (error) {
      if (!(error instanceof EchoDuetError)) throw error;
    }
  };

  it("of the archive are read or refused, never anything else", () => {
    fc.assert(
      fc.property(edits, (changes) => readsOrRefuses(mutate(tiny, changes))),
      { numRuns: 1500 },
    );
  });

  it("of the pickle, under a right checksum, are read or refused, never anything else", () => {
    const property = (changes: [number, number][]) =>
      readsOrRefuses(checkpointZip(mutate(tinyPickle, changes), tinyStorages));
    fc.assert(fc.property(edits, property), { numRuns: 3000 });
  });

  it("of a deflated archive alike", () => {
    const deflated = checkpointZip(tinyPickle, tinyStorages, { deflate: true });
    fc.assert(
      fc.property(edits, (changes) => readsOrRefuses(mutate(deflated, changes))),
      { numRuns: 1000 },
    );
  });
});
