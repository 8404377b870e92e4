import type { DType, HostTensor } from "../tensor/index.js";

/** No attributes. */
export type None = Record<never, never>;

export interface Axes {
  /** Axes to reduce, counted from the front. */
  readonly axes: readonly number[];
  /** Whether reduced axes stay as length 1. */
  readonly keepdims: boolean;
}

/** Geometry of a two-dimensional convolution: [vertical, horizontal] each, zero padding alike on both sides. */
export interface ConvGeometry {
  readonly strides: readonly [number, number];
  readonly pads: readonly [number, number];
}

/**
 * Every operator of the graph and its attributes. Names and meanings are ONNX's where ONNX has the
 * operator. Images are [batch, channels, height, width]; convolution weights [out, in, height, width].
 *
 * Each table over these names (shape inference, vjp, interpreter, lowering) is total: TypeScript
 * rejects an operator without a row.
 */
export interface OpAttributes {
  /** A value fed at each run. */
  Input: { readonly name: string };
  /** A value known when the graph is built. */
  Constant: { readonly tensor: HostTensor };

  // Elementwise, one operand.
  Neg: None;
  Exp: None;
  Log: None;
  Sqrt: None;
  Abs: None;
  Atan: None;
  Relu: None;
  Sigmoid: None;
  /** x · sigmoid(x). */
  Silu: None;
  /** (x, y = silu(x), dy) to dy · silu'(x). */
  SiluGrad: None;
  /** log(1 + exp(x)), stable for large |x|. */
  Softplus: None;
  Not: None;
  Cast: { readonly to: DType };
  /** The value itself; its gradient is zero. */
  StopGradient: None;

  // Elementwise, broadcasting.
  Add: None;
  Sub: None;
  Mul: None;
  Div: None;
  Min: None;
  Max: None;
  Greater: None;
  And: None;
  /** (condition, a, b): a where the condition holds, else b. */
  Where: None;

  // Reductions.
  ReduceSum: Axes;
  ReduceMean: Axes;
  ReduceMax: Axes;
  /** Over the last axis. */
  LogSoftmax: None;

  // Shape and place.
  Reshape: { readonly shape: readonly number[] };
  Transpose: { readonly perm: readonly number[] };
  Expand: { readonly shape: readonly number[] };
  Concat: { readonly axis: number };
  /** x[starts[0]:ends[0], starts[1]:ends[1], ...], every axis given. */
  Slice: { readonly starts: readonly number[]; readonly ends: readonly number[] };
  /** Consecutive pieces of the given lengths. */
  Split: { readonly axis: number; readonly sizes: readonly number[] };
  /** Zeros before and after each axis. */
  Pad: { readonly before: readonly number[]; readonly after: readonly number[] };
  /** (x [n, ...], indices int64 [m]) to x[indices] [m, ...]. */
  Gather: None;
  /** (updates [m, ...], indices int64 [m]) to [rows, ...]: the sum of the updates of each row. */
  ScatterAdd: { readonly rows: number };

  // Linear algebra and networks.
  /** a · b over the last two axes, either one transposed first; leading axes must be equal. */
  MatMul: { readonly transA: boolean; readonly transB: boolean };
  /** (x [b, i, h, w], weight [o, i, kh, kw]) to [b, o, h', w'], no bias. */
  Conv: ConvGeometry;
  /** (dy, weight) to the gradient of x, whose height and width are given. */
  ConvInputGrad: ConvGeometry & { readonly size: readonly [number, number] };
  /** (x, dy, ...) to the gradient of the weight, whose kernel is given: of all pairs together, each a part of the batch. */
  ConvWeightGrad: ConvGeometry & { readonly kernel: readonly [number, number] };
  /** (x, scale [c], bias [c]) to y, the batch's mean [c] and its biased variance [c]. */
  BatchNorm: { readonly epsilon: number };
  /** (x, scale, bias, mean, variance) to BatchNorm's y with these statistics given. */
  Normalise: { readonly epsilon: number };
  /** (x, scale [c], bias [c]) to x · scale + bias for each channel. */
  ChannelAffine: None;
  /** (a, scaleA [c], b, scaleB [c], bias [c]) to a · scaleA + b · scaleB + bias for each channel. */
  ChannelBlend: None;
  /** (a, b) to the sum of a · b over images and pixels, [c]. */
  ChannelDot: None;
  /** y and the flat int64 index of each maximum within x; a square kernel, padding of minus infinity. */
  MaxPool: { readonly kernel: number; readonly stride: number; readonly pad: number };
  /** Each pixel repeated factor x factor times. */
  UpsampleNearest: { readonly factor: number };
  /** The sum of each factor x factor block: the adjoint of UpsampleNearest. */
  SumPool: { readonly factor: number };
}

export type OpName = keyof OpAttributes;
