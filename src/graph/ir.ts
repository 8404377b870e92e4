import { EchoDuetError } from "../errors.js";
import type { DType, HostTensor, Shape } from "../tensor/index.js";
import { inferTypes, requireLengths } from "./inference.js";
import type { OpAttributes, OpName } from "./ops.js";
import type { ValueType } from "./value-type.js";

/** One result of a node; shapes are static. */
export interface Value extends ValueType {
  readonly graph: Graph;
  readonly node: Node;
  /** Which of the node's outputs this is. */
  readonly index: number;
  /** Unique within the graph. */
  readonly id: number;
}

/** One operator applied to values of the same graph. */
export interface Node<K extends OpName = OpName> {
  readonly op: K;
  readonly attrs: OpAttributes[K];
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
}

/** A dataflow graph, kept in an order in which every node comes after its inputs. */
export class Graph {
  readonly nodes: Node[] = [];
  readonly inputs = new Map<string, Value>();
  readonly outputs = new Map<string, Value>();
  #nextId = 0;

  /** Appends a node; its output types follow from the operator's inference rule. */
  apply<K extends OpName>(op: K, inputs: readonly Value[], attrs: OpAttributes[K]): readonly Value[] {
    for (const value of inputs) {
      if (value.graph !== this) {
        throw new EchoDuetError("graph", `${op}: expects values of this graph, got one of another graph`);
      }
    }
    const outputs: Value[] = [];
    const node: Node = { op, attrs, inputs, outputs };
    inferTypes(op, inputs, attrs).forEach((type, index) => {
      outputs.push({ graph: this, node, index, id: this.#nextId++, dtype: type.dtype, shape: type.shape });
    });
    this.nodes.push(node);
    return outputs;
  }

  /**
   * A named input; the name must be new.
   * @throws EchoDuetError `graph` for a repeated name, `shape` for a length that is no whole number.
   */
  input(name: string, dtype: DType, shape: Shape): Value {
    if (this.inputs.has(name)) throw new EchoDuetError("graph", `input ${name}: is declared twice`);
    requireLengths(`input ${name}: shape`, shape);
    const outputs: Value[] = [];
    const node: Node<"Input"> = { op: "Input", attrs: { name }, inputs: [], outputs };
    const value = { graph: this, node, index: 0, id: this.#nextId++, dtype, shape };
    outputs.push(value);
    this.nodes.push(node);
    this.inputs.set(name, value);
    return value;
  }

  constant(tensor: HostTensor): Value {
    return this.apply("Constant", [], { tensor })[0];
  }

  /** Names a value as a result of the graph. */
  output(name: string, value: Value): void {
    if (this.outputs.has(name)) throw new EchoDuetError("graph", `output ${name}: is declared twice`);
    if (value.graph !== this) throw new EchoDuetError("graph", `output ${name}: is a value of another graph`);
    this.outputs.set(name, value);
  }
}
