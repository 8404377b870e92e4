import protobuf from "protobufjs";
import { EchoDuetError } from "../errors.js";
import { bytesPerElement, type DType, type HostTensor, type Shape } from "../tensor/index.js";

// The messages and fields of onnx.proto (https://github.com/onnx/onnx, Apache-2.0) that we write and read.
// Field numbers are the format; everything left out is skipped by a reader as unknown.
const definition = `
syntax = "proto2";
package onnx;
message AttributeProto {
  optional string name = 1; optional float f = 2; optional int64 i = 3; optional bytes s = 4;
  optional TensorProto t = 5; repeated float floats = 7; repeated int64 ints = 8; optional int32 type = 20;
}
message ValueInfoProto { optional string name = 1; optional TypeProto type = 2; }
message NodeProto {
  repeated string input = 1; repeated string output = 2; optional string name = 3; optional string op_type = 4;
  repeated AttributeProto attribute = 5; optional string domain = 7;
}
message StringStringEntryProto { optional string key = 1; optional string value = 2; }
message TensorProto {
  repeated int64 dims = 1; optional int32 data_type = 2; optional string name = 8; optional bytes raw_data = 9;
}
message TensorShapeProto {
  message Dimension { oneof value { int64 dim_value = 1; string dim_param = 2; } }
  repeated Dimension dim = 1;
}
message TypeProto {
  message Tensor { optional int32 elem_type = 1; optional TensorShapeProto shape = 2; }
  optional Tensor tensor_type = 1;
}
message GraphProto {
  repeated NodeProto node = 1; optional string name = 2; repeated TensorProto initializer = 5;
  repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12;
}
message OperatorSetIdProto { optional string domain = 1; optional int64 version = 2; }
message ModelProto {
  optional int64 ir_version = 1; optional string producer_name = 2; optional string producer_version = 3;
  optional GraphProto graph = 7; repeated OperatorSetIdProto opset_import = 8;
  repeated StringStringEntryProto metadata_props = 14;
}`;

const Model = protobuf.parse(definition, { keepCase: true }).root.lookupType("onnx.ModelProto");

/** ONNX's number of each element type. */
export const elementTypes: Record<DType, number> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
};

export type AttributeValue = number | string | readonly number[] | { readonly float: number };

/** One ONNX node before serialisation. */
export interface OnnxNode {
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** A graph input or output; an axis given as text is dynamic. */
export interface OnnxValueInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly (number | string)[];
}

/** A whole ONNX model before serialisation. */
export interface OnnxModel {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: ReadonlyMap<string, HostTensor>;
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** The operator sets of every model; any other domain of its nodes joins them in version 1. */
const opsets = [
  { domain: "", version: 18 },
  { domain: "com.microsoft", version: 1 },
];

function opsetsOf(nodes: readonly OnnxNode[]): typeof opsets {
  const others = new Set(nodes.map(({ domain }) => domain));
  for (const { domain } of opsets) others.delete(domain);
  return [...opsets, ...[...others].map((domain) => ({ domain, version: 1 }))];
}

/** The bytes of an `.onnx` file. */
export function encodeModel(model: OnnxModel): Uint8Array {
  return Model.encode(
    Model.create({
      ir_version: 9,
      producer_name: "echoduet",
      opset_import: opsetsOf(model.nodes),
      graph: {
        name: "echoduet",
        node: model.nodes.map((node, i) => ({
          name: `${node.opType}_${i}`,
          op_type: node.opType,
          domain: node.domain,
          input: node.inputs,
          output: node.outputs,
          attribute: Object.entries(node.attributes).map(([name, value]) => attribute(name, value)),
        })),
        initializer: [...model.initializers].map(([name, tensor]) => ({
          name,
          dims: tensor.shape,
          data_type: elementTypes[tensor.dtype],
          raw_data: rawBytes(tensor),
        })),
        input: model.inputs.map(valueInfo),
        output: model.outputs.map(valueInfo),
      },
      metadata_props: Object.entries(model.metadata).map(([key, value]) => ({ key, value })),
    }),
  ).finish();
}

/**
 * The `metadata_props` of an ONNX file's bytes.
 * @throws EchoDuetError `checkpoint` where the bytes are no ONNX model; `subject` names the file.
 */
export function readModelMetadata(bytes: Uint8Array, subject: string): Record<string, string> {
  try {
    const decoded = Model.toObject(Model.decode(bytes)) as {
      metadata_props?: { key: string; value: string }[];
    };
    return Object.fromEntries((decoded.metadata_props ?? []).map(({ key, value }) => [key, value]));
  } catch (cause) {
    throw new EchoDuetError("checkpoint", `${subject}: expected an ONNX model, could not be decoded`, {
      cause,
    });
  }
}

function attribute(name: string, value: AttributeValue): object {
  if (typeof value === "number") return { name, type: 2, i: value };
  if (typeof value === "string") return { name, type: 3, s: new TextEncoder().encode(value) };
  if ("float" in value) return { name, type: 1, f: value.float };
  return { name, type: 7, ints: value };
}

function valueInfo({ name, dtype, shape }: OnnxValueInfo): object {
  const dim = shape.map((length) =>
    typeof length === "string" ? { dim_param: length } : { dim_value: length },
  );
  return { name, type: { tensor_type: { elem_type: elementTypes[dtype], shape: { dim } } } };
}

function rawBytes(tensor: HostTensor): Uint8Array {
  const { buffer, byteOffset } = tensor.data;
  return new Uint8Array(buffer, byteOffset, sizeOfBytes(tensor.dtype, tensor.shape));
}

function sizeOfBytes(dtype: DType, shape: Shape): number {
  return shape.reduce((product, length) => product * length, 1) * bytesPerElement[dtype];
}
