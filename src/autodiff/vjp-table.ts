import { EchoDuetError } from "../errors.js";
import {
  add,
  cast,
  channelBlend,
  channelDot,
  concat,
  div,
  exp,
  expand,
  filled,
  greater,
  matMul,
  mul,
  type Node,
  neg,
  not,
  type OpAttributes,
  type OpName,
  pad,
  reduceSum,
  reshape,
  scatterAdd,
  sigmoid,
  sqrt,
  sub,
  transpose,
  type Value,
} from "../graph/index.js";
import { isFloat, type Shape, sameShape, sizeOf } from "../tensor/index.js";

/** What a rule sees: the node and the cotangent of each of its outputs (null where none arrived). */
export interface VjpContext<K extends OpName> {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attrs: OpAttributes[K];
  /** Cotangent of the first output: the only one that carries a gradient, for most operators. */
  readonly ct: Value;
  readonly cts: readonly (Value | null)[];
}

/**
 * The vector-Jacobian product of an operator: the cotangents of its inputs (null for one without a
 * gradient), as values of the same graph.
 */
export type VjpRule<K extends OpName> = (context: VjpContext<K>) => readonly (Value | null)[];

/** An operator through which no gradient can be asked for, and why. */
export interface NotDifferentiable {
  readonly notDifferentiable: string;
}

const firstOrder: NotDifferentiable = {
  notDifferentiable: "it is itself part of a backward pass, and training never differentiates twice",
};
const discrete: NotDifferentiable = { notDifferentiable: "its result is not a floating-point number" };

