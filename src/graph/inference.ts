import { shapeError } from "../errors.js";
import { broadcastShapes, type DType, isFloat, type Shape, showShape, sizeOf } from "../tensor/index.js";
import type { Axes, ConvGeometry, OpAttributes, OpName } from "./ops.js";
import type { ValueType } from "./value-type.js";

type Types = readonly ValueType[];
type Rule<K extends OpName> = (inputs: Types, attrs: OpAttributes[K]) => ValueType[];

/**
 * The types of an operator's outputs.
 * @throws EchoDuetError `shape`, naming the operator, what it expects and what it got.
 */
export function inferTypes<K extends OpName>(op: K, inputs: Types, attrs: OpAttributes[K]): ValueType[] {
  const expected = arity[op];
  if (!fits(expected, inputs.length)) {
    shapeError(`${op}: expects ${expected} inputs, got ${inputs.length}`);
  }
  return (rules[op] as Rule<K>)(inputs, attrs);
}

/**
 * The shape, every length of which is a whole number; 0 makes a value without elements.
 * @throws EchoDuetError `shape`, beginning with `subject`.
 */
export function requireLengths(subject: string, shape: Shape): Shape {
  requireIntegers(subject, shape, 0);
  return shape;
}

type Arity = number | "one or more" | "one or more pairs of";

function fits(expected: Arity, inputs: number): boolean {
  if (typeof expected === "number") return inputs === expected;
  return inputs > 0 && (expected === "one or more" || inputs % 2 === 0);
}

const arity: Record<OpName, Arity> = {
  Input: 0,
  Constant: 0,
  Neg: 1,
  Exp: 1,
  Log: 1,
  Sqrt: 1,
  Abs: 1,
  Atan: 1,
  Relu: 1,
  Sigmoid: 1,
  Silu: 1,
  SiluGrad: 3,
  Softplus: 1,
  Not: 1,
  Cast: 1,
  StopGradient: 1,
  Add: 2,
  Sub: 2,
  Mul: 2,
  Div: 2,
  Min: 2,
  Max: 2,
  Greater: 2,
  And: 2,
  Where: 3,
  ReduceSum: 1,
  ReduceMean: 1,
  ReduceMax: 1,
  LogSoftmax: 1,
  Reshape: 1,
  Transpose: 1,
  Expand: 1,
  Concat: "one or more",
  Slice: 1,
  Split: 1,
  Pad: 1,
  Gather: 2,
  ScatterAdd: 2,
  MatMul: 2,
  Conv: 2,
  ConvInputGrad: 2,
  ConvWeightGrad: "one or more pairs of",
  BatchNorm: 3,
  Normalise: 5,
  ChannelAffine: 3,
  ChannelBlend: 5,
  ChannelDot: 2,
  MaxPool: 1,
  UpsampleNearest: 1,
  SumPool: 1,
};

