import { z } from "zod";
import { sideMultiple, spelledSize, toNumber } from "./text-values.js";

/** A custom message where the value has the wrong type; other issues keep their own. */
function expected(message: string) {
  return (issue: { code?: string }): string | undefined =>
    issue.code === "invalid_type" ? message : undefined;
}

const side = z.int().min(sideMultiple).multipleOf(sideMultiple);

/**
 * A network input, resolved to `{ width, height }` in pixels: `320` and `"320"` are square, `"640x480"` is
 * width by height. Both sides are multiples of 32, the largest stride of the detectors.
 */
export const sizeSchema = z.preprocess(
  (value) => {
    if (typeof value === "number") return { width: value, height: value };
    return typeof value === "string" ? (spelledSize(value) ?? value) : value;
  },
  z.strictObject({ width: side, height: side }, { error: expected("expected N or WxH in pixels") }),
);

/**
 * Task weights, resolved to `{ detection, classification }`: `[1, 0.01]` and `"1,0.01"` are in that order.
 * At least one of them is positive.
 */
export const taskWeightsSchema = z.preprocess(
  (value) => {
    const list = typeof value === "string" ? value.split(",").map(toNumber) : value;
    return Array.isArray(list) && list.length === 2 ? { detection: list[0], classification: list[1] } : value;
  },
  z
    .strictObject(
      { detection: z.number().min(0), classification: z.number().min(0) },
      { error: expected("expected two numbers: detection,classification") },
    )
    .refine(
      (weights) => Math.max(weights.detection, weights.classification) > 0,
      "expected a weight above 0",
    ),
);

const unitBytes: Record<string, number> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** A number of bytes: `1048576`, `"512MB"`, `"2GB"` (powers of 1024). */
export const byteCountSchema = z.preprocess(
  (value) => {
    const match =
      typeof value === "string" ? /^(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?$/i.exec(value.trim()) : null;
    return match ? Math.round(Number(match[1]) * unitBytes[match[2].toLowerCase()]) : value;
  },
  z.int({ error: expected("expected a number of bytes, such as 2GB") }).min(0),
);
