import { EchoDuetError } from "../../errors.js";
import { normaliseAxis, type Shape, showShape, sizeOf, stridesOf } from "../../tensor/index.js";
import {
  broadcastStrides,
  type Float64Tensor,
  type InterpreterRule,
  offsetsOf,
  tensor64,
  zeros64,
} from "./rule.js";

type ShapeName =
  | "Reshape"
  | "Transpose"
  | "Expand"
  | "Concat"
  | "Slice"
  | "Split"
  | "Pad"
  | "Gather"
  | "ScatterAdd";

/** Operators that move elements and compute nothing, but for ScatterAdd's sums. */
export const shapeRules: { [K in ShapeName]: InterpreterRule<K> } = {
  Reshape: ([x], { shape }) => [tensor64(shape, x.data)],
  Transpose: ([x], { perm }, [{ shape }]) => {
    const own = stridesOf(x.shape);
    return [
      view(
        x,
        shape,
        perm.map((axis) => own[axis]),
      ),
    ];
  },
  Expand: ([x], { shape }) => [view(x, shape, broadcastStrides(x.shape, shape))],
  Concat: (inputs, { axis }, [{ shape }]) => {
    const out = zeros64(shape);
    const strides = stridesOf(shape);
    const at = normaliseAxis("Concat", axis, shape.length);
    let start = 0;
    for (const input of inputs) {
      const offsets = offsetsOf(input.shape, strides, start * strides[at]);
      for (let i = 0; i < offsets.length; i++) out.data[offsets[i]] = input.data[i];
      start += input.shape[at];
    }
    return [out];
  },
  Slice: ([x], { starts }, [{ shape }]) => [view(x, shape, stridesOf(x.shape), offsetAt(x.shape, starts))],
  Split: ([x], { axis, sizes }, outputs) => {
    const strides = stridesOf(x.shape);
    const at = normaliseAxis("Split", axis, x.shape.length);
    let start = 0;
    return sizes.map((size, piece) => {
      const out = view(x, outputs[piece].shape, strides, start * strides[at]);
      start += size;
      return out;
    });
  },
  Pad: ([x], { before, after }, [{ shape }]) => {
    if ([...before, ...after].some((amount) => amount < 0)) {
      throw new EchoDuetError(
        "graph",
        `Pad: expects amounts of at least 0, got ${showShape(before)} and ${showShape(after)}; crop with Slice`,
      );
    }
    const out = zeros64(shape);
    const offsets = offsetsOf(x.shape, stridesOf(shape), offsetAt(shape, before));
    for (let i = 0; i < offsets.length; i++) out.data[offsets[i]] = x.data[i];
    return [out];
  },
  Gather: ([x, indices], _, [{ shape }]) => {
    const row = sizeOf(x.shape.slice(1));
    const out = zeros64(shape);
    indices.data.forEach((index, i) => {
      requireRow("Gather", index, x.shape[0]);
      out.data.set(x.data.subarray(index * row, (index + 1) * row), i * row);
    });
    return [out];
  },
  ScatterAdd: ([updates, indices], { rows }, [{ shape }]) => {
    const row = sizeOf(shape.slice(1));
    const out = zeros64(shape);
    indices.data.forEach((index, i) => {
      requireRow("ScatterAdd", index, rows);
      for (let j = 0; j < row; j++) out.data[index * row + j] += updates.data[i * row + j];
    });
    return [out];
  },
};

/** The elements of x at row-major positions of `shape` under `strides`, copied. */
function view(x: Float64Tensor, shape: Shape, strides: readonly number[], start = 0): Float64Tensor {
  const offsets = offsetsOf(shape, strides, start);
  const out = zeros64(shape);
  for (let i = 0; i < offsets.length; i++) out.data[i] = x.data[offsets[i]];
  return out;
}

function offsetAt(shape: Shape, index: readonly number[]): number {
  return stridesOf(shape).reduce((offset, stride, axis) => offset + stride * index[axis], 0);
}

function requireRow(op: string, index: number, rows: number): void {
  if (!Number.isInteger(index) || index < 0 || index >= rows) {
    throw new EchoDuetError("graph", `${op}: expects indices in 0..${rows - 1}, got ${index}`);
  }
}
