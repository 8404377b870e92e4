import { EchoDuetError } from "../../errors.js";
import { type HostTensor, hostTensor, type Shape, showShape, sizeOf, stridesOf } from "../../tensor/index.js";
import { decodeElements, type ElementFormat, elementFormats } from "../safetensors.js";
import { REBUILD_PARAMETER, REBUILD_TENSOR, storageFormats } from "./known-names.js";
import { describeValue, isKind, type PickleRecord, type PickleValue } from "./pickle-values.js";
import type { ZipArchive } from "./zip.js";

const MAX_RANK = 16;
/** Tensors may share storages (tied weights), but not so often that a small file fills the memory. */
const MAX_SHARING = 8;

/**
 * The record of a tensor, out of the record of a parameter where it is wrapped in one; undefined for any
 * other value.
 */
export function tensorRecord(value: PickleValue | undefined): PickleRecord | undefined {
  if (!isKind(value, "record")) return undefined;
  const inner = REBUILD_PARAMETER.has(value.name) ? value.args[0] : value;
  return isKind(inner, "record") && inner.name === REBUILD_TENSOR ? inner : undefined;
}

/** Where a tensor's elements lie. Offset, size and stride count elements. */
interface TensorView {
  format: ElementFormat;
  storageKey: string;
  storageElements: number;
  offset: number;
  size: Shape;
  stride: readonly number[];
}

/**
 * Reads tensors out of the storages of a torch.save archive.
 * float16 and bfloat16 become float32; the other formats keep their dtype.
 */
export class StorageReader {
  private readonly storages = new Map<string, Uint8Array>();
  private readonly tensors = new Map<PickleRecord, HostTensor>();
  private bytesHeld = 0;
  private bytesBuilt = 0;

  /**
   * @param folder the archive's folder of storages, with its slash: `archive/data/`.
   * @param subject what messages call the file.
   */
  constructor(
    private readonly archive: ZipArchive,
    private readonly folder: string,
    private readonly subject: string,
  ) {}

  /**
   * The tensor of `record`, whatever its strides, as a dense row-major host tensor.
   * @param name what messages call the tensor.
   * @throws EchoDuetError `checkpoint` where the record is malformed or reaches outside its storage.
   */
  read(name: string, record: PickleRecord): HostTensor {
    const known = this.tensors.get(record);
    if (known !== undefined) return known;
    const subject = `${this.subject}: tensor ${JSON.stringify(name)}`;
    const view = tensorView(subject, record);
    const storage = this.storage(subject, view);
    this.checkSharing(subject, view);
    const { bytes, dtype } = elementFormats[view.format];
    const tensor = hostTensor(dtype, view.size, decodeElements(view.format, gather(storage, view, bytes)));
    this.tensors.set(record, tensor);
    return tensor;
  }

  private storage(subject: string, { storageKey, storageElements, format }: TensorView): Uint8Array {
    const entry = this.folder + storageKey;
    const expected = storageElements * elementFormats[format].bytes;
    const size = this.archive.size(entry);
    if (size !== expected) {
      const found = size === undefined ? "no such entry" : `${size}`;
      fail(subject, `storage ${JSON.stringify(storageKey)} expects ${expected} bytes, got ${found}`);
    }
    const known = this.storages.get(storageKey);
    if (known !== undefined) return known;
    const data = this.archive.read(entry);
    this.storages.set(storageKey, data);
    this.bytesHeld += data.length;
    return data;
  }

  private checkSharing(subject: string, { size, format }: TensorView): void {
    this.bytesBuilt += sizeOf(size) * elementFormats[format].bytes;
    if (this.bytesBuilt > MAX_SHARING * this.bytesHeld) {
      fail(subject, `expected tensors to share their storages at most ${MAX_SHARING}-fold, got more`);
    }
  }
}

function fail(subject: string, problem: string): never {
  throw new EchoDuetError(
    "checkpoint",
    `${subject}: ${problem}; the file is damaged, or torch.save did not make it`,
  );
}

function tensorView(subject: string, record: PickleRecord): TensorView {
  const [storage, offset, size, stride] = record.args;
  const view = {
    ...storageOf(subject, storage),
    offset: count(subject, "storage offset", offset),
    size: counts(subject, "size", size),
    stride: counts(subject, "stride", stride),
  };
  if (view.size.length !== view.stride.length || view.size.length > MAX_RANK) {
    fail(
      subject,
      `expected as many strides as axes, at most ${MAX_RANK}, got ${view.stride.length} and ${view.size.length}`,
    );
  }
  const elements = sizeOf(view.size);
  const span = view.size.reduce((last, length, axis) => last + (length - 1) * view.stride[axis], 1);
  const end = view.offset + (elements === 0 ? 0 : span);
  if (end > view.storageElements || elements > view.storageElements) {
    fail(
      subject,
      `size ${showShape(view.size)}, stride ${showShape(view.stride)}, offset ${view.offset} expect to lie within` +
        ` the storage, got one of ${view.storageElements} elements`,
    );
  }
  return view;
}

/** torch.save's persistent id: ("storage", class, key, location, elements). */
function storageOf(subject: string, value: PickleValue | undefined) {
  const id = isKind(value, "persistent") ? value.id : undefined;
  const [tag, type, key, , elements] = isKind(id, "tuple") ? id.items : [];
  const format = isKind(type, "global") ? storageFormats.get(type.name) : undefined;
  if (tag !== "storage" || format === undefined || typeof key !== "string") {
    fail(
      subject,
      `expected a storage of a known type, got ${describeValue(value)} of ${describeValue(type)}`,
    );
  }
  return { format, storageKey: key, storageElements: count(subject, "storage size", elements) };
}

function count(subject: string, what: string, value: PickleValue | undefined): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    fail(subject, `${what} expects a count, got ${describeValue(value)}`);
  }
  return value;
}

/** A tuple of counts, or a torch.Size made of one. */
function counts(subject: string, what: string, value: PickleValue | undefined): number[] {
  const plain = isKind(value, "record") && value.name === "torch.Size" ? value.args[0] : value;
  if (!isKind(plain, "tuple") || plain.items.length > MAX_RANK) {
    fail(subject, `${what} expects a tuple of at most ${MAX_RANK} counts, got ${describeValue(value)}`);
  }
  return plain.items.map((item) => count(subject, what, item));
}

/** The view's elements, `bytes` each, in row-major order; not copied where they already lie so. */
function gather(storage: Uint8Array, { offset, size, stride }: TensorView, bytes: number): Uint8Array {
  const elements = sizeOf(size);
  const dense = stridesOf(size);
  if (elements === 0 || size.every((length, axis) => length === 1 || stride[axis] === dense[axis])) {
    return storage.subarray(offset * bytes, (offset + elements) * bytes);
  }
  const out = new Uint8Array(elements * bytes);
  for (let index = 0; index < elements; index++) {
    let from = offset;
    for (let axis = 0; axis < size.length; axis++) {
      from += (Math.floor(index / dense[axis]) % size[axis]) * stride[axis];
    }
    for (let byte = 0; byte < bytes; byte++) out[index * bytes + byte] = storage[from * bytes + byte];
  }
  return out;
}
