import { readFileSync } from "node:fs";
import { EchoDuetError } from "../errors.js";
import { writeFileAtomically } from "../io/index.js";
import {
  bytesPerElement,
  type DType,
  type HostArray,
  type HostTensor,
  hostTensor,
  type Shape,
  showShape,
  sizeOf,
} from "../tensor/index.js";
import { describeFileKind, fileKind } from "./pytorch/file-kind.js";

/** Names that safetensors gives to the element formats that are read here. */
export type ElementFormat = "F32" | "F64" | "F16" | "BF16" | "I32" | "I64" | "U8" | "BOOL";

/** Bytes of one element in the file, and the host dtype that it is read to, by format. */
export const elementFormats: Record<ElementFormat, { readonly bytes: number; readonly dtype: DType }> = {
  F32: { bytes: 4, dtype: "float32" },
  F64: { bytes: 8, dtype: "float64" },
  F16: { bytes: 2, dtype: "float32" },
  BF16: { bytes: 2, dtype: "float32" },
  I32: { bytes: 4, dtype: "int32" },
  I64: { bytes: 8, dtype: "int64" },
  U8: { bytes: 1, dtype: "uint8" },
  BOOL: { bytes: 1, dtype: "bool" },
};

const formatOfDtype: Record<DType, ElementFormat> = {
  float32: "F32",
  float64: "F64",
  int32: "I32",
  int64: "I64",
  uint8: "U8",
  bool: "BOOL",
};

/** Tensors by name, in the order of their data, and the file's string-to-string metadata. */
export interface Safetensors {
  tensors: Map<string, HostTensor>;
  metadata: Record<string, string>;
}

/** The same limit as the reference implementation's: no real header comes near it. */
const MAX_HEADER_BYTES = 100_000_000;
const METADATA = "__metadata__";

/**
 * The elements of little-endian `bytes` as a fresh typed array of the format's host dtype. F16 and BF16 become
 * float32 exactly; any non-zero BOOL byte becomes 1. The host is little-endian, as every platform of
 * ONNX Runtime is.
 */
export function decodeElements(format: ElementFormat, bytes: Uint8Array): HostArray {
  const copy = new Uint8Array(bytes);
  switch (format) {
    case "F32":
      return new Float32Array(copy.buffer);
    case "F64":
      return new Float64Array(copy.buffer);
    case "I32":
      return new Int32Array(copy.buffer);
    case "I64":
      return new BigInt64Array(copy.buffer);
    case "U8":
      return copy;
    case "BOOL":
      return copy.map((byte) => (byte === 0 ? 0 : 1));
    case "F16":
      return mapBits(new Uint16Array(copy.buffer), halfBitsToFloatBits);
    case "BF16":
      return mapBits(new Uint16Array(copy.buffer), (bits) => bits << 16);
  }
}

/** The float32 array whose bit patterns are `convert` of each of `source`. */
function mapBits(source: Uint16Array, convert: (bits: number) => number): Float32Array {
  const out = new Uint32Array(source.length);
  for (let i = 0; i < source.length; i++) out[i] = convert(source[i]);
  return new Float32Array(out.buffer);
}

/** Binary32 bits of the same value as binary16 `bits` (IEEE 754-2019, 3.4): exponent bias 127, not 15. */
function halfBitsToFloatBits(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 31) return sign | 0x7f800000 | (mantissa << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
  if (mantissa === 0) return sign;
  // Subnormal, mantissa * 2^-24: normal in binary32 once its leading one is shifted out of the mantissa.
  const shift = Math.clz32(mantissa) - 21;
  return sign | ((113 - shift) << 23) | (((mantissa << shift) & 1023) << 13);
}

/**
 * Reads the safetensors file at `path`. F16 and BF16 tensors become float32.
 * @throws EchoDuetError `io` where the file cannot be read, `checkpoint` where it is malformed.
 */
export function readSafetensors(path: string): Safetensors {
  return parseSafetensors(readWeightsFile(path), `checkpoint ${path}`);
}

/**
 * The bytes of the weights file at `path`.
 * @throws EchoDuetError `io` where it cannot be read.
 */
export function readWeightsFile(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    const problem = missing ? "no such file" : (cause as Error).message;
    throw new EchoDuetError("io", `checkpoint ${path}: expected a readable weights file, got: ${problem}`, {
      cause,
    });
  }
}

/**
 * The tensors and metadata of a safetensors file held in `bytes`: an 8-byte little-endian header length, a
 * JSON header, then the data, which the tensors must cover without gap or overlap.
 * Source: the format section of the safetensors README (huggingface/safetensors).
 * @param subject what messages call the file, `checkpoint FILE`.
 * @throws EchoDuetError `checkpoint` where the file is malformed or holds an element format not read here.
 */
export function parseSafetensors(bytes: Uint8Array, subject: string): Safetensors {
  const { header, dataStart } = parseHeader(bytes, subject);
  const metadata = checkMetadata(header[METADATA], subject);
  const entries = Object.entries(header)
    .filter(([name]) => name !== METADATA)
    .map(([name, entry]) => checkEntry(name, entry, subject))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(entries, bytes.length - dataStart, subject);
  const tensors = new Map<string, HostTensor>();
  for (const { name, format, shape, begin, end } of entries) {
    const data = decodeElements(format, bytes.subarray(dataStart + begin, dataStart + end));
    tensors.set(name, hostTensor(elementFormats[format].dtype, shape, data));
  }
  return { tensors, metadata };
}

