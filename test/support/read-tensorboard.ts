/** One record of a TensorBoard event file, as an independent reader sees it. */
export interface TensorBoardRecord {
  readonly wallTime: number;
  readonly step: number;
  readonly fileVersion: string | null;
  readonly values: Readonly<Record<string, number | { readonly plugin: string; readonly text: string }>>;
}

/**
 * Reads an event file with nothing of the writer: TFRecords by hand, a checksum bit by bit, and protobuf's wire
 * format by field numbers. As TensorBoard does, it stops before a record that is not whole.
 * @throws where a checksum is wrong
 */
export function readTensorBoard(file: Uint8Array): TensorBoardRecord[] {
  const records: TensorBoardRecord[] = [];
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (let at = 0; at + 12 <= file.length; ) {
    if (view.getUint32(at + 8, true) !== mask(bitwiseCrc(file.subarray(at, at + 8)))) {
      throw new Error(`checksum of the length at ${at}`);
    }
    const length = Number(view.getBigUint64(at, true));
    const end = at + 12 + length;
    if (end + 4 > file.length) break;
    const data = file.subarray(at + 12, end);
    if (view.getUint32(end, true) !== mask(bitwiseCrc(data)))
      throw new Error(`checksum of the data at ${at}`);
    records.push(decodeEvent(data));
    at = end + 4;
  }
  return records;
}

/** CRC-32C as its definition has it: the message as one polynomial, highest term first, bits reflected. */
function bitwiseCrc(bytes: Uint8Array): bigint {
  const polynomial = 0x11edc6f41n;
  let rest = 0xffffffffn;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const top = (rest >> 31n) ^ BigInt((byte >> bit) & 1);
      rest = (rest << 1n) & 0xffffffffn;
      if (top === 1n) rest ^= polynomial & 0xffffffffn;
    }
  }
  let reflected = 0n;
  for (let bit = 0n; bit < 32n; bit++) reflected |= ((rest >> bit) & 1n) << (31n - bit);
  return reflected ^ 0xffffffffn;
}

function mask(crc: bigint): number {
  return Number((((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

type Field = { readonly number: number; readonly bytes: Uint8Array; readonly varint: number };

/** The fields of a protobuf message: wire types 0 (varint), 1 (64 bits), 2 (bytes) and 5 (32 bits). */
function fieldsOf(message: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = message[at++];
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    const wire = key % 8;
    if (wire === 0) {
      fields.push({ number: key >> 3, bytes: new Uint8Array(0), varint: varint() });
      continue;
    }
    const length = wire === 2 ? varint() : { 1: 8, 5: 4 }[wire];
    if (length === undefined || at + length > message.length) throw new Error(`field ${key} of a message`);
    fields.push({ number: key >> 3, bytes: message.subarray(at, at + length), varint: 0 });
    at += length;
  }
  return fields;
}

const view = ({ bytes }: Field): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const text = (field: Field | undefined): string => new TextDecoder().decode(field?.bytes);
const find = (message: Uint8Array | undefined, number: number): Field | undefined =>
  fieldsOf(message ?? new Uint8Array(0)).find((field) => field.number === number);

function decodeEvent(data: Uint8Array): TensorBoardRecord {
  const wallTime = find(data, 1);
  const version = find(data, 3);
  const values = fieldsOf(find(data, 5)?.bytes ?? new Uint8Array(0)).map(({ bytes }) => decodeValue(bytes));
  return {
    wallTime: wallTime ? view(wallTime).getFloat64(0, true) : Number.NaN,
    step: find(data, 2)?.varint ?? 0,
    fileVersion: version ? text(version) : null,
    values: Object.fromEntries(values),
  };
}

function decodeValue(bytes: Uint8Array): [string, number | { plugin: string; text: string }] {
  const tag = text(find(bytes, 1));
  const number = find(bytes, 2);
  if (number) return [tag, view(number).getFloat32(0, true)];
  const plugin = text(find(find(find(bytes, 9)?.bytes, 1)?.bytes, 1));
  return [tag, { plugin, text: text(find(find(bytes, 8)?.bytes, 8)) }];
}
