import type { Graph, OpAttributes, OpName, Value } from "../../src/graph/index.js";
import {
  type DType,
  fromNumbers,
  type RandomStream,
  randomStream,
  type Shape,
  sizeOf,
} from "../../src/tensor/index.js";

/** Draws the elements of one input; `earlier` holds the elements of the inputs before it. */
type Fill = (stream: RandomStream, size: number, earlier: readonly (readonly number[])[]) => number[];

export interface CaseInput {
  readonly shape: Shape;
  /** `float` is the floating-point dtype that the test runs in. */
  readonly dtype: DType | "float";
  readonly fill: Fill;
}

/** One application of an operator: each floating-point input is differentiable where the operator is. */
export interface OperatorCase<K extends OpName> {
  readonly inputs: readonly CaseInput[];
  readonly attrs: OpAttributes[K];
  /** The outputs that carry a gradient; every floating-point one by default. */
  readonly seeded?: readonly number[];
}

const normal: Fill = (stream, size) => draw(size, () => stream.normal());
const positive: Fill = (stream, size) => draw(size, () => stream.uniform(0.5, 2));
const bits: Fill = (stream, size) => draw(size, () => stream.integer(2));

/** For Abs and Relu, whose derivative jumps at 0. */
const awayFromZero: Fill = (stream, size) =>
  draw(size, () => stream.uniform(0.2, 2) * (stream.integer(2) === 0 ? 1 : -1));

/** For Max, Min, MaxPool and ReduceMax, whose derivative jumps where two elements tie: 0.1 apart at least. */
const distinct =
  (offset = 0): Fill =>
  (stream, size) =>
    stream.shuffled(Array.from({ length: size }, (_, i) => (i - Math.floor(size / 2)) * 0.2 + offset));

const rows =
  (count: number): Fill =>
  (stream, size) =>
    draw(size, () => stream.integer(count));

const float = (shape: Shape, fill: Fill = normal): CaseInput => ({ shape, dtype: "float", fill });
const bool = (shape: Shape): CaseInput => ({ shape, dtype: "bool", fill: bits });
const indices = (length: number, count: number): CaseInput => ({
  shape: [length],
  dtype: "int64",
  fill: rows(count),
});

const anyShapes: readonly Shape[] = [[], [1], [7], [2, 3], [3, 1, 5]];
const broadcasts: readonly (readonly [Shape, Shape])[] = [
  [[], []],
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], [3]],
  [[3], [2, 3]],
  [
    [2, 1, 3],
    [4, 1],
  ],
  [[], [2, 3]],
  [[3, 2], [1]],
  [
    [3, 2, 3, 1],
    [1, 2, 1, 1],
  ],
];

const unary = (fill: Fill = normal) =>
  anyShapes.map((shape) => ({ inputs: [float(shape, fill)], attrs: {} }));
const binary = (left: Fill = normal, right: Fill = left) =>
  broadcasts.map(([a, b]) => ({ inputs: [float(a, left), float(b, right)], attrs: {} }));

const reductions = (fill: Fill = normal) =>
  [
    { shape: [5], axes: [0], keepdims: false },
    { shape: [2, 3], axes: [0, 1], keepdims: false },
    { shape: [2, 3], axes: [1], keepdims: true },
    { shape: [3, 1, 5], axes: [1], keepdims: false },
    { shape: [3, 2, 3, 5], axes: [0, 2, 3], keepdims: false },
    { shape: [3, 2, 3, 5], axes: [2, 3], keepdims: true },
  ].map(({ shape, ...attrs }) => ({ inputs: [float(shape, fill)], attrs }));

interface Convolution {
  readonly x: Shape;
  readonly weight: Shape;
  readonly dy: Shape;
  readonly strides: readonly [number, number];
  readonly pads: readonly [number, number];
}

