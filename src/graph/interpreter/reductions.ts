import { sizeOf } from "../../tensor/index.js";
import { broadcastStrides, type InterpreterRule, offsetsOf, tensor64, zeros64 } from "./rule.js";

type ReductionName = "ReduceSum" | "ReduceMean" | "ReduceMax" | "LogSoftmax";
type ReduceName = Exclude<ReductionName, "LogSoftmax">;

/** Operators that combine the elements along axes. */
export const reductionRules: { [K in ReductionName]: InterpreterRule<K> } = {
  ReduceSum: reduce(0, (total, x) => total + x),
  ReduceMean: (inputs, attrs, outputs) => {
    const [sum] = reduce(0, (total, x) => total + x)(inputs, attrs, outputs);
    const count = inputs[0].data.length / sum.data.length;
    return [
      tensor64(
        sum.shape,
        sum.data.map((total) => total / count),
      ),
    ];
  },
  ReduceMax: reduce(Number.NEGATIVE_INFINITY, (most, x) => Math.max(most, x)),
  LogSoftmax: ([x]) => {
    const length = x.shape[x.shape.length - 1];
    const out = zeros64(x.shape);
    for (let start = 0; start < x.data.length; start += length) {
      const row = x.data.subarray(start, start + length);
      // Subtracting the maximum keeps exp within range.
      const most = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const total = row.reduce((sum, value) => sum + Math.exp(value - most), 0);
      const shift = most + Math.log(total);
      for (let i = 0; i < length; i++) out.data[start + i] = row[i] - shift;
    }
    return [out];
  },
};

function reduce(start: number, combine: (total: number, x: number) => number): InterpreterRule<ReduceName> {
  return ([x], { axes }, [{ shape }]) => {
    const reduced = new Set(axes.map((axis) => (axis < 0 ? axis + x.shape.length : axis)));
    const kept = x.shape.map((length, axis) => (reduced.has(axis) ? 1 : length));
    const data = new Float64Array(sizeOf(shape)).fill(start);
    const at = offsetsOf(x.shape, broadcastStrides(kept, x.shape));
    for (let i = 0; i < x.data.length; i++) data[at[i]] = combine(data[at[i]], x.data[i]);
    return [tensor64(shape, data)];
  };
}
