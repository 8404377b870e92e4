import { inflateSync } from "fflate";
import { EchoDuetError } from "../../errors.js";

/** A zip archive over bytes in memory; entries are read, and their checksums verified, on demand. */
export interface ZipArchive {
  /** Names of the entries, in the order of the central directory. */
  readonly names: readonly string[];
  /** Uncompressed bytes that the directory declares for `name`; undefined where there is no such entry. */
  size(name: string): number | undefined;
  /**
   * The uncompressed bytes of `name`, a view of the archive where it is stored.
   * @throws EchoDuetError `checkpoint` where the entry is missing or damaged.
   */
  read(name: string): Uint8Array;
}

interface ZipEntry {
  flags: number;
  method: number;
  crc: number;
  compressed: number;
  uncompressed: number;
  headerAt: number;
}

const END_OF_DIRECTORY = 0x06054b50;
const END_OF_DIRECTORY_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const DIRECTORY_ENTRY = 0x02014b50;
const LOCAL_HEADER = 0x04034b50;
const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED_FLAG = 1;
/** What deflated entries may grow to altogether: this much and 32 times the archive. Weights hardly shrink. */
const INFLATED_ALLOWANCE = 64 * 2 ** 20;

/**
 * Opens the zip archive in `bytes` (zip64 included, no multi-part archives).
 * Source: PKWARE APPNOTE.TXT 6.3, sections 4.3.7 to 4.3.16.
 * @param subject what messages call the file.
 * @throws EchoDuetError `checkpoint` where the archive is cut short or its directory is damaged.
 */
export function openZip(bytes: Uint8Array, subject: string): ZipArchive {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries = readDirectory(bytes, view, subject);
  // Entries of an honest archive do not overlap, so the sum of what is read is bounded by its size.
  let allowance = bytes.length * 33 + INFLATED_ALLOWANCE;
  return {
    names: [...entries.keys()],
    size: (name) => entries.get(name)?.uncompressed,
    read: (name) => {
      const entry = entries.get(name);
      if (entry === undefined) damaged(subject, `expected an entry ${show(name)}, got none`);
      allowance -= entry.uncompressed;
      if (allowance < 0)
        damaged(subject, `entry ${show(name)} expands beyond what the archive can honestly hold`);
      const data = readEntry(bytes, view, name, entry, subject);
      if (crc32(data) !== entry.crc) damaged(subject, `entry ${show(name)} does not match its checksum`);
      return data;
    },
  };
}

function show(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name);
}

function damaged(subject: string, problem: string): never {
  throw new EchoDuetError(
    "checkpoint",
    `${subject}: damaged zip archive: ${problem}; download or copy it again`,
  );
}

/** Offset and entry count of the central directory, from the record at the archive's very end. */
function findDirectory(view: DataView, subject: string) {
  const first = Math.max(0, view.byteLength - 22 - 0xffff);
  for (let at = view.byteLength - 22; at >= first; at--) {
    if (view.getUint32(at, true) !== END_OF_DIRECTORY) continue;
    if (at + 22 + view.getUint16(at + 20, true) !== view.byteLength) continue;
    return (
      findDirectory64(view, at, subject) ?? {
        count: view.getUint16(at + 10, true),
        offset: view.getUint32(at + 16, true),
      }
    );
  }
  throw new EchoDuetError(
    "checkpoint",
    `${subject}: not a complete zip archive: expected its directory at the end, got ${view.byteLength} bytes` +
      " without one; download or copy it again",
  );
}

/** The same from the zip64 record, which PyTorch always writes; undefined where there is none. */
function findDirectory64(view: DataView, endAt: number, subject: string) {
  const locator = endAt - 20;
  if (locator < 0 || view.getUint32(locator, true) !== LOCATOR_64) return undefined;
  const at = safe(view.getBigUint64(locator + 8, true));
  if (at + 56 > locator || view.getUint32(at, true) !== END_OF_DIRECTORY_64) {
    damaged(subject, `expected a zip64 directory record at byte ${at}`);
  }
  return { count: safe(view.getBigUint64(at + 32, true)), offset: safe(view.getBigUint64(at + 48, true)) };
}

