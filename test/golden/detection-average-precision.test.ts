import { describe, expect, it } from "vitest";
import { averagePrecision, classPointAt } from "../../src/detection/average-precision.js";
import { hasReference, readReference } from "../support/read-safetensors.js";

const name = "metrics.safetensors";

describe.skipIf(!hasReference(name))("average precision of the reference", () => {
  it("gives its curves' values at the best-F1 confidence, its counts and its AP within 1e-9", () => {
    const read = readReference(name);
    const classIndices = [...read("ap_class").data];
    const { perClass, bestIndex } = averagePrecision({
      tp: Uint8Array.from(read("tp").data),
      confidence: read("conf").data,
      predictedClass: Int32Array.from(read("pred_cls").data),
      targetClass: Int32Array.from(read("target_cls").data),
      classes: Math.max(...classIndices, ...read("pred_cls").data) + 1,
    });
    const points = perClass.map((curves) => classPointAt(curves, bestIndex));

    expect(perClass.map((curves) => curves.classIndex)).toEqual(classIndices);
    expectClose(
      points.map((point) => point.precision),
      read("precision").data,
    );
    expectClose(
      points.map((point) => point.recall),
      read("recall").data,
    );
    expectClose(
      points.map((point) => point.f1),
      read("f1").data,
    );
    expectClose(
      points.map((point) => point.tpCount),
      read("tp_count").data,
    );
    expectClose(
      points.map((point) => point.fpCount),
      read("fp_count").data,
    );
    expectClose(
      perClass.flatMap((curves) => [...curves.averagePrecision]),
      read("ap").data,
    );
  });
});

function expectClose(actual: readonly number[], expected: Float64Array): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => {
    expect(Math.abs(value - expected[i]), `element ${i}`).toBeLessThan(1e-9);
  });
}