/** The vjp rule of every operator. The total over the operators is checked by TypeScript. */
export const vjpTable: { readonly [K in OpName]: VjpRule<K> | NotDifferentiable } = {
  Input: () => [],
  Constant: () => [],

  Neg: ({ ct }) => [neg(ct)],
  Exp: ({ ct, outputs: [y] }) => [mul(ct, y)],
  Log: ({ ct, inputs: [x] }) => [div(ct, x)],
  Sqrt: ({ ct, outputs: [y] }) => [div(mul(ct, 0.5), y)],
  Abs: ({ ct, inputs: [x] }) => [mul(ct, sub(maskOf(greater(x, 0), ct), maskOf(greater(neg(x), 0), ct)))],
  Atan: ({ ct, inputs: [x] }) => [div(ct, add(mul(x, x), 1))],
  Relu: ({ ct, inputs: [x] }) => [mul(ct, maskOf(greater(x, 0), ct))],
  Sigmoid: ({ ct, outputs: [y] }) => [mul(ct, mul(y, sub(1, y)))],
  Silu: ({ ct, inputs: [x], outputs: [y] }) => [x.graph.apply("SiluGrad", [x, y, ct], {})[0]],
  SiluGrad: firstOrder,
  Softplus: ({ ct, inputs: [x] }) => [mul(ct, sigmoid(x))],
  Not: discrete,
  // Integers and booleans carry no gradient.
  Cast: ({ ct, inputs: [x] }) => [isFloat(x.dtype) ? cast(ct, x.dtype) : null],
  StopGradient: () => [null],

  Add: ({ ct, inputs: [a, b] }) => [unbroadcast(ct, a.shape), unbroadcast(ct, b.shape)],
  Sub: ({ ct, inputs: [a, b] }) => [unbroadcast(ct, a.shape), unbroadcast(neg(ct), b.shape)],
  Mul: ({ ct, inputs: [a, b] }) => [unbroadcast(mul(ct, b), a.shape), unbroadcast(mul(ct, a), b.shape)],
  Div: ({ ct, inputs: [a, b], outputs: [y] }) => {
    const da = div(ct, b);
    return [unbroadcast(da, a.shape), unbroadcast(neg(mul(da, y)), b.shape)];
  },
  // At a tie the whole cotangent goes to the second operand.
  Min: ({ ct, inputs: [a, b] }) => choose(ct, a, b, greater(b, a)),
  Max: ({ ct, inputs: [a, b] }) => choose(ct, a, b, greater(a, b)),
  Greater: discrete,
  And: discrete,
  Where: ({ ct, inputs: [condition, a, b] }) => {
    const chosen = maskOf(condition, ct);
    return [null, unbroadcast(mul(ct, chosen), a.shape), unbroadcast(mul(ct, sub(1, chosen)), b.shape)];
  },

  ReduceSum: ({ ct, inputs: [x], attrs }) => [expand(restoreAxes(ct, x.shape, attrs.axes), x.shape)],
  ReduceMean: ({ ct, inputs: [x], attrs }) => {
    const count = sizeOf(attrs.axes.map((axis) => x.shape[axis]));
    return [expand(restoreAxes(mul(ct, 1 / count), x.shape, attrs.axes), x.shape)];
  },
  ReduceMax: ({ ct, inputs: [x], outputs: [y], attrs }) => {
    // Ties share the cotangent equally.
    const top = restoreAxes(y, x.shape, attrs.axes);
    const isTop = maskOf(not(greater(top, x)), ct);
    const ties = reduceSum(isTop, attrs.axes, true);
    return [mul(isTop, div(restoreAxes(ct, x.shape, attrs.axes), ties))];
  },
  LogSoftmax: ({ ct, outputs: [y] }) => [sub(ct, mul(exp(y), reduceSum(ct, [-1], true)))],

  Reshape: ({ ct, inputs: [x] }) => [reshape(ct, x.shape)],
  Transpose: ({ ct, attrs: { perm } }) => {
    const inverse = perm.map((_, axis) => perm.indexOf(axis));
    return [transpose(ct, inverse)];
  },
  Expand: ({ ct, inputs: [x] }) => [unbroadcast(ct, x.shape)],
  Concat: ({ ct, inputs, attrs: { axis } }) => {
    if (inputs.length === 1) return [ct];
    return ct.graph.apply("Split", [ct], { axis, sizes: inputs.map((input) => input.shape[axis]) });
  },
  Slice: ({ ct, inputs: [x], attrs: { starts, ends } }) => [
    pad(
      ct,
      starts,
      ends.map((end, axis) => x.shape[axis] - end),
    ),
  ],
  Split: ({ cts, outputs, attrs: { axis } }) => [
    concat(
      cts.map((ct, i) => ct ?? filled(outputs[i].graph, outputs[i].shape, 0, outputs[i].dtype)),
      axis,
    ),
  ],
  Pad: ({ ct, inputs: [x], attrs: { before } }) => {
    const ends = x.shape.map((length, axis) => before[axis] + length);
    return [ct.graph.apply("Slice", [ct], { starts: before, ends })[0]];
  },
  Gather: ({ ct, inputs: [x, indices] }) => [scatterAdd(ct, indices, x.shape[0]), null],
  ScatterAdd: ({ ct, inputs: [, indices] }) => [ct.graph.apply("Gather", [ct, indices], {})[0], null],

  MatMul: ({ ct, inputs: [a, b], attrs: { transA, transB } }) => [
    transA ? matMul(b, ct, { transA: transB, transB: true }) : matMul(ct, b, { transB: !transB }),
    transB ? matMul(ct, a, { transA: true, transB: transA }) : matMul(a, ct, { transA: !transA }),
  ],
  // Convolution and its two gradients are the three partial maps of one trilinear form, so each one's
  // rule is made of the others.
  Conv: ({ ct, inputs: [x, weight], attrs: { strides, pads } }) => [
    convInputGrad(ct, weight, { strides, pads, size: pixels(x) }),
    convWeightGrad(x, ct, { strides, pads, kernel: pixels(weight) }),
  ],
  ConvInputGrad: ({ ct, inputs: [dy, weight], attrs: { strides, pads } }) => [
    ct.graph.apply("Conv", [ct, weight], { strides, pads })[0],
    convWeightGrad(ct, dy, { strides, pads, kernel: pixels(weight) }),
  ],
  ConvWeightGrad: ({ ct, inputs, attrs: { strides, pads } }) =>
    inputs.map((input, i) =>
      i % 2 === 0
        ? convInputGrad(inputs[i + 1], ct, { strides, pads, size: pixels(input) })
        : ct.graph.apply("Conv", [inputs[i - 1], ct], { strides, pads })[0],
    ),
  BatchNorm: ({ ct, cts, inputs: [x, scale], outputs: [, mean, variance], attrs }) => {
    if (cts[1] || cts[2]) {
      throw new EchoDuetError(
        "graph",
        "BatchNorm: its mean and variance serve the running averages and have no gradient; put stopGradient around them",
      );
    }
    return batchNormGradients({ x, scale, mean, variance, dy: ct, ...attrs });
  },
  Normalise: firstOrder,
  ChannelAffine: ({ ct, inputs: [x, scale] }) => [
    mul(ct, perChannel(scale)),
    channelDot(ct, x),
    reduceSum(ct, [0, 2, 3]),
  ],
  ChannelBlend: ({ ct, inputs: [a, scaleA, b, scaleB] }) => [
    mul(ct, perChannel(scaleA)),
    channelDot(ct, a),
    mul(ct, perChannel(scaleB)),
    channelDot(ct, b),
    reduceSum(ct, [0, 2, 3]),
  ],
  ChannelDot: ({ ct, inputs: [a, b] }) => [mul(b, perChannel(ct)), mul(a, perChannel(ct))],
  MaxPool: ({ ct, inputs: [x], outputs: [, indices] }) => {
    const count = sizeOf(ct.shape);
    const sums = scatterAdd(reshape(ct, [count]), reshape(indices, [count]), sizeOf(x.shape));
    return [reshape(sums, x.shape)];
  },
  UpsampleNearest: ({ ct, attrs: { factor } }) => [ct.graph.apply("SumPool", [ct], { factor })[0]],
  SumPool: ({ ct, attrs: { factor } }) => [ct.graph.apply("UpsampleNearest", [ct], { factor })[0]],
};

