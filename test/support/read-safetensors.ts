import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The folder of reference values beside the checkout. */
const referenceFolder = new URL("../../../shared/reference/", import.meta.url);

/** Whether the reference file is there; says so where it is not, since the tests that read it are skipped. */
export function hasReference(name: string): boolean {
  const found = existsSync(new URL(name, referenceFolder));
  if (!found) console.warn(`skipped: ${name} is not in shared/reference beside the checkout`);
  return found;
}

/** A tensor of a reference file, its elements as float64 (exact for every stored dtype used here). */
export interface ReferenceTensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** The path of a reference file. */
export function referencePath(name: string): string {
  return fileURLToPath(new URL(name, referenceFolder));
}

/** A reference file: its tensors by name, and which names it has. */
export interface ReferenceFile {
  (tensor: string): ReferenceTensor;
  has(tensor: string): boolean;
}

/** Reads a reference file: an 8-byte header length, a JSON header, raw little-endian data. */
export function readReference(name: string): ReferenceFile {
  const file = readFileSync(new URL(name, referenceFolder));
  const headerLength = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, 8 + headerLength));
  const read = (tensor: string) => {
    const { dtype, shape, data_offsets } = header[tensor];
    const [from, to] = data_offsets.map((offset: number) => offset + 8 + headerLength);
    const bytes = new Uint8Array(file.subarray(from, to)).buffer;
    return { shape, data: toFloat64(dtype, bytes) };
  };
  return Object.assign(read, { has: (tensor: string) => tensor in header });
}

function toFloat64(dtype: string, bytes: ArrayBuffer): Float64Array {
  if (dtype === "F32") return Float64Array.from(new Float32Array(bytes));
  if (dtype === "F64") return new Float64Array(bytes);
  if (dtype === "I64") return Float64Array.from(new BigInt64Array(bytes), Number);
  if (dtype === "U8" || dtype === "BOOL") return Float64Array.from(new Uint8Array(bytes));
  throw new Error(`readReference: expected F32, F64, I64, U8 or BOOL, got ${dtype}`);
}
