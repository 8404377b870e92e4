import type { OpName } from "../graph/index.js";
import { lowerConv, lowerConvInputGrad, lowerConvWeightGrad } from "./conv-lowering.js";
import type { Emitter } from "./emitter.js";
import type { Lowering, LoweringContext } from "./lowering.js";
import { elementTypes } from "./proto.js";

const microsoft = { domain: "com.microsoft" };

/** An operator that is ONNX's own of the same name, without attributes. */
function same<K extends OpName>(opType: string): Lowering<K> {
  return ({ emitter, names }) => [emitter.emit(opType, names)];
}

function reduction<K extends "ReduceSum" | "ReduceMean" | "ReduceMax">(opType: K): Lowering<K> {
  return ({ emitter, names, attrs }) => [
    emitter.emit(opType, [names[0], emitter.integers(attrs.axes)], {
      attributes: { keepdims: attrs.keepdims ? 1 : 0 },
    }),
  ];
}

/** The ONNX form of every operator. Shapes that ONNX Runtime has no fast form for are rewritten here. */
export const loweringTable: { readonly [K in OpName]: Lowering<K> } = {
  Input: ({ attrs }) => [attrs.name],
  Constant: ({ emitter, attrs }) => [emitter.tensor(attrs.tensor)],

  Neg: same("Neg"),
  Exp: same("Exp"),
  Log: same("Log"),
  Sqrt: same("Sqrt"),
  Abs: same("Abs"),
  Atan: same("Atan"),
  Relu: same("Relu"),
  Sigmoid: same("Sigmoid"),
  // One pass over memory in place of two.
  Silu: ({ emitter, names }) => [
    emitter.emit("QuickGelu", names, { ...microsoft, attributes: { alpha: { float: 1 } } }),
  ],
  // silu'(x) = s + y · (1 - s) with s = sigmoid(x), y = x · s.
  SiluGrad: ({ emitter, names: [x, y, dy] }) => {
    const s = emitter.emit("Sigmoid", [x]);
    const slope = emitter.emit("Add", [emitter.emit("Sub", [y, emitter.emit("Mul", [y, s])]), s]);
    return [emitter.emit("Mul", [slope, dy])];
  },
  Softplus: same("Softplus"),
  Not: same("Not"),
  Cast: ({ emitter, names, attrs }) => [
    emitter.emit("Cast", names, { attributes: { to: elementTypes[attrs.to] } }),
  ],
  StopGradient: ({ names }) => names,

  Add: same("Add"),
  Sub: same("Sub"),
  Mul: same("Mul"),
  Div: same("Div"),
  Min: same("Min"),
  Max: same("Max"),
  Greater: same("Greater"),
  And: same("And"),
  Where: same("Where"),

  ReduceSum: reduction("ReduceSum"),
  ReduceMean: reduction("ReduceMean"),
  ReduceMax: reduction("ReduceMax"),
  LogSoftmax: ({ emitter, names }) => [emitter.emit("LogSoftmax", names, { attributes: { axis: -1 } })],

  // A first axis that stays is written 0, "as in the input", so that it may be dynamic in an exported model.
  Reshape: ({ emitter, names, inputs: [x], attrs: { shape } }) => [
    emitter.reshape(names[0], shape.length > 0 && x.shape[0] === shape[0] ? [0, ...shape.slice(1)] : shape),
  ],
  Transpose: ({ emitter, names, attrs }) => [
    emitter.emit("Transpose", names, { attributes: { perm: attrs.perm } }),
  ],
  Expand: ({ emitter, names, attrs }) => [emitter.emit("Expand", [names[0], emitter.integers(attrs.shape)])],
  Concat: ({ emitter, names, attrs }) => [
    emitter.emit("Concat", names, { attributes: { axis: attrs.axis } }),
  ],
  // Only the axes that are cut are named, so that the others may be dynamic.
  Slice: ({ emitter, names, inputs: [x], attrs: { starts, ends } }) => {
    const cut = [...x.shape.keys()].filter((axis) => starts[axis] > 0 || ends[axis] < x.shape[axis]);
    if (cut.length === 0) return names;
    const pick = (values: readonly number[]) => emitter.integers(cut.map((axis) => values[axis]));
    return [emitter.emit("Slice", [names[0], pick(starts), pick(ends), emitter.integers(cut)])];
  },
  Split: ({ emitter, names, attrs: { axis, sizes } }) =>
    emitter.emitAll("Split", [names[0], emitter.integers(sizes)], {
      attributes: { axis },
      outputs: sizes.length,
    }),
  Pad: ({ emitter, names, attrs: { before, after } }) => [
    emitter.emit("Pad", [names[0], emitter.integers([...before, ...after])]),
  ],
  Gather: same("Gather"),
  // ScatterElements adds in the order of its updates, so equal rows always sum alike.
  ScatterAdd: ({ emitter, names: [updates, indices], inputs: [value], outputs: [out] }) => {
    const zeros = emitter.emit("ConstantOfShape", [emitter.integers(out.shape)]);
    const rank = value.shape.length;
    const column =
      rank === 1 ? indices : emitter.reshape(indices, [value.shape[0], ...Array(rank - 1).fill(1)]);
    const places = rank === 1 ? indices : emitter.emit("Expand", [column, emitter.integers(value.shape)]);
    return [
      emitter.emit("ScatterElements", [zeros, places, updates], {
        attributes: { axis: 0, reduction: "add" },
      }),
    ];
  },

  MatMul: ({ emitter, names, attrs: { transA, transB } }) => [
    transA || transB
      ? emitter.emit("FusedMatMul", names, {
          ...microsoft,
          attributes: { transA: transA ? 1 : 0, transB: transB ? 1 : 0 },
        })
      : emitter.emit("MatMul", names),
  ],
  Conv: lowerConv,
  ConvInputGrad: lowerConvInputGrad,
  ConvWeightGrad: lowerConvWeightGrad,
  // With momentum 0 the "running" outputs are the batch's own mean and biased variance.
  BatchNorm: ({ emitter, names: [x, scale, bias], attrs }) => {
    // ONNX Runtime writes its results over these two: they must be tensors of this node alone, equal to no others, which
    // ONNX Runtime would merge, and none that outlives the run, or a NaN of one run would stay in all later ones. What
    // they hold does not matter.
    const before = [scale, bias].map((name) =>
      emitter.emit("Mul", [name, emitter.float(emitter.nodes.length)]),
    );
    return emitter.emitAll("BatchNormalization", [x, scale, bias, ...before], {
      attributes: { epsilon: { float: attrs.epsilon }, momentum: { float: 0 }, training_mode: 1 },
      outputs: 3,
    });
  },
  Normalise: ({ emitter, names, attrs }) => [
    emitter.emit("BatchNormalization", names, { attributes: { epsilon: { float: attrs.epsilon } } }),
  ],
  ChannelAffine: ({ emitter, names: [x, scale, bias], inputs: [value] }) => [
    channelAffine(emitter, { x, scale, bias, channels: value.shape[1] }),
  ],
  ChannelBlend: ({ emitter, names: [a, scaleA, b, scaleB, bias], inputs: [value] }) => {
    const channels = value.shape[1];
    const addend = channelAffine(emitter, { x: a, scale: scaleA, bias, channels });
    return [channelAffine(emitter, { x: b, scale: scaleB, channels, addend })];
  },
  ChannelDot: lowerChannelDot,
  MaxPool: lowerMaxPool,
  UpsampleNearest: ({ emitter, names, attrs: { factor } }) => [
    emitter.emit("Resize", [names[0], "", scales(emitter, factor)], {
      attributes: { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
    }),
  ],
  SumPool: ({ emitter, names, attrs: { factor } }) => {
    const attributes = { kernel_shape: [factor, factor], strides: [factor, factor] };
    return [
      emitter.emit("Mul", [
        emitter.emit("AveragePool", names, { attributes }),
        emitter.float(factor * factor),
      ]),
    ];
  },
};

function scales(emitter: Emitter, factor: number): string {
  return emitter.tensor({ dtype: "float32", shape: [4], data: Float32Array.of(1, 1, factor, factor) });
}

/**
 * Where the places of the maxima are read, the maximum of each row's window and then that of the rows: ONNX Runtime's
 * form with places compares one element after another, and these are 2k comparisons in place of k². The first of equal
 * maxima in the order of rows is the one that a square window finds.
 */
function lowerMaxPool({
  emitter,
  names,
  outputs,
  attrs: { kernel, stride, pad },
  isRead,
}: LoweringContext<"MaxPool">): readonly string[] {
  if (!isRead(outputs[1])) {
    const attributes = {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    };
    return [emitter.emit("MaxPool", names, { attributes }), ""];
  }
  const [across, acrossAt] = emitter.emitAll("MaxPool", names, {
    attributes: { kernel_shape: [1, kernel], strides: [1, stride], pads: [0, pad, 0, pad] },
    outputs: 2,
  });
  const [y, downAt] = emitter.emitAll("MaxPool", [across], {
    attributes: { kernel_shape: [kernel, 1], strides: [stride, 1], pads: [pad, 0, pad, 0] },
    outputs: 2,
  });
  return [y, emitter.emit("Gather", [emitter.reshape(acrossAt, [-1]), downAt])];
}

interface Affine {
  readonly x: string;
  readonly scale: string;
  readonly channels: number;
  readonly bias?: string;
  /** A tensor of x's shape that is added in the same pass. */
  readonly addend?: string;
}

/** x · scale + bias (+ addend) for each channel as a depthwise 1x1 convolution: one pass over memory. */
function channelAffine(emitter: Emitter, { x, scale, bias, channels, addend }: Affine): string {
  const weight = emitter.reshape(scale, [channels, 1, 1, 1]);
  const attributes = { group: channels, kernel_shape: [1, 1] };
  return addend === undefined
    ? emitter.emit("Conv", [x, weight, ...(bias ? [bias] : [])], { attributes })
    : emitter.emit("FusedConv", [x, weight, bias ?? "", addend], { ...microsoft, attributes });
}

/** Pixels of a plane from which a dot product for each plane is faster than a product of all elements and its sum. */
const dotPixels = 400;

/** The sum of a · b for each channel. */
function lowerChannelDot({
  emitter,
  names: [a, b],
  inputs: [{ shape }],
}: LoweringContext<"ChannelDot">): readonly string[] {
  const [batch, channels, height, width] = shape;
  const sum = (name: string, axes: readonly number[]) =>
    emitter.emit("ReduceSum", [name, emitter.integers(axes)], { attributes: { keepdims: 0 } });
  if (height * width < dotPixels) return [sum(emitter.emit("Mul", [a, b]), [0, 2, 3])];
  const [left, right] = [a, b].map((name) => emitter.reshape(name, [batch * channels, 1, height * width]));
  const planes = emitter.emit("FusedMatMul", [left, right], { ...microsoft, attributes: { transB: 1 } });
  return [sum(emitter.reshape(planes, [batch, channels]), [0])];
}