const rules: { [K in OpName]: Rule<K> } = {
  Input: () => shapeError("Input: is declared by Graph.input, not applied"),
  Constant: (_, { tensor }) => [
    { dtype: tensor.dtype, shape: requireLengths("Constant: shape", tensor.shape) },
  ],

  Neg: floatUnary("Neg"),
  Exp: floatUnary("Exp"),
  Log: floatUnary("Log"),
  Sqrt: floatUnary("Sqrt"),
  Abs: floatUnary("Abs"),
  Atan: floatUnary("Atan"),
  Relu: floatUnary("Relu"),
  Sigmoid: floatUnary("Sigmoid"),
  Silu: floatUnary("Silu"),
  SiluGrad: (inputs) => {
    for (const input of inputs) requireType("SiluGrad", "operand", input, inputs[0]);
    return floatUnary("SiluGrad")(inputs);
  },
  Softplus: floatUnary("Softplus"),
  Not: ([x]) => [{ dtype: requireDType("Not", x, "bool"), shape: x.shape }],
  Cast: ([x], { to }) => [{ dtype: to, shape: x.shape }],
  StopGradient: ([x]) => [{ dtype: x.dtype, shape: x.shape }],

  Add: floatBinary("Add"),
  Sub: floatBinary("Sub"),
  Mul: floatBinary("Mul"),
  Div: floatBinary("Div"),
  Min: floatBinary("Min"),
  Max: floatBinary("Max"),
  Greater: (inputs) => [{ dtype: "bool", shape: floatBinary("Greater")(inputs)[0].shape }],
  And: ([a, b]) => {
    requireDType("And", a, "bool");
    return [{ dtype: requireDType("And", b, "bool"), shape: broadcastShapes("And", a.shape, b.shape) }];
  },
  Where: ([condition, a, b]) => {
    requireDType("Where", condition, "bool");
    if (a.dtype !== b.dtype)
      shapeError(`Where: expects branches of one dtype, got ${a.dtype} and ${b.dtype}`);
    const branches = broadcastShapes("Where", a.shape, b.shape);
    return [{ dtype: a.dtype, shape: broadcastShapes("Where", condition.shape, branches) }];
  },

  ReduceSum: reduction("ReduceSum"),
  ReduceMean: reduction("ReduceMean"),
  ReduceMax: reduction("ReduceMax"),
  LogSoftmax: (inputs) => {
    requireRankAtLeast("LogSoftmax", inputs[0], 1);
    return floatUnary("LogSoftmax")(inputs);
  },

  Reshape: ([x], { shape }) => {
    requireLengths("Reshape: shape", shape);
    if (sizeOf(shape) !== sizeOf(x.shape)) {
      shapeError(
        `Reshape: ${showShape(x.shape)} has ${sizeOf(x.shape)} elements, ${showShape(shape)} ${sizeOf(shape)}`,
      );
    }
    return [{ dtype: x.dtype, shape }];
  },
  Transpose: ([x], { perm }) => {
    const sorted = [...perm].sort((a, b) => a - b);
    if (perm.length !== x.shape.length || sorted.some((axis, i) => axis !== i)) {
      shapeError(`Transpose: expects a permutation of ${x.shape.length} axes, got ${showShape(perm)}`);
    }
    return [{ dtype: x.dtype, shape: perm.map((axis) => x.shape[axis]) }];
  },
  Expand: ([x], { shape }) => {
    requireLengths("Expand: shape", shape);
    const result = broadcastShapes("Expand", x.shape, shape);
    if (showShape(result) !== showShape(shape)) {
      shapeError(`Expand: cannot expand ${showShape(x.shape)} to ${showShape(shape)}`);
    }
    return [{ dtype: x.dtype, shape }];
  },
  Concat: (inputs, { axis: at }) => {
    const [first] = inputs;
    requireAxis("Concat", at, first.shape.length);
    for (const [i, input] of inputs.entries()) {
      const fits =
        input.dtype === first.dtype &&
        input.shape.length === first.shape.length &&
        input.shape.every((length, a) => a === at || length === first.shape[a]);
      if (!fits) {
        shapeError(
          `Concat: input ${i} expects ${first.dtype}${showShape(first.shape)} but for axis ${at}, got ${input.dtype}${showShape(input.shape)}`,
        );
      }
    }
    const total = inputs.reduce((sum, input) => sum + input.shape[at], 0);
    return [{ dtype: first.dtype, shape: first.shape.map((length, a) => (a === at ? total : length)) }];
  },
  Slice: ([x], { starts, ends }) => {
    requireEach("Slice", "starts and ends", x, starts, ends);
    requireIntegers("Slice: starts", starts, 0);
    requireIntegers("Slice: ends", ends, 0);
    x.shape.forEach((length, axis) => {
      if (starts[axis] > ends[axis] || ends[axis] > length) {
        shapeError(`Slice: axis ${axis} of ${showShape(x.shape)} has no range ${starts[axis]}:${ends[axis]}`);
      }
    });
    return [{ dtype: x.dtype, shape: x.shape.map((_, axis) => ends[axis] - starts[axis]) }];
  },
  Split: ([x], { axis: at, sizes }) => {
    requireAxis("Split", at, x.shape.length);
    requireIntegers("Split: sizes", sizes, 0);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (total !== x.shape[at]) {
      shapeError(`Split: sizes sum to ${total}, axis ${at} of ${showShape(x.shape)} has ${x.shape[at]}`);
    }
    return sizes.map((size) => ({
      dtype: x.dtype,
      shape: x.shape.map((length, a) => (a === at ? size : length)),
    }));
  },
  Pad: ([x], { before, after }) => {
    requireEach("Pad", "amounts on each side", x, before, after);
    if (![...before, ...after].every((amount) => Number.isInteger(amount) && amount >= 0)) {
      shapeError(
        `Pad: expects integers of at least 0, got ${showShape(before)} and ${showShape(after)}; crop with Slice`,
      );
    }
    return [{ dtype: x.dtype, shape: x.shape.map((length, axis) => before[axis] + length + after[axis]) }];
  },
  Gather: ([x, indices]) => {
    requireRankAtLeast("Gather", x, 1);
    requireDType("Gather indices", indices, "int64");
    requireRank("Gather indices", indices, 1);
    return [{ dtype: x.dtype, shape: [indices.shape[0], ...x.shape.slice(1)] }];
  },
  ScatterAdd: ([updates, indices], { rows }) => {
    requireFloat("ScatterAdd", updates);
    requireIntegers("ScatterAdd: rows", [rows], 0);
    requireRankAtLeast("ScatterAdd", updates, 1);
    requireDType("ScatterAdd indices", indices, "int64");
    requireShape("ScatterAdd", "indices", indices, [updates.shape[0]]);
    return [{ dtype: updates.dtype, shape: [rows, ...updates.shape.slice(1)] }];
  },

  MatMul: ([a, b], { transA, transB }) => {
    requireFloat("MatMul", a);
    requireDType("MatMul second operand", b, a.dtype);
    requireRankAtLeast("MatMul", a, 2);
    requireRank("MatMul", b, a.shape.length);
    const [m, k] = matrixAxes(a.shape, transA);
    const [k2, n] = matrixAxes(b.shape, transB);
    const lead = a.shape.slice(0, -2);
    if (k !== k2 || showShape(lead) !== showShape(b.shape.slice(0, -2))) {
      shapeError(
        `MatMul: ${showShape(a.shape)}${transA ? " transposed" : ""} does not multiply ${showShape(b.shape)}${transB ? " transposed" : ""}`,
      );
    }
    return [{ dtype: a.dtype, shape: [...lead, m, n] }];
  },
  Conv: ([x, weight], attrs) => {
    requireImage("Conv", x);
    requireImage("Conv weight", weight);
    requireDType("Conv weight", weight, x.dtype);
    if (weight.shape[1] !== x.shape[1]) {
      shapeError(`Conv: weight expects ${weight.shape[1]} input channels, got ${x.shape[1]} (axis 1)`);
    }
    const [height, width] = convOutputSize("Conv", x.shape, weight.shape.slice(2), attrs);
    return [{ dtype: x.dtype, shape: [x.shape[0], weight.shape[0], height, width] }];
  },
  ConvInputGrad: ([dy, weight], attrs) => {
    requireImage("ConvInputGrad", dy);
    requireImage("ConvInputGrad weight", weight);
    requireDType("ConvInputGrad weight", weight, dy.dtype);
    requireIntegers("ConvInputGrad: size", attrs.size, 1);
    if (weight.shape[0] !== dy.shape[1]) {
      shapeError(`ConvInputGrad: weight has ${weight.shape[0]} output channels, dy ${dy.shape[1]}`);
    }
    const shape = [dy.shape[0], weight.shape[1], ...attrs.size];
    requireConvFits("ConvInputGrad", shape, weight.shape.slice(2), attrs, dy.shape);
    return [{ dtype: dy.dtype, shape }];
  },
  ConvWeightGrad: (inputs, attrs) => {
    const [first, firstDy] = inputs;
    for (let i = 0; i < inputs.length; i += 2) {
      const [x, dy] = inputs.slice(i, i + 2);
      requireImage("ConvWeightGrad", x);
      requireImage("ConvWeightGrad", dy);
      requireDType("ConvWeightGrad dy", dy, first.dtype);
      if (x.shape[0] !== dy.shape[0]) {
        shapeError(`ConvWeightGrad: x has a batch of ${x.shape[0]}, dy of ${dy.shape[0]}`);
      }
      if (i > 0) {
        requireType("ConvWeightGrad", "x", x, { ...first, shape: [x.shape[0], ...first.shape.slice(1)] });
        requireType("ConvWeightGrad", "dy", dy, {
          ...firstDy,
          shape: [x.shape[0], ...firstDy.shape.slice(1)],
        });
      }
      requireConvFits("ConvWeightGrad", x.shape, attrs.kernel, attrs, dy.shape);
    }
    return [{ dtype: first.dtype, shape: [firstDy.shape[1], first.shape[1], ...attrs.kernel] }];
  },
  BatchNorm: ([x, scale, bias]) => {
    requireImage("BatchNorm", x);
    const statistic = channelVector(x);
    requireType("BatchNorm", "scale", scale, statistic);
    requireType("BatchNorm", "bias", bias, statistic);
    return [{ dtype: x.dtype, shape: x.shape }, statistic, statistic];
  },
  Normalise: ([x, ...vectors]) => {
    requireImage("Normalise", x);
    ["scale", "bias", "mean", "variance"].forEach((name, i) => {
      requireType("Normalise", name, vectors[i], channelVector(x));
    });
    return [{ dtype: x.dtype, shape: x.shape }];
  },
  ChannelAffine: ([x, scale, bias]) => {
    requireImage("ChannelAffine", x);
    requireType("ChannelAffine", "scale", scale, channelVector(x));
    requireType("ChannelAffine", "bias", bias, channelVector(x));
    return [{ dtype: x.dtype, shape: x.shape }];
  },
  ChannelBlend: ([a, scaleA, b, scaleB, bias]) => {
    requireImage("ChannelBlend", a);
    requireType("ChannelBlend", "b", b, a);
    for (const [name, value] of Object.entries({ scaleA, scaleB, bias })) {
      requireType("ChannelBlend", name, value, channelVector(a));
    }
    return [{ dtype: a.dtype, shape: a.shape }];
  },
  ChannelDot: ([a, b]) => {
    requireImage("ChannelDot", a);
    requireType("ChannelDot", "b", b, a);
    return [channelVector(a)];
  },
  MaxPool: ([x], { kernel, stride, pad }) => {
    requireImage("MaxPool", x);
    const geometry: ConvGeometry = { strides: [stride, stride], pads: [pad, pad] };
    const size = convOutputSize("MaxPool", x.shape, [kernel, kernel], geometry);
    // A window that lay in the padding alone would have no maximum.
    if (pad >= kernel) shapeError(`MaxPool: pad expects less than the kernel of ${kernel}, got ${pad}`);
    const shape = [x.shape[0], x.shape[1], ...size];
    return [
      { dtype: x.dtype, shape },
      { dtype: "int64", shape },
    ];
  },
  UpsampleNearest: ([x], { factor }) => {
    requireImage("UpsampleNearest", x);
    requireIntegers("UpsampleNearest: factor", [factor], 1);
    const [b, c, h, w] = x.shape;
    return [{ dtype: x.dtype, shape: [b, c, h * factor, w * factor] }];
  },
  SumPool: ([x], { factor }) => {
    requireImage("SumPool", x);
    requireIntegers("SumPool: factor", [factor], 1);
    const [b, c, h, w] = x.shape;
    if (h % factor !== 0 || w % factor !== 0) {
      shapeError(`SumPool: expects height and width in multiples of ${factor}, got ${showShape(x.shape)}`);
    }
    return [{ dtype: x.dtype, shape: [b, c, h / factor, w / factor] }];
  },
};

