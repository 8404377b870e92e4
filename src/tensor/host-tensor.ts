import { shapeError } from "../errors.js";
import { allocate, type DType, type HostArray, type TypedArrays } from "./dtype.js";
import { type Shape, showShape, sizeOf } from "./shape.js";

/** A dense row-major array in host memory. */
export interface HostTensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: Shape;
  readonly data: TypedArrays[D];
}

/**
 * A host tensor over `data`, which is not copied.
 * @throws EchoDuetError `shape` where the number of elements does not fit the shape.
 */
export function hostTensor<D extends DType>(dtype: D, shape: Shape, data: TypedArrays[D]): HostTensor<D> {
  if (data.length !== sizeOf(shape)) {
    shapeError(
      `host tensor: shape ${showShape(shape)} expects ${sizeOf(shape)} elements, got ${data.length}`,
    );
  }
  return { dtype, shape, data };
}

/** A zero-filled host tensor. */
export function zeros<D extends DType>(dtype: D, shape: Shape): HostTensor<D> {
  return { dtype, shape, data: allocate(dtype, sizeOf(shape)) };
}

/** A host tensor of `dtype` from plain numbers, rounded to the dtype as JavaScript's typed arrays do. */
export function fromNumbers(dtype: DType, shape: Shape, values: ArrayLike<number>): HostTensor {
  const data: HostArray = allocate(dtype, values.length);
  if (data instanceof BigInt64Array) {
    for (let i = 0; i < values.length; i++) data[i] = BigInt(values[i]);
  } else {
    for (let i = 0; i < values.length; i++) data[i] = values[i];
  }
  return hostTensor(dtype, shape, data);
}

/** The elements as float64, in row-major order (int64 beyond 2^53 loses digits). */
export function toNumbers(tensor: HostTensor): Float64Array {
  const data: ArrayLike<number | bigint> = tensor.data;
  const out = new Float64Array(data.length);
  for (let i = 0; i < out.length; i++) out[i] = Number(data[i]);
  return out;
}
