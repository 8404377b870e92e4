import { type DType, type Shape, showShape } from "../tensor/index.js";

/** What is known of a value before anything runs. */
export interface ValueType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** `float32[8, 3, 320, 320]`, for messages and prints. */
export function showType(type: ValueType): string {
  return `${type.dtype}${showShape(type.shape)}`;
}
