import { type DType, fromNumbers, normaliseAxis, type Shape } from "../tensor/index.js";
import type { Graph, Value } from "./ir.js";
import type { ConvGeometry, OpName } from "./ops.js";

/** A value, or a number that stands for a scalar constant of the other operand's dtype. */
export type Operand = Value | number;

/** A scalar constant. */
export function scalar(graph: Graph, value: number, dtype: DType = "float32"): Value {
  return graph.constant(fromNumbers(dtype, [], [value]));
}

/** A constant of `shape` filled with one number. */
export function filled(graph: Graph, shape: Shape, value: number, dtype: DType = "float32"): Value {
  return expand(scalar(graph, value, dtype), shape);
}

type UnaryName =
  | "Neg"
  | "Exp"
  | "Log"
  | "Sqrt"
  | "Abs"
  | "Atan"
  | "Relu"
  | "Sigmoid"
  | "Silu"
  | "Softplus"
  | "Not"
  | "StopGradient"
  | "LogSoftmax";
type BinaryName = "Add" | "Sub" | "Mul" | "Div" | "Min" | "Max" | "Greater" | "And";

const unary =
  <K extends UnaryName & OpName>(op: K) =>
  (x: Value): Value =>
    x.graph.apply(op, [x], {})[0];

const binary =
  <K extends BinaryName & OpName>(op: K) =>
  (a: Operand, b: Operand): Value => {
    const graph = (typeof a === "number" ? (b as Value) : a).graph;
    const dtype = (typeof a === "number" ? (b as Value) : a).dtype;
    const value = (x: Operand) => (typeof x === "number" ? scalar(graph, x, dtype) : x);
    return graph.apply(op, [value(a), value(b)], {})[0];
  };

export const neg = unary("Neg");
export const exp = unary("Exp");
export const log = unary("Log");
export const sqrt = unary("Sqrt");
export const abs = unary("Abs");
export const atan = unary("Atan");
export const relu = unary("Relu");
export const sigmoid = unary("Sigmoid");
export const silu = unary("Silu");
export const softplus = unary("Softplus");
export const not = unary("Not");
export const stopGradient = unary("StopGradient");
/** log(softmax(x)) over the last axis. */
export const logSoftmax = unary("LogSoftmax");

export const add = binary("Add");
export const sub = binary("Sub");
export const mul = binary("Mul");
export const div = binary("Div");
export const min = binary("Min");
export const max = binary("Max");
export const greater = binary("Greater");
export const and = binary("And");

/** `a` where the boolean `condition` holds, else `b`; all three broadcast. */
export function where(condition: Value, a: Value, b: Value): Value {
  return condition.graph.apply("Where", [condition, a, b], {})[0];
}

export function cast(x: Value, to: DType): Value {
  return x.dtype === to ? x : x.graph.apply("Cast", [x], { to })[0];
}

/** Sum over `axes` (all by default), which disappear unless `keepdims`. */
export function reduceSum(x: Value, axes: readonly number[] = allAxes(x), keepdims = false): Value {
  return x.graph.apply("ReduceSum", [x], { axes: positive("ReduceSum", x, axes), keepdims })[0];
}

export function reduceMean(x: Value, axes: readonly number[] = allAxes(x), keepdims = false): Value {
  return x.graph.apply("ReduceMean", [x], { axes: positive("ReduceMean", x, axes), keepdims })[0];
}

export function reduceMax(x: Value, axes: readonly number[] = allAxes(x), keepdims = false): Value {
  return x.graph.apply("ReduceMax", [x], { axes: positive("ReduceMax", x, axes), keepdims })[0];
}

export function reshape(x: Value, shape: Shape): Value {
  return x.graph.apply("Reshape", [x], { shape })[0];
}

export function transpose(x: Value, perm: readonly number[]): Value {
  return x.graph.apply("Transpose", [x], { perm })[0];
}

export function expand(x: Value, shape: Shape): Value {
  return x.graph.apply("Expand", [x], { shape })[0];
}

export function concat(values: readonly Value[], axis: number): Value {
  if (values.length === 1) return values[0];
  return values[0].graph.apply("Concat", values, {
    axis: normaliseAxis("Concat", axis, values[0].shape.length),
  })[0];
}

/** x[..., start:end, ...] along one axis. */
export function slice(x: Value, axis: number, start: number, end: number): Value {
  const at = normaliseAxis("Slice", axis, x.shape.length);
  const starts = x.shape.map((_, a) => (a === at ? start : 0));
  const ends = x.shape.map((length, a) => (a === at ? end : length));
  return x.graph.apply("Slice", [x], { starts, ends })[0];
}

export function split(x: Value, axis: number, sizes: readonly number[]): readonly Value[] {
  if (sizes.length === 1) return [x];
  return x.graph.apply("Split", [x], { axis: normaliseAxis("Split", axis, x.shape.length), sizes });
}

/** Zeros around x. */
export function pad(x: Value, before: readonly number[], after: readonly number[]): Value {
  return x.graph.apply("Pad", [x], { before, after })[0];
}

/** Rows of x [n, ...] at int64 indices [m]: [m, ...]. */
export function gather(x: Value, indices: Value): Value {
  return x.graph.apply("Gather", [x, indices], {})[0];
}

/** [rows, ...] zeros to which each update [m, ...] is added at its int64 index [m]. */
export function scatterAdd(updates: Value, indices: Value, rows: number): Value {
  return updates.graph.apply("ScatterAdd", [updates, indices], { rows })[0];
}

export function matMul(a: Value, b: Value, options: { transA?: boolean; transB?: boolean } = {}): Value {
  return a.graph.apply("MatMul", [a, b], {
    transA: options.transA ?? false,
    transB: options.transB ?? false,
  })[0];
}

/** Two-dimensional cross-correlation without bias. */
export function conv(x: Value, weight: Value, geometry: ConvGeometry): Value {
  return x.graph.apply("Conv", [x, weight], geometry)[0];
}

/** Batch normalisation by the batch's own statistics: y, mean, biased variance. */
export function batchNorm(
  x: Value,
  scale: Value,
  bias: Value,
  epsilon: number,
): readonly [Value, Value, Value] {
  const [y, mean, variance] = x.graph.apply("BatchNorm", [x, scale, bias], { epsilon });
  return [y, mean, variance];
}

/** x · scale + bias for each channel. */
export function channelAffine(x: Value, scale: Value, bias: Value): Value {
  return x.graph.apply("ChannelAffine", [x, scale, bias], {})[0];
}

/** a · scaleA + b · scaleB + bias for each channel. */
export function channelBlend(a: Value, scaleA: Value, b: Value, scaleB: Value, bias: Value): Value {
  return a.graph.apply("ChannelBlend", [a, scaleA, b, scaleB, bias], {})[0];
}

/** The sum of a · b over images and pixels, [channels]. */
export function channelDot(a: Value, b: Value): Value {
  return a.graph.apply("ChannelDot", [a, b], {})[0];
}

export function maxPool(x: Value, options: { kernel: number; stride: number; pad: number }): Value {
  return x.graph.apply("MaxPool", [x], options)[0];
}

export function upsampleNearest(x: Value, factor: number): Value {
  return x.graph.apply("UpsampleNearest", [x], { factor })[0];
}

function allAxes(x: Value): number[] {
  return x.shape.map((_, axis) => axis);
}

function positive(op: string, x: Value, axes: readonly number[]): number[] {
  return axes.map((axis) => normaliseAxis(op, axis, x.shape.length));
}
