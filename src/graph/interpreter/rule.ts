import { type HostTensor, type Shape, sizeOf, stridesOf } from "../../tensor/index.js";
import type { ValueType } from "../value-type.js";
import type { OpAttributes, OpName } from "../ops.js";

/** A value as the interpreter holds it: float64 whatever its dtype in the graph, booleans as 0 and 1. */
export type Float64Tensor = HostTensor<"float64">;

/** Computes one operator's outputs, whose types are known from inference, from its inputs. */
export type InterpreterRule<K extends OpName> = (
  inputs: readonly Float64Tensor[],
  attrs: OpAttributes[K],
  outputs: readonly ValueType[],
) => Float64Tensor[];

/** A tensor of `shape` over `data`. */
export function tensor64(shape: Shape, data: Float64Array): Float64Tensor {
  return { dtype: "float64", shape, data };
}

/** Zeros of `shape`. */
export function zeros64(shape: Shape): Float64Tensor {
  return tensor64(shape, new Float64Array(sizeOf(shape)));
}

/**
 * The offset Σ index[a] · strides[a] of each element of `shape`, in row-major order: where the element of a
 * broadcast, permuted or sliced tensor lies in the tensor that it is a view of.
 */
export function offsetsOf(shape: Shape, strides: readonly number[], start = 0): Int32Array {
  const offsets = new Int32Array(sizeOf(shape));
  const index = new Array<number>(shape.length).fill(0);
  let offset = start;
  for (let i = 0; i < offsets.length; i++) {
    offsets[i] = offset;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      offset += strides[axis];
      if (++index[axis] < shape[axis]) break;
      offset -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return offsets;
}

/** Row-major strides of `from` seen as `to`: 0 along the axes that broadcasting repeats. */
export function broadcastStrides(from: Shape, to: Shape): number[] {
  const own = stridesOf(from);
  const missing = to.length - from.length;
  return to.map((_, axis) => (axis < missing || from[axis - missing] === 1 ? 0 : own[axis - missing]));
}