function floatUnary(op: string): (inputs: Types) => ValueType[] {
  return ([x]) => {
    requireFloat(op, x);
    return [{ dtype: x.dtype, shape: x.shape }];
  };
}

function floatBinary(op: string): (inputs: Types) => ValueType[] {
  return ([a, b]) => {
    requireFloat(op, a);
    if (a.dtype !== b.dtype)
      shapeError(`${op}: expects operands of one dtype, got ${a.dtype} and ${b.dtype}`);
    return [{ dtype: a.dtype, shape: broadcastShapes(op, a.shape, b.shape) }];
  };
}

function reduction(op: string): (inputs: Types, attrs: Axes) => ValueType[] {
  return ([x], { axes, keepdims }) => {
    requireFloat(op, x);
    for (const axis of axes) requireAxis(op, axis, x.shape.length);
    const reduced = new Set(axes);
    if (reduced.size !== axes.length)
      shapeError(`${op}: axes expects each axis once, got ${showShape(axes)}`);
    const shape = x.shape.flatMap((length, axis) => (reduced.has(axis) ? (keepdims ? [1] : []) : [length]));
    return [{ dtype: x.dtype, shape }];
  };
}

/** Height and width of a convolution's or pooling's output. */
function convOutputSize(
  op: string,
  x: Shape,
  kernel: Shape,
  { strides, pads }: ConvGeometry,
): [number, number] {
  requireIntegers(`${op}: kernel`, kernel, 1);
  requireIntegers(`${op}: strides`, strides, 1);
  requireIntegers(`${op}: pads`, pads, 0);
  const size = [0, 1].map((d) => Math.floor((x[2 + d] + 2 * pads[d] - kernel[d]) / strides[d]) + 1);
  if (size[0] < 1 || size[1] < 1) {
    shapeError(
      `${op}: kernel ${showShape(kernel)} with padding ${showShape(pads)} does not fit in ${showShape(x)}`,
    );
  }
  return [size[0], size[1]];
}