const convolutions: readonly Convolution[] = [
  { x: [1, 1, 1, 1], weight: [1, 1, 1, 1], dy: [1, 1, 1, 1], strides: [1, 1], pads: [0, 0] },
  { x: [3, 2, 5, 4], weight: [3, 2, 1, 1], dy: [3, 3, 5, 4], strides: [1, 1], pads: [0, 0] },
  { x: [3, 2, 5, 7], weight: [4, 2, 3, 3], dy: [3, 4, 5, 7], strides: [1, 1], pads: [1, 1] },
  { x: [1, 2, 5, 4], weight: [1, 2, 3, 3], dy: [1, 1, 3, 2], strides: [1, 1], pads: [0, 0] },
  { x: [2, 2, 8, 6], weight: [3, 2, 3, 3], dy: [2, 3, 4, 3], strides: [2, 2], pads: [1, 1] },
  { x: [3, 1, 7, 5], weight: [2, 1, 3, 3], dy: [3, 2, 4, 3], strides: [2, 2], pads: [1, 1] },
  // The last row and column are read by no tap.
  { x: [1, 2, 6, 6], weight: [2, 2, 3, 3], dy: [1, 2, 2, 2], strides: [2, 2], pads: [0, 0] },
  { x: [2, 3, 5, 6], weight: [2, 3, 1, 1], dy: [2, 2, 3, 3], strides: [2, 2], pads: [0, 0] },
  { x: [1, 3, 12, 10], weight: [2, 3, 6, 6], dy: [1, 2, 6, 5], strides: [2, 2], pads: [2, 2] },
  { x: [2, 2, 8, 12], weight: [2, 2, 7, 7], dy: [2, 2, 4, 6], strides: [2, 2], pads: [3, 3] },
  { x: [3, 2, 6, 7], weight: [2, 2, 3, 5], dy: [3, 2, 6, 7], strides: [1, 1], pads: [1, 2] },
  { x: [1, 2, 7, 6], weight: [3, 2, 5, 3], dy: [1, 3, 4, 6], strides: [2, 1], pads: [2, 1] },
];

const images: readonly Shape[] = [
  [1, 1, 2, 3],
  [3, 2, 4, 4],
  [2, 5, 3, 1],
];
const matrices = [
  { a: [2, 3], b: [3, 4], transA: false, transB: false },
  { a: [3, 2], b: [3, 4], transA: true, transB: false },
  { a: [2, 3], b: [4, 3], transA: false, transB: true },
  { a: [3, 2], b: [4, 3], transA: true, transB: true },
  { a: [1, 5], b: [5, 1], transA: false, transB: false },
  { a: [3, 2, 5], b: [3, 5, 2], transA: false, transB: false },
  { a: [1, 2, 5, 3], b: [1, 2, 4, 5], transA: true, transB: true },
];

