import { z } from "zod";
import { parseWith } from "../../config/index.js";
import { EchoDuetError } from "../../errors.js";
import { metricNames } from "../compare/pool.js";
import type { SplitResult } from "../compare/report.js";

const interval = z.looseObject({ low: z.number(), high: z.number() }).nullable();
const estimate = z.looseObject({ value: z.number(), interval });
const numberOrNull = z.number().nullable();
const count = z.int().min(0);
const hash = z.string().regex(/^[0-9a-f]{64}$/, "expected a SHA-256");

/** The part of `final.json` that a report shows; other keys are let through. */
const testSchema = z.looseObject({
  split: z.literal("test"),
  frames: count,
  patients: count,
  resamples: count,
  resamplesWithoutClass: z.looseObject({ detection: count, classification: count }),
  designs: z.array(
    z.looseObject({
      name: z.string(),
      model: z.string(),
      tasks: z.array(z.string()),
      seeds: z.array(z.int()),
      incompleteSeeds: z.array(z.int()),
      folds: count,
      metrics: z.partialRecord(z.enum(metricNames), estimate),
      confidences: z.array(z.number()),
      perClass: z.array(
        z.looseObject({
          name: z.string(),
          ap50: numberOrNull,
          ap50_95: numberOrNull,
          instances: count,
        }),
      ),
      confusion: z.array(z.array(count)).nullable(),
      targets: z.array(
        z.looseObject({
          name: z.enum(["map50", "precision", "recall", "f1"]),
          least: z.number(),
          value: z.number(),
          passed: z.boolean(),
          certain: z.boolean(),
        }),
      ),
      deltaM: z.looseObject({ value: z.number(), interval, controls: z.array(z.string()) }).nullable(),
    }),
  ),
  provenance: z.array(
    z.looseObject({ run: z.string(), checkpointSha256: hash, dataFingerprint: hash, split: z.string() }),
  ),
});
const finalSchema = z.looseObject({ test: testSchema.nullable() });

/**
 * The test split's results in the text of a sweep's `final.json`.
 * @throws EchoDuetError `data` or `config` that names the file, where it is damaged
 */
export function parseFinalTest(text: string, file: string): SplitResult | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new EchoDuetError(
      "data",
      `${file}: expected the JSON of compare --final, got a damaged file; restore it from a copy`,
      { cause },
    );
  }
  return parseWith(finalSchema, json, file).test as SplitResult | null;
}
