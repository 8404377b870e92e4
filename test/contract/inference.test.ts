import { describe, expect, it } from "vitest";
import { gradientsOf } from "../../src/autodiff/index.js";
import { EchoDuetError } from "../../src/errors.js";
import {
  cast,
  concat,
  Graph,
  interpretValues,
  mul,
  type OpAttributes,
  type OpName,
  reduceMax,
  reduceMean,
  reduceSum,
  reshape,
  split,
} from "../../src/graph/index.js";
import type { DType, Shape } from "../../src/tensor/index.js";

interface Operand {
  readonly dtype: DType;
  readonly shape: Shape;
}

const float = (...shape: number[]): Operand => ({ dtype: "float32", shape });
const double = (...shape: number[]): Operand => ({ dtype: "float64", shape });
const int = (...shape: number[]): Operand => ({ dtype: "int64", shape });
const bool = (...shape: number[]): Operand => ({ dtype: "bool", shape });

type Row<K extends OpName> = readonly [K, readonly Operand[], OpAttributes[K], string];
const row = <K extends OpName>(...cells: Row<K>): Row<K> => cells;

const plain = { strides: [1, 1], pads: [0, 0] } as const;
const image = float(2, 3, 4, 5);

const bad = [
  row("Neg", [], {}, "Neg: expects 1 inputs, got 0"),
  row("Add", [float(1)], {}, "Add: expects 2 inputs, got 1"),
  row("Where", [bool(1), float(1)], {}, "Where: expects 3 inputs, got 2"),
  row("Concat", [], { axis: 0 }, "Concat: expects one or more inputs, got 0"),
  row("ChannelBlend", [image], {}, "ChannelBlend: expects 5 inputs, got 1"),
  row(
    "ConvWeightGrad",
    [image, image, image],
    { ...plain, kernel: [1, 1] },
    "ConvWeightGrad: expects one or more pairs of inputs, got 3",
  ),
  row("Input", [], { name: "x" }, "Input: is declared by Graph.input, not applied"),

  ...(["Neg", "Exp", "Log", "Sqrt", "Abs", "Atan", "Relu", "Sigmoid", "Silu", "Softplus"] as const).map(
    (op) => row(op, [int(2)], {}, `${op}: expects a floating-point operand, got int64`),
  ),
  ...(["Add", "Sub", "Mul", "Div", "Min", "Max", "Greater"] as const).flatMap((op) => [
    row(op, [bool(2), bool(2)], {}, `${op}: expects a floating-point operand, got bool`),
    row(op, [float(2), double(2)], {}, `${op}: expects operands of one dtype, got float32 and float64`),
    row(op, [float(2, 3), float(2)], {}, `${op}: cannot broadcast [2, 3] with [2] (axis 1: 3 and 2)`),
  ]),
  row("SiluGrad", [int(2), int(2), int(2)], {}, "SiluGrad: expects a floating-point operand, got int64"),
  row("SiluGrad", [float(2), float(1), float(2)], {}, "SiluGrad: operand expects [2], got [1]"),
  row("Not", [float(2)], {}, "Not: expects bool, got float32"),
  row("And", [float(2), bool(2)], {}, "And: expects bool, got float32"),
  row("And", [bool(2), float(2)], {}, "And: expects bool, got float32"),
  row("And", [bool(2), bool(3)], {}, "And: cannot broadcast [2] with [3] (axis 0: 2 and 3)"),
  row("Where", [float(2), float(2), float(2)], {}, "Where: expects bool, got float32"),
  row(
    "Where",
    [bool(2), float(2), int(2)],
    {},
    "Where: expects branches of one dtype, got float32 and int64",
  ),
  row("Where", [bool(2), float(2), float(3)], {}, "Where: cannot broadcast [2] with [3] (axis 0: 2 and 3)"),
  row("Where", [bool(4), float(2), float(2)], {}, "Where: cannot broadcast [4] with [2] (axis 0: 4 and 2)"),

  ...(["ReduceSum", "ReduceMean", "ReduceMax"] as const).flatMap((op) => [
    row(op, [bool(2)], { axes: [0], keepdims: false }, `${op}: expects a floating-point operand, got bool`),
    row(
      op,
      [float(2)],
      { axes: [1], keepdims: false },
      `${op}: expects an axis of at least 0 and below 1, got 1`,
    ),
    row(
      op,
      [float(2)],
      { axes: [-1], keepdims: false },
      `${op}: expects an axis of at least 0 and below 1, got -1`,
    ),
    row(
      op,
      [float(2)],
      { axes: [0.5], keepdims: false },
      `${op}: expects an axis of at least 0 and below 1, got 0.5`,
    ),
    row(
      op,
      [float(2, 3)],
      { axes: [1, 1], keepdims: true },
      `${op}: axes expects each axis once, got [1, 1]`,
    ),
    row(
      op,
      [float()],
      { axes: [0], keepdims: true },
      `${op}: expects an axis of at least 0 and below 0, got 0`,
    ),
  ]),
  row("SiluGrad", [float(2), double(2), float(2)], {}, "SiluGrad operand: expects float32, got float64"),
  row("SiluGrad", [float(2), float(2), double(2)], {}, "SiluGrad operand: expects float32, got float64"),
  row("LogSoftmax", [float()], {}, "LogSoftmax: expects at least 1 axes, got []"),
  row("LogSoftmax", [int(2)], {}, "LogSoftmax: expects a floating-point operand, got int64"),

  row("Reshape", [float(2, 3)], { shape: [4] }, "Reshape: [2, 3] has 6 elements, [4] 4"),
  row(
    "Reshape",
    [float(2, 3)],
    { shape: [-2, -3] },
    "Reshape: shape expects integers of at least 0, got [-2, -3]",
  ),
  row(
    "Reshape",
    [float(2, 3)],
    { shape: [4, 1.5] },
    "Reshape: shape expects integers of at least 0, got [4, 1.5]",
  ),
  row("Expand", [float(1)], { shape: [-3] }, "Expand: shape expects integers of at least 0, got [-3]"),
  row(
    "Constant",
    [],
    { tensor: { dtype: "float32", shape: [-1, -1], data: new Float32Array(1) } },
    "Constant: shape expects integers of at least 0, got [-1, -1]",
  ),
  row("Transpose", [float(2, 3)], { perm: [0] }, "Transpose: expects a permutation of 2 axes, got [0]"),
  row("Transpose", [float(2, 3)], { perm: [1, 1] }, "Transpose: expects a permutation of 2 axes, got [1, 1]"),
  row("Expand", [float(2)], { shape: [3] }, "Expand: cannot broadcast [2] with [3] (axis 0: 2 and 3)"),
  row("Expand", [float(2, 3)], { shape: [3] }, "Expand: cannot expand [2, 3] to [3]"),
  row("Concat", [float(2)], { axis: 1 }, "Concat: expects an axis of at least 0 and below 1, got 1"),
  row("Concat", [float(2)], { axis: -1 }, "Concat: expects an axis of at least 0 and below 1, got -1"),
  row(
    "Concat",
    [float(2, 3), float(3, 3)],
    { axis: 1 },
    "Concat: input 1 expects float32[2, 3] but for axis 1, got float32[3, 3]",
  ),
  row(
    "Concat",
    [float(2), int(2)],
    { axis: 0 },
    "Concat: input 1 expects float32[2] but for axis 0, got int64[2]",
  ),
  row(
    "Concat",
    [float(2), float(2, 1)],
    { axis: 0 },
    "Concat: input 1 expects float32[2] but for axis 0, got float32[2, 1]",
  ),
  row(
    "Slice",
    [float(4)],
    { starts: [-1], ends: [2] },
    "Slice: starts expects integers of at least 0, got [-1]",
  ),
  row("Slice", [float(4)], { starts: [3], ends: [2] }, "Slice: axis 0 of [4] has no range 3:2"),
  row("Slice", [float(2, 4)], { starts: [0, 0], ends: [2, 5] }, "Slice: axis 1 of [2, 4] has no range 0:5"),
  row(
    "Slice",
    [float(4)],
    { starts: [0], ends: [1.5] },
    "Slice: ends expects integers of at least 0, got [1.5]",
  ),
  row("Slice", [float(2, 4)], { starts: [0], ends: [2] }, "Slice: expects 2 starts and ends, got 1 and 1"),
  row("Slice", [float(4)], { starts: [0, 0], ends: [2, 1] }, "Slice: expects 1 starts and ends, got 2 and 2"),
  row("Split", [float(4)], { axis: 0, sizes: [1, 2] }, "Split: sizes sum to 3, axis 0 of [4] has 4"),
  row(
    "Split",
    [float(4)],
    { axis: 2, sizes: [4] },
    "Split: expects an axis of at least 0 and below 1, got 2",
  ),
  row(
    "Split",
    [float(4)],
    { axis: -1, sizes: [4] },
    "Split: expects an axis of at least 0 and below 1, got -1",
  ),
  row(
    "Split",
    [float(4)],
    { axis: 0, sizes: [5, -1] },
    "Split: sizes expects integers of at least 0, got [5, -1]",
  ),
  row(
    "Split",
    [float(4)],
    { axis: 0, sizes: [1.5, 2.5] },
    "Split: sizes expects integers of at least 0, got [1.5, 2.5]",
  ),
  row(
    "Pad",
    [float(2, 3)],
    { before: [1], after: [0, 0] },
    "Pad: expects 2 amounts on each side, got 1 and 2",
  ),
  row(
    "Pad",
    [float(3)],
    { before: [-1], after: [0] },
    "Pad: expects integers of at least 0, got [-1] and [0]; crop with Slice",
  ),
  row(
    "Pad",
    [float(3)],
    { before: [0], after: [0.5] },
    "Pad: expects integers of at least 0, got [0] and [0.5]",
  ),
  row("Gather", [float(), int(2)], {}, "Gather: expects at least 1 axes, got []"),
  row("Gather", [float(2), float(2)], {}, "Gather indices: expects int64, got float32"),
  row("Gather", [float(2), int(2, 1)], {}, "Gather indices: expects 1 axes, got [2, 1]"),
  row("ScatterAdd", [int(2), int(2)], { rows: 3 }, "ScatterAdd: expects a floating-point operand, got int64"),
  row("ScatterAdd", [float(), int(2)], { rows: 3 }, "ScatterAdd: expects at least 1 axes, got []"),
  row("ScatterAdd", [float(2), float(2)], { rows: 3 }, "ScatterAdd indices: expects int64, got float32"),
  row("ScatterAdd", [float(2), int(3)], { rows: 3 }, "ScatterAdd: indices expects [2], got [3]"),

  row(
    "ScatterAdd",
    [float(2), int(2)],
    { rows: -1 },
    "ScatterAdd: rows expects integers of at least 0, got [-1]",
  ),
  row(
    "ScatterAdd",
    [float(2), int(2)],
    { rows: 2.5 },
    "ScatterAdd: rows expects integers of at least 0, got [2.5]",
  ),

  ...[
    row(
      "MatMul",
      [float(2, 2), double(2, 2)],
      product(false, false),
      "MatMul second operand: expects float32, got float64",
    ),
    row(
      "MatMul",
      [float(2, 3), float(2, 3)],
      product(false, false),
      "MatMul: [2, 3] does not multiply [2, 3]",
    ),
    row(
      "MatMul",
      [float(2, 3), float(2, 3)],
      product(true, true),
      "MatMul: [2, 3] transposed does not multiply [2, 3] transposed",
    ),
    row("MatMul", [float(3), float(3)], product(false, false), "MatMul: expects at least 2 axes, got [3]"),
    row("MatMul", [float(2, 3), float(3)], product(false, false), "MatMul: expects 2 axes, got [3]"),
    row(
      "MatMul",
      [int(2, 2), int(2, 2)],
      product(false, false),
      "MatMul: expects a floating-point operand, got int64",
    ),
    row(
      "MatMul",
      [float(2, 3, 4), float(3, 4, 5)],
      product(false, false),
      "MatMul: [2, 3, 4] does not multiply [3, 4, 5]",
    ),
  ],
  row(
    "Conv",
    [float(3, 4, 5), float(2, 3, 1, 1)],
    plain,
    "Conv [batch, channels, height, width]: expects 4 axes, got [3, 4, 5]",
  ),
  row("Conv", [image, float(3, 1, 1)], plain, "Conv weight [batch, channels, height, width]: expects 4 axes"),
  row("Conv", [image, float(2, 4, 1, 1)], plain, "Conv: weight expects 4 input channels, got 3 (axis 1)"),
  row(
    "Conv",
    [image, float(2, 3, 5, 5)],
    plain,
    "Conv: kernel [5, 5] with padding [0, 0] does not fit in [2, 3, 4, 5]",
  ),
  row("Conv", [image, double(2, 3, 1, 1)], plain, "Conv weight: expects float32, got float64"),
  row(
    "Conv",
    [image, float(2, 3, 1, 1)],
    { ...plain, strides: [1, 0] },
    "Conv: strides expects integers of at least 1, got [1, 0]",
  ),
  row(
    "Conv",
    [image, float(2, 3, 1, 1)],
    { ...plain, pads: [-1, 0] },
    "Conv: pads expects integers of at least 0, got [-1, 0]",
  ),
  row("Conv", [image, float(2, 3, 0, 1)], plain, "Conv: kernel expects integers of at least 1, got [0, 1]"),
  row(
    "ConvInputGrad",
    [float(2, 3, 4, 5), double(3, 3, 1, 1)],
    { ...plain, size: [4, 5] },
    "ConvInputGrad weight: expects float32, got float64",
  ),
  row(
    "ConvInputGrad",
    [float(2, 3, 4, 5), float(3, 3)],
    { ...plain, size: [4, 5] },
    "ConvInputGrad weight [batch, channels, height, width]: expects 4 axes, got [3, 3]",
  ),
  row(
    "ConvInputGrad",
    [float(2, 3, 4, 5), float(3, 3, 1, 1)],
    { ...plain, size: [4, 0] },
    "ConvInputGrad: size expects integers of at least 1, got [4, 0]",
  ),
  row(
    "ConvInputGrad",
    [float(2, 3, 4, 5), float(3, 3, 1, 1)],
    { ...plain, strides: [0, 0], size: [4, 5] },
    "ConvInputGrad: strides expects integers of at least 1, got [0, 0]",
  ),
  row(
    "ConvWeightGrad",
    [image, double(2, 3, 4, 5)],
    { ...plain, kernel: [1, 1] },
    "ConvWeightGrad dy: expects float32, got float64",
  ),
  row(
    "ConvWeightGrad",
    [image, float(2, 3, 4, 5)],
    { ...plain, kernel: [0, 1] },
    "ConvWeightGrad: kernel expects integers of at least 1, got [0, 1]",
  ),
  row(
    "ConvInputGrad",
    [bool(1, 1, 1, 1), float(1, 1, 1, 1)],
    { ...plain, size: [1, 1] },
    "ConvInputGrad: expects a floating-point operand, got bool",
  ),
  row(
    "ConvInputGrad",
    [float(2, 4, 4, 5), float(3, 3, 1, 1)],
    { ...plain, size: [4, 5] },
    "ConvInputGrad: weight has 3 output channels, dy 4",
  ),
  row(
    "ConvInputGrad",
    [float(2, 3, 4, 5), float(3, 3, 1, 1)],
    { ...plain, size: [4, 6] },
    "ConvInputGrad: expects dy of [4, 6] pixels, got [4, 5]",
  ),
  row(
    "ConvWeightGrad",
    [image, float(3, 3, 4, 5)],
    { ...plain, kernel: [1, 1] },
    "ConvWeightGrad: x has a batch of 2, dy of 3",
  ),
  row(
    "ConvWeightGrad",
    [image, float(2, 3, 4, 5)],
    { ...plain, kernel: [3, 3] },
    "ConvWeightGrad: expects dy of [2, 3] pixels, got [4, 5]",
  ),
  row(
    "ConvWeightGrad",
    [image, float(2, 3)],
    { ...plain, kernel: [1, 1] },
    "ConvWeightGrad [batch, channels, height, width]: expects 4 axes, got [2, 3]",
  ),

  row(
    "BatchNorm",
    [float(3), float(3), float(3)],
    { epsilon: 0 },
    "BatchNorm [batch, channels, height, width]: expects 4 axes, got [3]",
  ),
  row("BatchNorm", [image, float(2), float(3)], { epsilon: 0 }, "BatchNorm: scale expects [3], got [2]"),
  row("BatchNorm", [image, float(3), float(1)], { epsilon: 0 }, "BatchNorm: bias expects [3], got [1]"),
  row(
    "BatchNorm",
    [image, double(3), float(3)],
    { epsilon: 0 },
    "BatchNorm scale: expects float32, got float64",
  ),
  row("BatchNorm", [image, float(3), int(3)], { epsilon: 0 }, "BatchNorm bias: expects float32, got int64"),
  row("ChannelAffine", [image, float(1), float(3)], {}, "ChannelAffine: scale expects [3], got [1]"),
  row("ChannelAffine", [image, float(3), float(3, 1)], {}, "ChannelAffine: bias expects [3], got [3, 1]"),
  row("ChannelAffine", [image, double(3), float(3)], {}, "ChannelAffine scale: expects float32, got float64"),
  row("ChannelAffine", [image, float(3), double(3)], {}, "ChannelAffine bias: expects float32, got float64"),
  row(
    "ChannelAffine",
    [int(1, 1, 1, 1), float(1), float(1)],
    {},
    "ChannelAffine: expects a floating-point operand",
  ),
  ...(["scaleA", "scaleB", "bias"] as const).flatMap((name, i) =>
    [
      [double(3), `ChannelBlend ${name}: expects float32, got float64`] as const,
      [float(4), `ChannelBlend: ${name} expects [3], got [4]`] as const,
    ].map(([unfit, message]) => {
      const [scaleA, scaleB, bias] = [0, 1, 2].map((at) => (at === i ? unfit : float(3)));
      return row("ChannelBlend", [image, scaleA, image, scaleB, bias], {}, message);
    }),
  ),
  row(
    "ChannelBlend",
    [image, float(3), float(3), float(3), float(3)],
    {},
    "ChannelBlend: b expects [2, 3, 4, 5], got [3]",
  ),
  row(
    "ChannelDot",
    [float(3), float(3)],
    {},
    "ChannelDot [batch, channels, height, width]: expects 4 axes, got [3]",
  ),
  row("ChannelDot", [image, float(1, 3, 4, 5)], {}, "ChannelDot: b expects [2, 3, 4, 5], got [1, 3, 4, 5]"),
  row(
    "ConvWeightGrad",
    [image, float(2, 4, 4, 5), float(1, 2, 4, 5), float(1, 4, 4, 5)],
    { ...plain, kernel: [1, 1] },
    "ConvWeightGrad: x expects [1, 3, 4, 5], got [1, 2, 4, 5]",
  ),
  row(
    "ConvWeightGrad",
    [image, float(2, 4, 4, 5), float(1, 3, 4, 5), float(1, 3, 4, 5)],
    { ...plain, kernel: [1, 1] },
    "ConvWeightGrad: dy expects [1, 4, 4, 5], got [1, 3, 4, 5]",
  ),
  row(
    "MaxPool",
    [image],
    { kernel: 5, stride: 1, pad: 0 },
    "kernel [5, 5] with padding [0, 0] does not fit in [2, 3, 4, 5]",
  ),
  row(
    "MaxPool",
    [float(4)],
    { kernel: 1, stride: 1, pad: 0 },
    "MaxPool [batch, channels, height, width]: expects 4 axes, got [4]",
  ),
  row(
    "MaxPool",
    [image],
    { kernel: 2, stride: 1, pad: 2 },
    "MaxPool: pad expects less than the kernel of 2, got 2",
  ),
  row(
    "MaxPool",
    [image],
    { kernel: 2, stride: 0, pad: 0 },
    "MaxPool: strides expects integers of at least 1, got [0, 0]",
  ),
  row(
    "MaxPool",
    [image],
    { kernel: 0, stride: 1, pad: 0 },
    "MaxPool: kernel expects integers of at least 1, got [0, 0]",
  ),
  ...(["UpsampleNearest", "SumPool"] as const).flatMap((op) =>
    [0, -1, 0.5].map((factor) =>
      row(op, [image], { factor }, `${op}: factor expects integers of at least 1, got [${factor}]`),
    ),
  ),
  row(
    "UpsampleNearest",
    [float(4)],
    { factor: 2 },
    "UpsampleNearest [batch, channels, height, width]: expects 4 axes, got [4]",
  ),
  row(
    "SumPool",
    [image],
    { factor: 2 },
    "SumPool: expects height and width in multiples of 2, got [2, 3, 4, 5]",
  ),
  row(
    "SumPool",
    [float(2, 2)],
    { factor: 2 },
    "SumPool [batch, channels, height, width]: expects 4 axes, got [2, 2]",
  ),
];