/** [c] as [1, c, 1, 1]. */
function perChannel(vector: Value): Value {
  return reshape(vector, [1, vector.shape[0], 1, 1]);
}

/**
 * With n pixels a channel, r = 1 / sqrt(variance + epsilon), a = scale · r and xhat = (x - mean) · r: dbias = sum dy;
 * dscale = sum dy · xhat = r · (sum dy · x - mean · dbias); dx = a · (dy - dbias / n - xhat · dscale / n), written as
 * p · x + a · dy + q.
 * @returns dx, dscale, dbias
 */
function batchNormGradients({ x, scale, mean, variance, dy, epsilon }: BatchNormProblem): readonly Value[] {
  const overN = scale.shape[0] / sizeOf(x.shape);
  const r = div(1, sqrt(add(variance, epsilon)));
  const a = mul(scale, r);
  const dbias = reduceSum(dy, [0, 2, 3]);
  const dscale = mul(r, sub(channelDot(dy, x), mul(mean, dbias)));
  const p = neg(mul(mul(a, r), mul(dscale, overN)));
  const q = neg(add(mul(a, mul(dbias, overN)), mul(p, mean)));
  return [channelBlend(x, p, dy, a, q), dscale, dbias];
}

interface BatchNormProblem {
  readonly x: Value;
  readonly scale: Value;
  readonly mean: Value;
  readonly variance: Value;
  readonly dy: Value;
  readonly epsilon: number;
}

/** Sums a cotangent over the axes along which an operand of `shape` was broadcast. */
function unbroadcast(ct: Value, shape: Shape): Value {
  if (sameShape(ct.shape, shape)) return ct;
  const lead = ct.shape.length - shape.length;
  const axes = ct.shape.flatMap((length, axis) =>
    axis < lead || (shape[axis - lead] === 1 && length !== 1) ? [axis] : [],
  );
  return reshape(reduceSum(ct, axes), shape);
}

/** A reduction's result with its axes back at length 1. */
function restoreAxes(y: Value, shape: Shape, axes: readonly number[]): Value {
  const kept = shape.map((length, axis) => (axes.includes(axis) ? 1 : length));
  return sameShape(y.shape, kept) ? y : reshape(y, kept);
}

/** 1 where the condition holds, else 0, in the dtype of `like`. */
function maskOf(condition: Value, like: Value): Value {
  return cast(condition, like.dtype);
}

function choose(ct: Value, a: Value, b: Value, takesA: Value): readonly Value[] {
  const chosen = maskOf(takesA, ct);
  return [unbroadcast(mul(ct, chosen), a.shape), unbroadcast(mul(ct, sub(1, chosen)), b.shape)];
}

function pixels(x: Value): readonly [number, number] {
  return [x.shape[2], x.shape[3]];
}

function convInputGrad(dy: Value, weight: Value, attrs: OpAttributes["ConvInputGrad"]): Value {
  return dy.graph.apply("ConvInputGrad", [dy, weight], attrs)[0];
}

function convWeightGrad(x: Value, dy: Value, attrs: OpAttributes["ConvWeightGrad"]): Value {
  return x.graph.apply("ConvWeightGrad", [x, dy], attrs)[0];
}

/** The rule of one node, or the reason why it has none. */
export function ruleOf(node: Node): VjpRule<OpName> | NotDifferentiable {
  return vjpTable[node.op] as VjpRule<OpName> | NotDifferentiable;
}