/** A 64-bit field as a number; what exceeds 2^53 is beyond any file, and every range check refuses it. */
function safe(value: bigint): number {
  return Number(value);
}

function readDirectory(bytes: Uint8Array, view: DataView, subject: string): Map<string, ZipEntry> {
  const { count, offset } = findDirectory(view, subject);
  const decoder = new TextDecoder();
  const entries = new Map<string, ZipEntry>();
  let at = offset;
  for (let i = 0; i < count; i++) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== DIRECTORY_ENTRY) {
      damaged(subject, `expected directory entry ${i} of ${count} at byte ${at}`);
    }
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    if (extraEnd > bytes.length) damaged(subject, `directory entry ${i} of ${count} is cut short`);
    const name = decoder.decode(bytes.subarray(at + 46, nameEnd));
    if (entries.has(name)) damaged(subject, `expected entries of different names, got ${show(name)} twice`);
    entries.set(name, readDirectoryEntry(view, at, nameEnd, extraEnd));
    at = extraEnd + view.getUint16(at + 32, true);
  }
  return entries;
}

function readDirectoryEntry(view: DataView, at: number, extraAt: number, extraEnd: number): ZipEntry {
  const entry: ZipEntry = {
    flags: view.getUint16(at + 8, true),
    method: view.getUint16(at + 10, true),
    crc: view.getUint32(at + 16, true),
    compressed: view.getUint32(at + 20, true),
    uncompressed: view.getUint32(at + 24, true),
    headerAt: view.getUint32(at + 42, true),
  };
  // Zip64: fields that did not fit in 32 bits follow, in this order, in the extra field of id 1.
  for (let extra = extraAt; extra + 4 <= extraEnd; extra += 4 + view.getUint16(extra + 2, true)) {
    if (view.getUint16(extra, true) !== 1) continue;
    let field = extra + 4;
    const end = Math.min(extraEnd, field + view.getUint16(extra + 2, true));
    for (const key of ["uncompressed", "compressed", "headerAt"] as const) {
      if (entry[key] !== 0xffffffff || field + 8 > end) continue;
      entry[key] = safe(view.getBigUint64(field, true));
      field += 8;
    }
  }
  return entry;
}

function readEntry(
  bytes: Uint8Array,
  view: DataView,
  name: string,
  { flags, method, compressed, uncompressed, headerAt }: ZipEntry,
  subject: string,
): Uint8Array {
  if (flags & ENCRYPTED_FLAG) damaged(subject, `entry ${show(name)} is encrypted`);
  if (headerAt + 30 > bytes.length || view.getUint32(headerAt, true) !== LOCAL_HEADER) {
    damaged(subject, `expected the header of ${show(name)} at byte ${headerAt}`);
  }
  const start = headerAt + 30 + view.getUint16(headerAt + 26, true) + view.getUint16(headerAt + 28, true);
  if (start + compressed > bytes.length) damaged(subject, `entry ${show(name)} reaches beyond the file`);
  const data = bytes.subarray(start, start + compressed);
  if (method === STORED && compressed === uncompressed) return data;
  if (method === DEFLATED) return inflate(data, uncompressed, name, subject);
  damaged(subject, `entry ${show(name)}: expected it stored or deflated, got method ${method}`);
}

function inflate(data: Uint8Array, size: number, name: string, subject: string): Uint8Array {
  // Deflate's best ratio is 1032 to 1: a larger claim is false, and would only make us allocate.
  if (size > data.length * 1032) damaged(subject, `entry ${show(name)} cannot inflate to ${size} bytes`);
  try {
    const out = inflateSync(data, { out: new Uint8Array(size) });
    if (out.length === size) return out;
  } catch (cause) {
    damaged(subject, `entry ${show(name)} does not inflate (${(cause as Error).message})`);
  }
  damaged(subject, `entry ${show(name)} does not inflate to ${size} bytes`);
}

const crcTable = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 of ISO 3309 (reflected polynomial 0xedb88320), as zip uses it. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = crcTable[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