/** At least one application of every operator: TypeScript rejects an operator that has none. */
export const operatorCases: { readonly [K in OpName]: readonly OperatorCase<K>[] } = {
  Input: anyShapes.map((shape) => ({ inputs: [float(shape)], attrs: { name: "input0" } })),
  Constant: [
    { inputs: [], attrs: { tensor: fromNumbers("float32", [2, 3], [0, -1, 0.5, 3, 1e-3, 100]) } },
    { inputs: [], attrs: { tensor: fromNumbers("float32", [], [0.25]) } },
    { inputs: [], attrs: { tensor: fromNumbers("int64", [3], [-1, 0, 2 ** 40]) } },
    { inputs: [], attrs: { tensor: fromNumbers("bool", [2, 1], [1, 0]) } },
  ],

  Neg: unary(),
  Exp: unary(),
  // Positive, where Log and Sqrt are defined and smooth.
  Log: unary(positive),
  Sqrt: unary(positive),
  Abs: unary(awayFromZero),
  Atan: unary(),
  Relu: unary(awayFromZero),
  Sigmoid: unary(),
  Silu: unary(),
  SiluGrad: anyShapes.map((shape) => ({
    inputs: [
      float(shape),
      float(shape, (_, __, [x]) => x.map((value) => value / (1 + Math.exp(-value)))),
      float(shape),
    ],
    attrs: {},
  })),
  Softplus: unary(),
  Not: anyShapes.map((shape) => ({ inputs: [bool(shape)], attrs: {} })),
  Cast: [
    ...anyShapes.map((shape) => ({ inputs: [float(shape)], attrs: { to: "float32" as const } })),
    { inputs: [bool([2, 3])], attrs: { to: "float32" } },
    { inputs: [indices(5, 9)], attrs: { to: "float32" } },
    { inputs: [indices(5, 2)], attrs: { to: "bool" } },
    { inputs: [bool([3])], attrs: { to: "int64" } },
  ],
  StopGradient: unary(),

  Add: binary(),
  Sub: binary(),
  Mul: binary(),
  Div: binary(normal, awayFromZero),
  Min: binary(distinct(), distinct(0.1)),
  Max: binary(distinct(), distinct(0.1)),
  Greater: binary(distinct(), distinct(0.1)),
  And: broadcasts.map(([a, b]) => ({ inputs: [bool(a), bool(b)], attrs: {} })),
  Where: [
    { inputs: [bool([2, 3]), float([2, 3]), float([2, 3])], attrs: {} },
    { inputs: [bool([3]), float([2, 3]), float([])], attrs: {} },
    { inputs: [bool([2, 1]), float([1, 3]), float([3])], attrs: {} },
    { inputs: [bool([2, 3, 4]), float([]), float([4])], attrs: {} },
    { inputs: [bool([]), float([2]), float([3, 1])], attrs: {} },
  ],

  ReduceSum: reductions(),
  ReduceMean: reductions(),
  ReduceMax: reductions(distinct()),
  LogSoftmax: [[1], [3], [6, 3], [2, 3, 5]].map((shape) => ({ inputs: [float(shape)], attrs: {} })),

  Reshape: [
    { inputs: [float([2, 3])], attrs: { shape: [3, 2] } },
    { inputs: [float([2, 3, 5])], attrs: { shape: [30] } },
    { inputs: [float([1, 1])], attrs: { shape: [] } },
    { inputs: [float([])], attrs: { shape: [1, 1] } },
  ],
  Transpose: [
    { inputs: [float([2, 3])], attrs: { perm: [1, 0] } },
    { inputs: [float([2, 3, 4, 5])], attrs: { perm: [0, 1, 2, 3] } },
    { inputs: [float([2, 3, 4, 5])], attrs: { perm: [0, 3, 1, 2] } },
    { inputs: [float([1, 3, 5])], attrs: { perm: [2, 0, 1] } },
  ],
  Expand: [
    { inputs: [float([])], attrs: { shape: [2, 3] } },
    { inputs: [float([3, 1])], attrs: { shape: [3, 5] } },
    { inputs: [float([3])], attrs: { shape: [2, 1, 3] } },
    { inputs: [float([1, 3, 1, 1])], attrs: { shape: [2, 3, 1, 5] } },
    { inputs: [float([2])], attrs: { shape: [2] } },
  ],
  Concat: [
    { inputs: [float([2, 3])], attrs: { axis: 0 } },
    { inputs: [float([2, 3]), float([1, 3])], attrs: { axis: 0 } },
    { inputs: [float([3, 2, 5, 1]), float([3, 1, 5, 1]), float([3, 4, 5, 1])], attrs: { axis: 1 } },
    { inputs: [float([2, 1]), float([2, 3])], attrs: { axis: 1 } },
  ],
  Slice: [
    { inputs: [float([7])], attrs: { starts: [2], ends: [5] } },
    { inputs: [float([3, 5])], attrs: { starts: [0, 0], ends: [3, 5] } },
    { inputs: [float([3, 5, 2])], attrs: { starts: [1, 4, 0], ends: [3, 5, 1] } },
  ],
  Split: [
    { inputs: [float([5])], attrs: { axis: 0, sizes: [2, 3] } },
    { inputs: [float([3, 7, 2])], attrs: { axis: 1, sizes: [1, 4, 2] } },
    { inputs: [float([3, 7, 2])], attrs: { axis: 1, sizes: [1, 4, 2] }, seeded: [1] },
    { inputs: [float([2, 2])], attrs: { axis: 1, sizes: [2] } },
  ],
  Pad: [
    { inputs: [float([3])], attrs: { before: [2], after: [1] } },
    { inputs: [float([2, 3])], attrs: { before: [0, 0], after: [0, 2] } },
    { inputs: [float([1, 2, 3, 5])], attrs: { before: [0, 0, 1, 2], after: [0, 1, 1, 0] } },
  ],
  // More indices than rows, so that some row is read or written twice.
  Gather: [
    { inputs: [float([3]), indices(5, 3)], attrs: {} },
    { inputs: [float([4, 3]), indices(6, 4)], attrs: {} },
    { inputs: [float([5, 2, 3]), indices(1, 5)], attrs: {} },
  ],
  ScatterAdd: [
    { inputs: [float([5]), indices(5, 3)], attrs: { rows: 3 } },
    { inputs: [float([6, 3]), indices(6, 4)], attrs: { rows: 4 } },
    { inputs: [float([1, 2, 3]), indices(1, 5)], attrs: { rows: 5 } },
  ],

  MatMul: matrices.map(({ a, b, ...attrs }) => ({ inputs: [float(a), float(b)], attrs })),
  Conv: convolutions.map(({ x, weight, strides, pads }) => ({
    inputs: [float(x), float(weight)],
    attrs: { strides, pads },
  })),
  ConvInputGrad: convolutions.map(({ x, weight, dy, strides, pads }) => ({
    inputs: [float(dy), float(weight)],
    attrs: { strides, pads, size: [x[2], x[3]] },
  })),
  ConvWeightGrad: convolutions.flatMap(({ x, weight, dy, strides, pads }) => {
    const attrs = { strides, pads, kernel: [weight[2], weight[3]] as const };
    const twoImages = [x, dy].map(([, ...image]) => float([2, ...image]));
    return [
      { inputs: [float(x), float(dy)], attrs },
      { inputs: [float(x), float(dy), ...twoImages], attrs },
    ];
  }),
  // The batch's mean and variance only serve the running averages: they carry no gradient.
  BatchNorm: images.map((shape) => ({
    inputs: [float(shape), float([shape[1]], positive), float([shape[1]])],
    attrs: { epsilon: 1e-3 },
    seeded: [0],
  })),
  Normalise: images.map((shape) => ({
    inputs: [
      float(shape),
      float([shape[1]], positive),
      float([shape[1]]),
      float([shape[1]]),
      float([shape[1]], positive),
    ],
    attrs: { epsilon: 1e-3 },
  })),
  ChannelAffine: images.map((shape) => ({
    inputs: [float(shape), float([shape[1]]), float([shape[1]])],
    attrs: {},
  })),
  ChannelBlend: images.map((shape) => ({
    inputs: [float(shape), float([shape[1]]), float(shape), float([shape[1]]), float([shape[1]])],
    attrs: {},
  })),
  // A plane of 400 pixels is summed in another form than a small one.
  ChannelDot: [...images, [2, 3, 20, 21]].map((shape) => ({
    inputs: [float(shape), float(shape)],
    attrs: {},
  })),
  MaxPool: [
    { inputs: [float([1, 1, 4, 4], distinct())], attrs: { kernel: 2, stride: 2, pad: 0 } },
    { inputs: [float([3, 2, 5, 7], distinct())], attrs: { kernel: 5, stride: 1, pad: 2 } },
    { inputs: [float([2, 1, 7, 6], distinct())], attrs: { kernel: 3, stride: 2, pad: 1 } },
    { inputs: [float([1, 2, 8, 4], distinct())], attrs: { kernel: 3, stride: 2, pad: 1 } },
    { inputs: [float([1, 2, 3, 2], distinct())], attrs: { kernel: 1, stride: 1, pad: 0 } },
  ],
  UpsampleNearest: images.flatMap((shape) => [
    { inputs: [float(shape)], attrs: { factor: 1 } },
    { inputs: [float(shape)], attrs: { factor: 2 } },
    { inputs: [float(shape)], attrs: { factor: 3 } },
  ]),
  SumPool: [
    { inputs: [float([1, 1, 2, 2])], attrs: { factor: 2 } },
    { inputs: [float([3, 2, 4, 6])], attrs: { factor: 2 } },
    { inputs: [float([2, 3, 3, 6])], attrs: { factor: 3 } },
    { inputs: [float([1, 2, 3, 5])], attrs: { factor: 1 } },
  ],
};

