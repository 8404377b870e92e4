import fc from "fast-check";
import { expect, it } from "vitest";
import {
  add,
  concat,
  eliminateDeadCode,
  expand,
  foldConstants,
  Graph,
  interpret,
  max,
  mergeCommonSubexpressions,
  mul,
  neg,
  optimise,
  reduceMean,
  reduceSum,
  sigmoid,
  slice,
  split,
  stopGradient,
  sub,
  transpose,
  type Value,
  verify,
  where,
  greater,
} from "../../src/graph/index.js";
import { fromNumbers } from "../../src/tensor/index.js";

/** Operators that take [3, 3] values to a [3, 3] value, of bounded growth. */
const steps: readonly ((a: Value, b: Value) => Value)[] = [
  (a, b) => mul(add(a, b), 0.5),
  (a, b) => sub(a, mul(b, 0.25)),
  (a, b) => mul(sigmoid(a), b),
  (a, b) => max(a, b),
  (a) => neg(a),
  (a) => transpose(a, [1, 0]),
  (a, b) => sub(a, reduceMean(b, [1], true)),
  (a) => expand(reduceSum(mul(a, 1 / 9), [0], true), [3, 3]),
  (a, b) => concat([slice(a, 0, 0, 1), slice(b, 0, 0, 2)], 0),
  (a) => concat([...split(a, 1, [1, 2])].reverse(), 1),
  (a, b) => where(greater(a, b), a, mul(b, 0.5)),
  (a) => stopGradient(a),
];

const step = fc.record({
  op: fc.nat({ max: steps.length - 1 }),
  a: fc.nat(),
  b: fc.nat(),
});
const recipe = fc.record({
  // Few distinct constants, so that merging and folding find work.
  constants: fc.array(fc.constantFrom(-1, 0, 0.5, 2), { minLength: 1, maxLength: 3 }),
  steps: fc.array(step, { minLength: 1, maxLength: 25 }),
  outputs: fc.array(fc.nat(), { minLength: 1, maxLength: 4 }),
});
const matrix = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 9, maxLength: 9 });

function build({
  constants,
  steps: chosen,
  outputs,
}: typeof recipe extends fc.Arbitrary<infer R> ? R : never) {
  const graph = new Graph();
  const values: Value[] = [graph.input("x", "float64", [3, 3]), graph.input("y", "float64", [3, 3])];
  for (const c of constants) {
    values.push(
      graph.constant(
        fromNumbers(
          "float64",
          [3, 3],
          Array.from({ length: 9 }, (_, i) => c * i),
        ),
      ),
    );
  }
  for (const { op, a, b } of chosen) {
    values.push(steps[op](values[a % values.length], values[b % values.length]));
  }
  outputs.forEach((at, i) => {
    graph.output(`output ${i}`, values[at % values.length]);
  });
  return graph;
}

it.each([
  ["eliminateDeadCode", eliminateDeadCode],
  ["mergeCommonSubexpressions", mergeCommonSubexpressions],
  ["foldConstants", foldConstants],
  ["optimise", optimise],
])("%s keeps every value, input and output of a random graph, and is sound", (_, pass) => {
  fc.assert(
    fc.property(recipe, matrix, matrix, (plan, x, y) => {
      const graph = build(plan);
      const result = pass(graph);
      verify(result);
      expect([...result.inputs.keys()]).toEqual([...graph.inputs.keys()]);
      // float64 graphs: folding rounds nothing, so equality is exact.
      expect([...interpret(result, { x, y })]).toEqual([...interpret(graph, { x, y })]);
    }),
    { numRuns: 100 },
  );
});

it("optimise leaves nothing for a second time", () => {
  fc.assert(
    fc.property(recipe, (plan) => {
      const once = optimise(build(plan));
      expect(optimise(once).nodes.map((node) => node.op)).toEqual(once.nodes.map((node) => node.op));
    }),
    { numRuns: 100 },
  );
});
