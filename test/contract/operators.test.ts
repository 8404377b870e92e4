import { describe, expect, it } from "vitest";
import { Graph, interpret, interpretValues, type OpName, showType } from "../../src/graph/index.js";
import { Program } from "../../src/runtime/index.js";
import { fromNumbers, type HostTensor, isFloat, sizeOf, toNumbers } from "../../src/tensor/index.js";
import { buildCase, operatorCases, operatorNames } from "../support/operator-cases.js";

describe("inference and the interpreter agree", () => {
  for (const op of operatorNames) {
    it(op, () => {
      operatorCases[op].forEach((_, number) => {
        const graph = new Graph();
        const { outputs, feeds } = buildCase(graph, op, number, { dtype: "float32" });
        interpretValues(outputs, feeds).forEach((result, i) => {
          const subject = `${op} ${number}, output ${i}, ${showType(outputs[i])}`;
          expect(result.shape, subject).toEqual(outputs[i].shape);
          expect(result.data.length, subject).toBe(sizeOf(outputs[i].shape));
          expect(result.data.every(Number.isFinite), subject).toBe(true);
          if (outputs[i].dtype === "bool") expect(result.data.every((x) => x === 0 || x === 1)).toBe(true);
          if (outputs[i].dtype === "int64") expect(result.data.every(Number.isInteger)).toBe(true);
        });
      });
    });
  }
});

describe.each([
  { runtime: "ONNX Runtime, graph as written", optimise: false },
  { runtime: "ONNX Runtime, optimised", optimise: true },
])("the interpreter agrees with $runtime", ({ optimise }) => {
  for (const op of operatorNames) {
    it(op, async () => {
      const { graph, feeds } = everyCase(op);
      const expected = interpret(graph, feeds);
      const program = await Program.compile(graph, { threads: 1, optimise });
      try {
        const results = await program.run(hostTensors(graph, feeds));
        expect([...results.keys()].sort()).toEqual([...expected.keys()].sort());
        for (const [name, result] of results) {
          expectAgreement(`${op} ${name}`, result, graph.outputs.get(name)!.shape, expected.get(name)!.data);
        }
      } finally {
        await program.close();
      }
    });
  }
});

/** One graph with all cases of an operator, which compiles once. */
function everyCase(op: OpName): { graph: Graph; feeds: Record<string, number[]> } {
  const graph = new Graph();
  const feeds: Record<string, number[]> = {};
  operatorCases[op].forEach((_, number) => {
    const built = buildCase(graph, op, number, { dtype: "float32", prefix: `case${number}.` });
    Object.assign(feeds, built.feeds);
    built.outputs.forEach((output, i) => {
      graph.output(`case ${number} output ${i}`, output);
    });
  });
  return { graph, feeds };
}

function hostTensors(graph: Graph, feeds: Record<string, number[]>): Map<string, HostTensor> {
  return new Map(
    [...graph.inputs].map(([name, { dtype, shape }]) => [name, fromNumbers(dtype, shape, feeds[name])]),
  );
}

/** Floats within 1e-5 of the largest magnitude (sums of many terms cancel); integers and booleans equal. */
function expectAgreement(
  subject: string,
  result: HostTensor,
  shape: readonly number[],
  expected: Float64Array,
) {
  expect(result.shape, subject).toEqual(shape);
  const actual = toNumbers(result);
  const scale = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const allowed = isFloat(result.dtype) ? 1e-5 * scale : 0;
  expected.forEach((value, i) => {
    // NaN fails too: a comparison with it is false.
    if (!(Math.abs(actual[i] - value) <= allowed)) {
      expect.fail(`${subject}[${i}]: expects ${value} within ${allowed}, got ${actual[i]}`);
    }
  });
}