describe("inference refuses", () => {
  it.each(bad.map((cells) => [cells[3], cells] as const))("%s", (_, [op, operands, attrs, message]) => {
    const graph = new Graph();
    const inputs = operands.map(({ dtype, shape }, i) => graph.input(`x${i}`, dtype, shape));
    const nodes = graph.nodes.length;
    const error = thrown(() => graph.apply(op, inputs, attrs));
    expect(error.code).toBe("shape");
    expect(error.message).toContain(message);
    // A refused application leaves nothing behind.
    expect(graph.nodes.length).toBe(nodes);
  });
});

describe("a graph refuses", () => {
  const graph = new Graph();
  const x = graph.input("x", "float32", [2]);
  graph.output("y", x);
  const other = new Graph().input("x", "float32", [2]);

  it.each([
    ["input x: is declared twice", () => graph.input("x", "float32", [2])],
    ["output y: is declared twice", () => graph.output("y", x)],
    ["output z: is a value of another graph", () => graph.output("z", other)],
    ["Add: expects values of this graph, got one of another graph", () => graph.apply("Add", [x, other], {})],
  ])("%s", (message, act) => {
    const error = thrown(act);
    expect(error.code).toBe("graph");
    expect(error.message).toBe(message);
  });
});

describe("an input's shape", () => {
  it.each([[[2, -1]], [[1.5]], [[Number.NaN]]])("is refused where it is %j", (shape) => {
    const graph = new Graph();
    const error = thrown(() => graph.input("x", "float32", shape));
    expect(error.code).toBe("shape");
    expect(error.message).toBe(`input x: shape expects integers of at least 0, got [${shape.join(", ")}]`);
    expect(graph.nodes).toHaveLength(0);
    expect(graph.inputs.size).toBe(0);
  });

  it("may hold no elements", () => {
    const graph = new Graph();
    const empty = graph.input("x", "float32", [0, 3]);
    expect(reshape(empty, [3, 0]).shape).toEqual([3, 0]);
    expect(split(empty, 1, [3, 0])[1].shape).toEqual([0, 0]);
  });
});

