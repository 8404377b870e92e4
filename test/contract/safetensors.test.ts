import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { EchoDuetError } from "../../src/errors.js";
import {
  encodeSafetensors,
  parseSafetensors,
  readSafetensors,
  writeSafetensors,
} from "../../src/onnx/safetensors.js";
import { type DType, fromNumbers, type HostTensor, hostTensor, sizeOf } from "../../src/tensor/index.js";

const folder = mkdtempSync(join(tmpdir(), "echoduet-safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));

const parse = (bytes: Uint8Array) => parseSafetensors(bytes, "checkpoint a.safetensors");

/** A file of `header` (JSON unless text) and `data`. */
function file(header: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

function refusal(bytes: Uint8Array): string {
  try {
    parse(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(EchoDuetError);
    expect((error as EchoDuetError).code).toBe("checkpoint");
    return (error as Error).message;
  }
  throw new Error("expected an error, got none");
}

const sample = new Map<string, HostTensor>([
  ["z.weight", fromNumbers("float32", [2, 2], [1, 2, 3, 4])],
  ["10", hostTensor("bool", [3], Uint8Array.of(1, 0, 1))],
  ["2", hostTensor("int64", [], BigInt64Array.of(-(2n ** 62n)))],
  ["empty", fromNumbers("float64", [0, 4], [])],
]);

describe("encoding", () => {
  it("keeps insertion order, pads the header to 8 bytes, and is the same each time", () => {
    const bytes = encodeSafetensors(sample, { b: "1", a: "é" });
    const headerLength = Number(Buffer.from(bytes).readBigUInt64LE(0));
    const header = Buffer.from(bytes.subarray(8, 8 + headerLength)).toString();
    expect(headerLength % 8).toBe(0);
    expect(header.trimEnd()).toBe(
      '{"__metadata__":{"b":"1","a":"é"},' +
        '"z.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},' +
        '"10":{"dtype":"BOOL","shape":[3],"data_offsets":[16,19]},' +
        '"2":{"dtype":"I64","shape":[],"data_offsets":[19,27]},' +
        '"empty":{"dtype":"F64","shape":[0,4],"data_offsets":[27,27]}}',
    );
    expect(bytes.length).toBe(8 + headerLength + 27);
    expect(encodeSafetensors(sample, { b: "1", a: "é" })).toEqual(bytes);
    expect([...parse(bytes).tensors]).toEqual([...sample]);
  });

  it("refuses a tensor named as the metadata", () => {
    const tensors = new Map([["__metadata__", fromNumbers("float32", [], [1])]]);
    expect(() => encodeSafetensors(tensors, {})).toThrow(/other than __metadata__/);
  });

  it("round-trips any tensors and metadata, bit for bit", () => {
    const dtypes: DType[] = ["float32", "float64", "int32", "int64", "bool", "uint8"];
    const tensor = fc
      .tuple(
        fc.constantFrom(...dtypes),
        fc.array(fc.nat({ max: 3 }), { maxLength: 4 }),
        fc.infiniteStream(fc.nat(1)),
      )
      .map(([dtype, shape, values]) => fromNumbers(dtype, shape, [...values.take(sizeOf(shape))]));
    const bits = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => {
      return hostTensor("float32", [2], new Float32Array(Uint8Array.from(bytes).buffer));
    });
    const name = fc.string({ unit: "grapheme" }).filter((text) => text !== "__metadata__");
    const entries = fc.uniqueArray(fc.tuple(name, fc.oneof(tensor, bits)), { selector: ([key]) => key });
    const metadata = fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true });
    const property = (pairs: [string, HostTensor][], notes: Record<string, string>) => {
      const tensors = new Map(pairs);
      const bytes = encodeSafetensors(tensors, notes);
      const back = parse(bytes);
      expect(back.metadata).toEqual(notes);
      expect(new Set(back.tensors.keys())).toEqual(new Set(tensors.keys()));
      for (const [key, { dtype, shape, data }] of tensors) {
        const got = back.tensors.get(key)!;
        expect([got.dtype, got.shape]).toEqual([dtype, shape]);
        expect(Buffer.from(got.data.buffer).equals(Buffer.from(data.buffer))).toBe(true);
      }
    };
    fc.assert(fc.property(entries, metadata, property), { numRuns: 200 });
  });
});

describe("files", () => {
  it("are replaced whole, with nothing left beside them", async () => {
    const path = join(folder, "weights.safetensors");
    writeSafetensors(path, sample, { step: "1" });
    expect(readSafetensors(path).metadata).toEqual({ step: "1" });
    writeSafetensors(path, sample, { step: "2" });
    expect(readSafetensors(path)).toEqual({ tensors: sample, metadata: { step: "2" } });
    expect(Buffer.from(encodeSafetensors(sample, { step: "2" })).equals(readFileSync(path))).toBe(true);
    expect(readdirSync(folder)).toEqual(["weights.safetensors"]);
  });

  it("that cannot be read or written are io errors with their name", async () => {
    const nowhere = join(folder, "none", "a.safetensors");
    expect(() => readSafetensors(nowhere)).toThrow(/none\/a\.safetensors: .*no such file/);
    expect(() => writeSafetensors(nowhere, sample, {})).toThrow(EchoDuetError);
  });
});

describe("reading", () => {
  it("widens F16 and BF16 to float32", () => {
    const data = new Uint8Array(Uint16Array.of(0x3555, 0x0001, 0xc049).buffer);
    const header = {
      h: { dtype: "F16", shape: [2], data_offsets: [0, 4] },
      b: { dtype: "BF16", shape: [1], data_offsets: [4, 6] },
    };
    const { tensors } = parse(file(header, data));
    expect(tensors.get("h")).toEqual(fromNumbers("float32", [2], [0.333251953125, 2 ** -24]));
    expect(tensors.get("b")).toEqual(fromNumbers("float32", [1], [-3.140625]));
  });

  const entry = (dtype: unknown, shape: unknown, offsets: unknown) => ({
    dtype,
    shape,
    data_offsets: offsets,
  });
  const eight = new Uint8Array(8);
  const huge = Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 1, 0, 0]), Buffer.alloc(8)]);
  it.each<[string, Uint8Array, RegExp]>([
    ["an empty file", new Uint8Array(0), /got an empty file/],
    ["a few bytes", Buffer.from("abc"), /expected 8 bytes of safetensors header length, got 3/],
    ["a zip", Buffer.from("PK\x03\x04 and more"), /got a zip archive \(a PyTorch \.pt is one\)/],
    ["a huge header", huge, /header too long: expected at most 100000000 bytes, got 1099511627776/],
    [
      "a cut header",
      file({ a: entry("F32", [1], [0, 4]) }).subarray(0, 20),
      /truncated: expected \d+ bytes.*got 20/,
    ],
    ["bad JSON", file('{"a":'), /expected a JSON header/],
    [
      "bad UTF-8",
      Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff])]),
      /expected a JSON header/,
    ],
    ["JSON of another kind", file("[1]"), /expected a JSON object/],
    [
      "an unknown dtype",
      file({ a: entry("F8_E4M3", [1], [0, 1]) }, eight),
      /tensor "a": dtype expects.*"F8_E4M3"/,
    ],
    ["a negative shape", file({ a: entry("F32", [-1], [0, 4]) }, eight), /shape expects an array of counts/],
    ["a fractional shape", file({ a: entry("F32", [1.5], [0, 6]) }, eight), /shape expects/],
    ["offsets backwards", file({ a: entry("F32", [1], [4, 0]) }, eight), /data_offsets expects/],
    ["a wrong size", file({ a: entry("F32", [3], [0, 8]) }, eight), /F32 \[3\] expects 12 bytes, got 8/],
    [
      "cut data",
      file({ a: entry("F32", [3], [0, 12]) }, eight),
      /truncated: expected 12 bytes of data, got 8/,
    ],
    ["bytes of no tensor", file({ a: entry("F32", [1], [0, 4]) }, eight), /expected 4 bytes of data, got 8/],
    ["a gap", file({ a: entry("F32", [1], [4, 8]) }, eight), /gap before: expected to begin at 0, got 4/],
    [
      "an overlap",
      file({ a: entry("F32", [2], [0, 8]), b: entry("U8", [4], [4, 8]) }, eight),
      /tensor "b": offsets overlap: expected to begin at 8, got 4/,
    ],
    ["metadata of numbers", file({ __metadata__: { epoch: 1 } }), /key "epoch" expects a string, got 1/],
    ["an entry that is none", file({ a: 1 }), /tensor "a": expects an object, got 1/],
  ])("refuses %s", (_, bytes, expected) => {
    const message = refusal(bytes);
    expect(message).toMatch(/^checkpoint a\.safetensors/);
    expect(message).toMatch(expected);
  });

  it("refuses a file cut at any byte", () => {
    const bytes = encodeSafetensors(sample, { a: "b" });
    for (let length = 0; length < bytes.length; length++) refusal(bytes.subarray(0, length));
  });

  it("reads or refuses mutated bytes, never anything else", () => {
    const bytes = encodeSafetensors(sample, { a: "b" });
    const path = join(folder, "mutated.safetensors");
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 }), (at, value) => {
        const mutated = Uint8Array.from(bytes);
        mutated[at] = value;
        try {
          parse(mutated);
        } catch (error) {
          if (!(error instanceof EchoDuetError)) throw error;
        }
      }),
      { numRuns: 1000 },
    );
    writeFileSync(path, bytes);
    expect(readSafetensors(path).tensors).toEqual(sample);
  });
});
