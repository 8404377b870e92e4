import type { Graph, OpName, Value } from "../graph/index.js";
import { Emitter } from "./emitter.js";
import type { Lowering } from "./lowering.js";
import { loweringTable } from "./lowering-table.js";
import { encodeModel, type OnnxNode, type OnnxValueInfo } from "./proto.js";

export interface SerialiseOptions {
  /** Key-value pairs for the file's metadata. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Declares the first axis of every input and output dynamic under this name. */
  readonly dynamicBatch?: string;
  /** Channels of a block of ONNX Runtime's own layout, for a model that only this processor runs. */
  readonly block?: number | null;
}

/** A graph as the bytes of an ONNX model (opset 18, with ONNX Runtime's `com.microsoft` domain). */
export function serialise(graph: Graph, options: SerialiseOptions = {}): Uint8Array {
  const emitter = new Emitter();
  const names = new Map<Value, string>();
  const read = new Set([...graph.nodes.flatMap((node) => node.inputs), ...graph.outputs.values()]);
  for (const node of graph.nodes) {
    const lower = loweringTable[node.op] as Lowering<OpName>;
    const outputs = lower({
      emitter,
      names: node.inputs.map((input) => names.get(input) as string),
      inputs: node.inputs,
      outputs: node.outputs,
      attrs: node.attrs,
      isRead: (output) => read.has(output),
      block: options.block ?? null,
    });
    node.outputs.forEach((output, i) => {
      names.set(output, outputs[i]);
    });
  }
  const info = (name: string, value: Value): OnnxValueInfo => ({
    name,
    dtype: value.dtype,
    shape: options.dynamicBatch ? [options.dynamicBatch, ...value.shape.slice(1)] : value.shape,
  });
  for (const [name, value] of graph.outputs) {
    // An output may be an input or share its value with another output: a name of its own needs a node.
    emitter.nodes.push({
      opType: "Identity",
      domain: "",
      inputs: [names.get(value) as string],
      outputs: [name],
      attributes: {},
    });
  }
  return encodeModel({
    nodes: withoutUnreadIndices(emitter.nodes),
    initializers: emitter.initializers,
    inputs: [...graph.inputs].map(([name, value]) => info(name, value)),
    outputs: [...graph.outputs].map(([name, value]) => info(name, value)),
    metadata: options.metadata ?? {},
  });
}

/** The indices of a `MaxPool` that nobody reads left out: finding them takes time, and WebGPU has none. */
function withoutUnreadIndices(nodes: readonly OnnxNode[]): OnnxNode[] {
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  return nodes.map((node) =>
    node.opType === "MaxPool" && !read.has(node.outputs[1])
      ? { ...node, outputs: node.outputs.slice(0, 1) }
      : node,
  );
}