it("counts negative axes from the end where functions build the nodes", () => {
  const x = new Graph().input("x", "float32", [2, 3]);
  expect(reduceSum(x, [-1]).shape).toEqual([2]);
  expect(reduceMean(x, [-2, -1], true).shape).toEqual([1, 1]);
  expect(reduceMax(x, [0, -1]).shape).toEqual([]);
  expect(concat([x, x], -1).shape).toEqual([2, 6]);
  expect(split(x, -1, [1, 2]).map(({ shape }) => shape)).toEqual([
    [2, 1],
    [2, 2],
  ]);
  expect(thrown(() => reduceSum(x, [1, -1])).message).toBe(
    "ReduceSum: axes expects each axis once, got [1, 1]",
  );
});

describe("the gradient through Cast", () => {
  it("is the cotangent in the operand's dtype", () => {
    const x = new Graph().input("x", "float64", [2]);
    const [gradient] = gradientsOf(reduceSum(cast(x, "float32")), [x]);
    expect([gradient.dtype, gradient.shape]).toEqual(["float64", [2]]);
    expect([...interpretValues([gradient], { x: [3, 4] })[0].data]).toEqual([1, 1]);
  });

  it.each(["int64", "bool", "uint8"] as const)("is absent for %s", (dtype) => {
    const graph = new Graph();
    const x = graph.input("x", dtype, [2]);
    const w = graph.input("w", "float32", [2]);
    const nodes = () => graph.nodes.filter(({ op }) => op === "Cast").length;
    const loss = reduceSum(mul(cast(x, "float32"), w));
    const before = nodes();
    const [dx, dw] = gradientsOf(loss, [x, w]);
    // No cotangent is cast back to a type that cannot hold it.
    expect(nodes()).toBe(before);
    const [zero, product] = interpretValues([dx, dw], { x: [1, 0], w: [5, 7] });
    expect([...zero.data]).toEqual([0, 0]);
    expect([...product.data]).toEqual([1, 0]);
  });
});

function product(transA: boolean, transB: boolean): OpAttributes["MatMul"] {
  return { transA, transB };
}

function thrown(act: () => unknown): EchoDuetError {
  try {
    act();
  } catch (error) {
    if (error instanceof EchoDuetError) return error;
    throw error;
  }
  throw new Error("expected an EchoDuetError, nothing was thrown");
}