function requireConvFits(op: string, x: Shape, kernel: Shape, geometry: ConvGeometry, dy: Shape): void {
  const expected = convOutputSize(op, x, kernel, geometry);
  if (expected[0] !== dy[2] || expected[1] !== dy[3]) {
    shapeError(`${op}: expects dy of ${showShape(expected)} pixels, got ${showShape(dy.slice(2))}`);
  }
}

function matrixAxes(shape: Shape, transposed: boolean): [number, number] {
  const [rows, columns] = shape.slice(-2);
  return transposed ? [columns, rows] : [rows, columns];
}

function requireFloat(op: string, x: ValueType): void {
  if (!isFloat(x.dtype)) shapeError(`${op}: expects a floating-point operand, got ${x.dtype}`);
}

function requireDType(subject: string, x: ValueType, dtype: DType): DType {
  if (x.dtype !== dtype) shapeError(`${subject}: expects ${dtype}, got ${x.dtype}`);
  return dtype;
}

/** One number for each axis of x, in each of two lists. */
function requireEach(op: string, what: string, x: ValueType, first: Shape, second: Shape): void {
  const rank = x.shape.length;
  if (first.length !== rank || second.length !== rank) {
    shapeError(`${op}: expects ${rank} ${what}, got ${first.length} and ${second.length}`);
  }
}

