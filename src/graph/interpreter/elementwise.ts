import type { DType } from "../../tensor/index.js";
import type { OpName } from "../ops.js";
import { broadcastStrides, type InterpreterRule, offsetsOf, tensor64, zeros64 } from "./rule.js";

type ElementwiseName =
  | "Neg"
  | "Exp"
  | "Log"
  | "Sqrt"
  | "Abs"
  | "Atan"
  | "Relu"
  | "Sigmoid"
  | "Silu"
  | "SiluGrad"
  | "Softplus"
  | "Not"
  | "Cast"
  | "StopGradient"
  | "Add"
  | "Sub"
  | "Mul"
  | "Div"
  | "Min"
  | "Max"
  | "Greater"
  | "And"
  | "Where";

/** Operators that compute each element from the elements in its place, operands broadcast. */
export const elementwiseRules: { [K in ElementwiseName]: InterpreterRule<K> } = {
  Neg: unary((x) => -x),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Sqrt: unary(Math.sqrt),
  Abs: unary(Math.abs),
  Atan: unary(Math.atan),
  Relu: unary((x) => Math.max(x, 0)),
  Sigmoid: unary(sigmoid),
  Silu: unary((x) => x * sigmoid(x)),
  // y is only there for faster kernels: silu'(x) = s + x · s · (1 - s) follows from x alone.
  SiluGrad: broadcast((x, _, dy) => {
    const s = sigmoid(x);
    return dy * (s + x * s * (1 - s));
  }),
  Softplus: unary((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  Not: unary((x) => (x === 0 ? 1 : 0)),
  Cast: ([x], { to }) => [tensor64(x.shape, x.data.map(casts[to]))],
  StopGradient: ([x]) => [x],

  Add: broadcast((a, b) => a + b),
  Sub: broadcast((a, b) => a - b),
  Mul: broadcast((a, b) => a * b),
  Div: broadcast((a, b) => a / b),
  Min: broadcast((a, b) => Math.min(a, b)),
  Max: broadcast((a, b) => Math.max(a, b)),
  Greater: broadcast((a, b) => (a > b ? 1 : 0)),
  And: broadcast((a, b) => (a !== 0 && b !== 0 ? 1 : 0)),
  Where: broadcast((condition, a, b) => (condition !== 0 ? a : b)),
};

/** Conversions keep float64's digits: to float32 nothing is rounded, to integers nothing wraps. */
const casts: Record<DType, (x: number) => number> = {
  float32: (x) => x,
  float64: (x) => x,
  int32: Math.trunc,
  int64: Math.trunc,
  uint8: Math.trunc,
  bool: (x) => (x !== 0 ? 1 : 0),
};

/** exp is only ever taken of a negative number, so nothing overflows. */
function sigmoid(x: number): number {
  const e = Math.exp(-Math.abs(x));
  return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

function unary<K extends OpName>(f: (x: number) => number): InterpreterRule<K> {
  return ([x]) => [
    tensor64(
      x.shape,
      x.data.map((value) => f(value)),
    ),
  ];
}

function broadcast<K extends OpName>(f: (a: number, b: number, c: number) => number): InterpreterRule<K> {
  return (inputs, _, [{ shape }]) => {
    const out = zeros64(shape);
    const [a, b, c] = inputs.map((input) => ({
      data: input.data,
      at: offsetsOf(shape, broadcastStrides(input.shape, shape)),
    }));
    for (let i = 0; i < out.data.length; i++) {
      out.data[i] = f(a.data[a.at[i]], b.data[b.at[i]], c === undefined ? 0 : c.data[c.at[i]]);
    }
    return [out];
  };
}