interface TensorEntry {
  name: string;
  format: ElementFormat;
  shape: Shape;
  begin: number;
  end: number;
}

function fail(subject: string, problem: string): never {
  throw new EchoDuetError("checkpoint", `${subject}: ${problem}`);
}

function parseHeader(bytes: Uint8Array, subject: string) {
  const kind = fileKind(bytes);
  if (kind !== "safetensors" && kind !== "unknown") {
    fail(subject, `expected a safetensors file, got ${describeFileKind(kind)}; check which file was meant`);
  }
  if (bytes.length < 8) {
    fail(subject, `expected 8 bytes of safetensors header length, got ${bytes.length}; copy the file again`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    fail(
      subject,
      `header too long: expected at most ${MAX_HEADER_BYTES} bytes, got ${length}; not a safetensors file?`,
    );
  }
  const dataStart = 8 + Number(length);
  if (dataStart > bytes.length) {
    fail(subject, `truncated: expected ${dataStart} bytes of header, got ${bytes.length}; copy it again`);
  }
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, dataStart)));
  } catch (cause) {
    fail(subject, `expected a JSON header, got: ${(cause as Error).message}; copy the file again`);
  }
  if (!isObject(header)) fail(subject, "expected a JSON object as header, got another JSON value");
  return { header, dataStart };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function checkMetadata(value: unknown, subject: string): Record<string, string> {
  if (value === undefined) return {};
  if (!isObject(value))
    fail(subject, `${METADATA} expects an object of strings, got ${JSON.stringify(value)}`);
  const entries = Object.entries(value).map(([key, text]): [string, string] => {
    if (typeof text !== "string") {
      fail(subject, `${METADATA} key ${JSON.stringify(key)} expects a string, got ${JSON.stringify(text)}`);
    }
    return [key, text];
  });
  return Object.fromEntries(entries);
}

function checkEntry(name: string, entry: unknown, subject: string): TensorEntry {
  const tensor = `${subject}: tensor ${JSON.stringify(name)}`;
  if (!isObject(entry)) fail(tensor, `expects an object, got ${JSON.stringify(entry)}`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string" || !Object.hasOwn(elementFormats, dtype)) {
    fail(
      tensor,
      `dtype expects one of ${Object.keys(elementFormats).join(", ")}, got ${JSON.stringify(dtype)}`,
    );
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    fail(tensor, `shape expects an array of counts, got ${JSON.stringify(shape)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0] > offsets[1]) {
    fail(tensor, `data_offsets expects [begin, end], got ${JSON.stringify(offsets)}`);
  }
  const format = dtype as ElementFormat;
  const [begin, end] = offsets as [number, number];
  const size = sizeOf(shape) * elementFormats[format].bytes;
  if (end - begin !== size) {
    fail(tensor, `${format} ${showShape(shape)} expects ${size} bytes, got ${end - begin}`);
  }
  return { name, format, shape, begin, end };
}

/** Sorted entries must tile 0 .. dataBytes: a gap could hide data, an overlap could blow up the memory. */
function checkCoverage(entries: readonly TensorEntry[], dataBytes: number, subject: string): void {
  const expected = entries.at(-1)?.end ?? 0;
  if (expected > dataBytes) {
    fail(subject, `truncated: expected ${expected} bytes of data, got ${dataBytes}; copy the file again`);
  }
  let position = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== position) {
      const fault = begin < position ? "offsets overlap" : "gap before";
      fail(
        subject,
        `tensor ${JSON.stringify(name)}: ${fault}: expected to begin at ${position}, got ${begin}`,
      );
    }
    position = end;
  }
  if (position !== dataBytes) {
    fail(subject, `expected ${position} bytes of data, got ${dataBytes}; the file has bytes of no tensor`);
  }
}

/**
 * The safetensors file of `tensors`: same input, same bytes. Tensors and metadata keep their insertion order,
 * the header is padded with spaces to a multiple of 8 bytes, and `__metadata__` is left out where empty.
 * @throws EchoDuetError `checkpoint` where a tensor is named `__metadata__`.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Record<string, string>,
): Uint8Array {
  // The header is joined by hand because a JavaScript object would move names like "0" to the front.
  const parts: string[] = [];
  if (Object.keys(metadata).length > 0) parts.push(`"${METADATA}":${JSON.stringify(metadata)}`);
  let position = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    if (name === METADATA) fail("safetensors", `expected tensor names other than ${METADATA}, got it`);
    const end = position + data.length * bytesPerElement[dtype];
    const entry = { dtype: formatOfDtype[dtype], shape, data_offsets: [position, end] };
    parts.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    position = end;
  }
  const json = new TextEncoder().encode(`{${parts.join(",")}}`);
  const dataStart = Math.ceil((8 + json.length) / 8) * 8;
  const out = new Uint8Array(dataStart + position).fill(0x20, 8, dataStart);
  new DataView(out.buffer).setBigUint64(0, BigInt(dataStart - 8), true);
  out.set(json, 8);
  let offset = dataStart;
  for (const { data } of tensors.values()) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return out;
}

/**
 * Writes `encodeSafetensors(tensors, metadata)` to `path`, atomically.
 * @throws EchoDuetError `io` where the file system refuses.
 */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Record<string, string>,
): void {
  writeFileAtomically(path, encodeSafetensors(tensors, metadata));
}
