import type { Graph, Value } from "../graph/index.js";
import type { Shape } from "../tensor/index.js";
import type { Initialiser } from "./initialise.js";

/**
 * What a parameter is, which decides how it is trained: `weight` decays; `norm` (a normalisation's
 * scale) and `bias` do not, and biases have their own warm-up.
 */
export type ParameterRole = "weight" | "norm" | "bias";

/** A trainable tensor, float32. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly role: ParameterRole;
  readonly initial: Initialiser;
  /** The normalisation that a deployed convolution's weight and bias hold as well; in training there is none. */
  readonly folded?: FoldedNorm;
}

/** A batch normalisation whose four tensors are `weight`, `bias`, `running_mean` and `running_var`. */
export interface FoldedNorm {
  /** What their names begin with, the dot included. */
  readonly prefix: string;
  /** Added to the variance. */
  readonly epsilon: number;
}

/** A tensor that training updates without a gradient: a running statistic, float32. */
export interface BufferSpec {
  readonly name: string;
  readonly shape: Shape;
  /** Every element at the start. */
  readonly initial: number;
}

/** A random mask that the host feeds at each training step: 0 or 1 / (1 - rate), float32. */
export interface DropoutSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly rate: number;
}

/**
 * How layers are built. `train`: batch statistics, dropout. `deploy`: each batch normalisation is
 * folded into its convolution, which then has a bias.
 */
export type Mode = "train" | "deploy";

/** Where a scope takes its tensors from. */
export interface ScopeSource {
  readonly graph: Graph;
  readonly mode: Mode;
  parameter(spec: ParameterSpec): Value;
  buffer(spec: BufferSpec): Value;
  dropout(spec: DropoutSpec): Value;
  /** Receives the next value of a buffer. */
  updateBuffer(spec: BufferSpec, next: Value): void;
  /**
   * Whether training leaves the parameter of that full name as it is; nothing is frozen by default. A batch
   * normalisation asks it of its `weight`.
   */
  frozen?(name: string): boolean;
  /** Is told the output of each of the network's layers, in their order, by full name. */
  layer?(name: string, output: Value): void;
}

/** Gives layers their parameters under dotted names (`model.2.cv1.conv.weight`). */
export class Scope {
  constructor(
    readonly source: ScopeSource,
    readonly prefix = "",
  ) {}

  get graph(): Graph {
    return this.source.graph;
  }

  get mode(): Mode {
    return this.source.mode;
  }

  /** A scope whose names begin with `name.`. */
  child(name: string | number): Scope {
    return new Scope(this.source, `${this.prefix}${name}.`);
  }

  /** A layer that `build` makes in the child scope `name`; whoever asked for layers is told its output. */
  layer(name: string | number, build: (scope: Scope) => Value): Value {
    const output = build(this.child(name));
    this.source.layer?.(`${this.prefix}${name}`, output);
    return output;
  }

  /** Whether training leaves the parameter `name` as it is. */
  isFrozen(name: string): boolean {
    return this.source.frozen?.(this.prefix + name) ?? false;
  }

  parameter(
    name: string,
    shape: Shape,
    role: ParameterRole,
    initial: Initialiser,
    folded?: FoldedNorm,
  ): Value {
    const spec = { name: this.prefix + name, shape, role, initial };
    return this.source.parameter(folded ? { ...spec, folded } : spec);
  }

  buffer(name: string, shape: Shape, initial: number): { value: Value; update: (next: Value) => void } {
    const spec = { name: this.prefix + name, shape, initial };
    return { value: this.source.buffer(spec), update: (next) => this.source.updateBuffer(spec, next) };
  }

  dropoutMask(name: string, shape: Shape, rate: number): Value {
    return this.source.dropout({ name: this.prefix + name, shape, rate });
  }
}