function requireIntegers(subject: string, values: readonly number[], least: number): void {
  if (!values.every((value) => Number.isInteger(value) && value >= least)) {
    shapeError(`${subject} expects integers of at least ${least}, got ${showShape(values)}`);
  }
}

/** An axis counted from the front: the functions that build nodes have normalised negative ones. */
function requireAxis(op: string, axis: number, rank: number): void {
  if (!(Number.isInteger(axis) && axis >= 0 && axis < rank)) {
    shapeError(`${op}: expects an axis of at least 0 and below ${rank}, got ${axis}`);
  }
}

function requireRank(subject: string, x: ValueType, rank: number): void {
  if (x.shape.length !== rank) shapeError(`${subject}: expects ${rank} axes, got ${showShape(x.shape)}`);
}

function requireRankAtLeast(subject: string, x: ValueType, rank: number): void {
  if (x.shape.length < rank)
    shapeError(`${subject}: expects at least ${rank} axes, got ${showShape(x.shape)}`);
}

function requireImage(subject: string, x: ValueType): void {
  requireFloat(subject, x);
  requireRank(`${subject} [batch, channels, height, width]`, x, 4);
}

/** The type of one number for each channel of an image. */
function channelVector(x: ValueType): ValueType {
  return { dtype: x.dtype, shape: [x.shape[1]] };
}

function requireType(op: string, what: string, x: ValueType, type: ValueType): void {
  requireShape(op, what, x, type.shape);
  requireDType(`${op} ${what}`, x, type.dtype);
}

function requireShape(op: string, what: string, x: ValueType, shape: Shape): void {
  if (showShape(x.shape) !== showShape(shape)) {
    shapeError(`${op}: ${what} expects ${showShape(shape)}, got ${showShape(x.shape)}`);
  }
}
