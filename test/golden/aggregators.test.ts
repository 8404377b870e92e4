import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type AggregationName, aggregate } from "../../src/balancing/index.js";
import { hasReference, referencePath } from "../support/read-safetensors.js";

/** Our names of the reference's methods, and how near the reference itself is to the exact answer. */
const methods: Readonly<Record<string, { name: AggregationName; tolerance: number }>> = {
  pcgrad: { name: "pcgrad", tolerance: 1e-6 },
  imtl_g: { name: "imtl-g", tolerance: 1e-6 },
  aligned_mtl_min: { name: "aligned-mtl", tolerance: 1e-6 },
  mgda: { name: "mgda", tolerance: 1e-6 },
  upgrad_mean: { name: "upgrad", tolerance: 1e-6 },
  "cagrad_c0.5": { name: "cagrad", tolerance: 5e-4 }, // its reference iterates
};

interface ReferenceCase extends Readonly<Record<string, unknown>> {
  readonly jacobian: readonly number[][];
}

describe.skipIf(!hasReference("aggregators.json"))("aggregate, against the reference", () => {
  const cases = readCases();

  it("has cases of two and of three tasks", () => {
    expect(new Set(cases.map(([, { jacobian }]) => jacobian.length))).toEqual(new Set([2, 3]));
  });

  for (const [label, reference] of cases) {
    for (const [key, { name, tolerance }] of Object.entries(methods)) {
      // PCGrad depends on an order from three tasks on; the reference has it for two alone, where none exists.
      if (!(key in reference)) continue;
      it(`${name} of ${label}`, () => {
        const combined = aggregate(name, reference.jacobian);
        const expected = reference[key] as number[];
        expect(combined).toHaveLength(expected.length);
        expected.forEach((value, k) => {
          expect(Math.abs(combined[k] - value)).toBeLessThanOrEqual(tolerance);
        });
      });
    }
  }

  it("covers every value of the reference", () => {
    const keys = new Set(cases.flatMap(([, reference]) => Object.keys(reference)));
    keys.delete("jacobian");
    expect([...keys].sort()).toEqual(Object.keys(methods).sort());
  });
});

function readCases(): [string, ReferenceCase][] {
  if (!hasReference("aggregators.json")) return [];
  const { cases } = JSON.parse(readFileSync(referencePath("aggregators.json"), "utf8"));
  return Object.entries(cases as Record<string, ReferenceCase>);
}
