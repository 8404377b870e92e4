import protobuf from "protobufjs";

// The fields of onnx.proto (https://github.com/onnx/onnx, Apache-2.0) that tell which operators a model has.
const definition = `
syntax = "proto2";
message AttributeProto { optional string name = 1; optional int64 i = 3; }
message NodeProto {
  repeated string output = 2; optional string op_type = 4; repeated AttributeProto attribute = 5;
  optional string domain = 7;
}
message GraphProto { repeated NodeProto node = 1; }
message ModelProto { optional GraphProto graph = 7; }`;
const Model = protobuf.parse(definition, { keepCase: true }).root.lookupType("ModelProto");

/** A node of an ONNX model. */
export interface OnnxModelNode {
  /** With its domain in front where that is not ONNX's own. */
  readonly operator: string;
  readonly outputs: number;
  /** Attributes that are whole numbers. */
  readonly numbers: Readonly<Record<string, number>>;
}

/** The nodes of an ONNX file's bytes. */
export function nodesOf(model: Uint8Array): OnnxModelNode[] {
  const { graph } = Model.toObject(Model.decode(model), { longs: Number, arrays: true }) as {
    graph: {
      node: {
        output: string[];
        op_type: string;
        attribute: { name: string; i?: number }[];
        domain?: string;
      }[];
    };
  };
  return graph.node.map(({ output, op_type, attribute, domain }) => ({
    operator: domain ? `${domain}.${op_type}` : op_type,
    outputs: output.filter((name) => name !== "").length,
    numbers: Object.fromEntries(attribute.flatMap(({ name, i }) => (i === undefined ? [] : [[name, i]]))),
  }));
}
