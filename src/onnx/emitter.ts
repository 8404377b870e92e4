import { fromNumbers, type HostTensor } from "../tensor/index.js";
import type { AttributeValue, OnnxNode } from "./proto.js";

/** What an ONNX node takes besides its inputs. */
export interface EmitOptions {
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** Empty for ONNX's own operators, "com.microsoft" for ONNX Runtime's. */
  readonly domain?: string;
  /** Number of outputs, 1 by default. */
  readonly outputs?: number;
}

/** Collects ONNX nodes and initialisers and invents their names. */
export class Emitter {
  readonly nodes: OnnxNode[] = [];
  readonly initializers = new Map<string, HostTensor>();
  readonly #shared = new Map<string, string>();
  #next = 0;

  /** Adds a node; an empty input name leaves an optional input out. */
  emitAll(opType: string, inputs: readonly string[], options: EmitOptions = {}): string[] {
    const outputs = Array.from({ length: options.outputs ?? 1 }, () => this.freshName());
    this.nodes.push({
      opType,
      domain: options.domain ?? "",
      inputs,
      outputs,
      attributes: options.attributes ?? {},
    });
    return outputs;
  }

  /** Adds a node with one output, or of which one output matters. */
  emit(opType: string, inputs: readonly string[], options: EmitOptions = {}): string {
    return this.emitAll(opType, inputs, options)[0];
  }

  tensor(tensor: HostTensor): string {
    const name = this.freshName();
    this.initializers.set(name, tensor);
    return name;
  }

  /** A one-dimensional int64 initialiser: shapes, axes, pads. Equal ones are stored once. */
  integers(values: readonly number[]): string {
    return this.#share(`i${values}`, () => fromNumbers("int64", [values.length], values));
  }

  /** A float32 scalar initialiser. */
  float(value: number): string {
    return this.#share(`f${value}`, () => fromNumbers("float32", [], [value]));
  }

  reshape(x: string, shape: readonly number[]): string {
    return this.emit("Reshape", [x, this.integers(shape)]);
  }

  freshName(): string {
    return `t${this.#next++}`;
  }

  #share(key: string, make: () => HostTensor): string {
    const known = this.#shared.get(key);
    if (known) return known;
    const name = this.tensor(make());
    this.#shared.set(key, name);
    return name;
  }
}