/** Every operator's name. */
export const operatorNames = Object.keys(operatorCases) as OpName[];

/** An operator applied in a graph, and what to feed it: float32 numbers, so that every runtime sees the same. */
export interface BuiltCase {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly feeds: Record<string, number[]>;
  readonly seeded?: readonly number[];
}

/** Adds case `number` of an operator to a graph, its inputs named `${prefix}0`, `${prefix}1`, ... */
export function buildCase(
  graph: Graph,
  op: OpName,
  number: number,
  options: { dtype: "float32" | "float64"; prefix?: string },
): BuiltCase {
  const { inputs: specs, attrs, seeded } = operatorCases[op][number];
  const stream = randomStream(20240, op, number);
  const drawn: number[][] = [];
  const feeds: Record<string, number[]> = {};
  const inputs = specs.map(({ shape, dtype, fill }, i) => {
    const name = `${options.prefix ?? "input"}${i}`;
    drawn.push(fill(stream, sizeOf(shape), drawn).map(Math.fround));
    feeds[name] = drawn[i];
    return graph.input(name, dtype === "float" ? options.dtype : dtype, shape);
  });
  return { inputs, outputs: op === "Input" ? inputs : graph.apply(op, inputs, attrs), feeds, seeded };
}

function draw(size: number, next: () => number): number[] {
  return Array.from({ length: size }, next);
}
