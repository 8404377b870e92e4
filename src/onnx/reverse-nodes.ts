import protobuf from "protobufjs";

// Fields of onnx.proto, with protobuf's wire type "length-delimited" in the low bits.
const modelGraph = (7 << 3) | 2;
const graphNode = (1 << 3) | 2;

interface Field {
  readonly tag: number;
  /** The whole field, its tag included. */
  readonly bytes: Uint8Array;
  /** What a length-delimited field holds; null for others. */
  readonly content: Uint8Array | null;
}

/** An ONNX model with its nodes in the opposite order, and everything else as it was, fields that we do not know included. */
export function reverseNodes(model: Uint8Array): Uint8Array {
  const parts = fieldsOf(model).flatMap(({ tag, bytes, content }) => {
    if (tag !== modelGraph || content === null) return [bytes];
    const fields = fieldsOf(content);
    const nodes = fields.filter((field) => field.tag === graphNode).reverse();
    const others = fields.filter((field) => field.tag !== graphNode);
    const graph = [...nodes, ...others].map((field) => field.bytes);
    return [protobuf.Writer.create().uint32(modelGraph).uint32(content.length).finish(), ...graph];
  });
  return Buffer.concat(parts);
}

function fieldsOf(message: Uint8Array): Field[] {
  const reader = protobuf.Reader.create(message);
  const fields: Field[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    const content = (tag & 7) === 2 ? reader.bytes() : null;
    if (content === null) reader.skipType(tag & 7);
    fields.push({ tag, bytes: message.subarray(start, reader.pos), content });
  }
  return fields;
}
