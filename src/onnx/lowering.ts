import type { OpAttributes, OpName, Value } from "../graph/index.js";
import type { Emitter } from "./emitter.js";

/** What a lowering rule sees: the emitter, the operands' ONNX names, and the node's values and attributes. */
export interface LoweringContext<K extends OpName> {
  readonly emitter: Emitter;
  readonly names: readonly string[];
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attrs: OpAttributes[K];
  /** Whether any node or output of the graph reads this output. */
  readonly isRead: (output: Value) => boolean;
  /** Channels of a block of ONNX Runtime's own layout; null where convolutions keep to the plain one. */
  readonly block: number | null;
}

/** Emits the ONNX nodes of one operator and returns the names of its outputs. */
export type Lowering<K extends OpName> = (context: LoweringContext<K>) => readonly string[];
