import { closeSync, openSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import { ioError, removeTemporaryFiles, writeFileAtomically } from "../io/index.js";
import type { LoggedEvent } from "./events.js";

// The messages and fields of TensorBoard's event.proto, summary.proto, tensor.proto and tensor_shape.proto
// (https://github.com/tensorflow/tensorboard, Apache-2.0) that are written here. Field numbers are the format.
const definition = `
syntax = "proto2";
package tensorboard;
message Dim { optional int64 size = 1; }
message TensorShapeProto { repeated Dim dim = 2; }
message TensorProto {
  optional int32 dtype = 1; optional TensorShapeProto tensor_shape = 2; repeated bytes string_val = 8;
}
message PluginData { optional string plugin_name = 1; }
message SummaryMetadata { optional PluginData plugin_data = 1; optional int32 data_class = 4; }
message Value {
  optional string tag = 1; optional float simple_value = 2; optional TensorProto tensor = 8;
  optional SummaryMetadata metadata = 9;
}
message Summary { repeated Value value = 1; }
message Event {
  optional double wall_time = 1; optional int64 step = 2; optional string file_version = 3;
  optional Summary summary = 5;
}`;

const Event = protobuf.parse(definition, { keepCase: true }).root.lookupType("tensorboard.Event");

/** A tag and its number or text, null for none; TensorBoard groups tags by what is before the first slash. */
type Summary = readonly [string, number | string | null];

/** `events.out.tfevents.NUMBER.echoduet`: "tfevents" in the name is what TensorBoard looks for. */
const namePattern = /^events\.out\.tfevents\.(\d+)\.echoduet$/;

/**
 * A run's numbers as a TensorBoard event file: of every event in `events.jsonl` its numbers as scalars and its
 * alarms as texts, at the event's own time and step.
 *
 * A record is appended in one piece after its event's line. What a kill leaves of a record fails its checksum,
 * and TensorBoard stops reading before it.
 */
export class TensorBoardLog {
  private readonly file: number;

  private constructor(readonly path: string) {
    try {
      this.file = openSync(path, "a");
    } catch (error) {
      throw ioError(path, "opened", error);
    }
  }

  /**
   * Writes what `events` hold to a new file in `folder`, so that the file and `events.jsonl` tell the same, and
   * removes earlier ones. Its name has the next number, because a TensorBoard that is running would look for the
   * rest of a file that it has read, and misses that the run was cut back; of a new file it reads everything.
   * @param created when the run was made, ISO 8601: the time from which TensorBoard counts
   * @throws EchoDuetError `io` where the file system refuses
   */
  static rewrite(folder: string, created: string, events: readonly LoggedEvent[]): TensorBoardLog {
    const earlier = tensorBoardFiles(folder);
    const number = Math.max(0, ...earlier.map((name) => Number(namePattern.exec(name)?.[1]))) + 1;
    // Numbers of equal length: TensorBoard reads files in the order of their names.
    const name = `events.out.tfevents.${String(number).padStart(10, "0")}.echoduet`;
    const path = join(folder, name);
    removeTemporaryFiles(folder, [name]);
    const version = Event.encode({ wall_time: unixSeconds(created), file_version: "brain.Event:2" }).finish();
    writeFileAtomically(path, Buffer.concat([encodeRecord(version), ...events.map(encodeEvent)]));
    for (const old of earlier) rmSync(join(folder, old), { force: true });
    return new TensorBoardLog(path);
  }

  /**
   * Appends the numbers of `event`, if it has any.
   * @throws EchoDuetError `io`, with file and remedy, where the file system refuses
   */
  append(event: LoggedEvent): void {
    const record = encodeEvent(event);
    if (record.length === 0) return;
    try {
      writeFileSync(this.file, record);
    } catch (error) {
      throw ioError(this.path, "written", error);
    }
  }

  close(): void {
    closeSync(this.file);
  }
}

/** The names of the TensorBoard event files that EchoDuet wrote in `folder`. */
export function tensorBoardFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => namePattern.test(name))
    .sort();
}

/** The record of an event; empty for one without numbers or alarms. */
function encodeEvent(event: LoggedEvent): Uint8Array {
  const value = summariesOf(event).flatMap(([tag, content]) =>
    content === null ? [] : [encodeValue(tag, content)],
  );
  if (value.length === 0) return new Uint8Array(0);
  const message = { wall_time: unixSeconds(event.time), step: event.step, summary: { value } };
  return encodeRecord(Event.encode(message).finish());
}

function encodeValue(tag: string, content: number | string): object {
  if (typeof content === "number") return { tag, simple_value: content };
  const text = new TextEncoder().encode(content);
  return {
    tag,
    // DT_STRING, and DATA_CLASS_TENSOR: what TensorBoard's text plugin takes.
    tensor: { dtype: 7, tensor_shape: { dim: [{ size: 1 }] }, string_val: [text] },
    metadata: { plugin_data: { plugin_name: "text" }, data_class: 2 },
  };
}

function summariesOf(event: LoggedEvent): Summary[] {
  switch (event.type) {
    case "step":
      return [
        ...tagged("loss", event.losses),
        ...tagged("weight", event.taskWeights),
        ["optimiser/learningRate", event.learningRate],
        ["optimiser/gradientNorm", event.gradientNorm],
        ...Object.entries(event.branches ?? {}).flatMap(([branch, values]) =>
          tagged(`optimiser.${branch}`, values),
        ),
        ...Object.entries(event.balance ?? {}).flatMap(([quantity, values]) =>
          tagged(`balance/${quantity}`, values),
        ),
      ];
    case "interference":
      return [
        ["conflict/cosine", event.overall.cosine],
        ...tagged("conflict/norm", event.overall.norms),
        ...tagged("conflict/weight", event.weights),
        ...event.layers.flatMap(({ name, norms, cosine }): Summary[] => [
          [`conflict.cosine/${name}`, cosine],
          ...tagged(`conflict.norm/${name}`, norms),
        ]),
      ];
    case "epoch": {
      const { losses, seconds, imagesPerSecond, loaderWaitSeconds, memoryBytes } = event;
      const speed = { number: event.epoch, seconds, imagesPerSecond, loaderWaitSeconds, memoryBytes };
      return [...tagged("epoch/loss", losses), ...tagged("epoch", speed)];
    }
    case "validation":
      return [...tagged(event.split, event.metrics), [`${event.split}/fitness`, event.fitness]];
    case "alarm":
      return [[`alarm/${event.alarm}`, event.message]];
    case "diverged":
      return [["alarm/diverged", event.message]];
    default:
      return [];
  }
}

function tagged(group: string, values: Readonly<Record<string, number | null>>): Summary[] {
  return Object.entries(values).map(([name, value]) => [`${group}/${name}`, value]);
}

const unixSeconds = (time: string): number => Date.parse(time) / 1000;

/**
 * A TFRecord: length (uint64, little-endian), masked checksum of those eight bytes, data, masked checksum of
 * the data.
 */
function encodeRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(data.length + 16);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return record;
}

/** TFRecord's checksum: CRC-32C turned right by 15 bits, plus 0xa282ead8. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** CRC-32C of each byte; 0x82f63b78 is Castagnoli's polynomial, lowest bit first. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  return crc;
});

/** CRC-32C (Castagnoli) of `bytes`, 0..2³²−1, as in RFC 3720, appendix B.4. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
