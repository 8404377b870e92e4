import { sortedQuantile } from "../../tensor/index.js";
import type { Quantiles } from "./types.js";

/** Quantiles by linear interpolation between order statistics (as NumPy's default); null of no values. */
export function quantiles(values: readonly number[]): Quantiles | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const at = (share: number): number => sortedQuantile(sorted, share);
  return {
    ...{ min: at(0), p5: at(0.05), p25: at(0.25), median: at(0.5) },
    ...{ p75: at(0.75), p95: at(0.95), max: at(1) },
  };
}
