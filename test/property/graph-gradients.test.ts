import fc from "fast-check";
import { expect, it } from "vitest";
import { gradients, gradientsOf } from "../../src/autodiff/index.js";
import {
  add,
  concat,
  expand,
  Graph,
  interpretValues,
  matMul,
  mul,
  neg,
  reduceMean,
  reduceSum,
  sigmoid,
  silu,
  slice,
  softplus,
  split,
  sub,
  transpose,
  type Value,
} from "../../src/graph/index.js";

/** Smooth operators that take [2, 2] values to a [2, 2] value, of bounded growth. */
const steps: readonly ((a: Value, b: Value) => Value)[] = [
  (a, b) => mul(add(a, b), 0.5),
  (a, b) => mul(sigmoid(a), b),
  (a, b) => mul(matMul(a, b, { transB: true }), 0.25),
  (a, b) => sub(a, reduceMean(b, [1], true)),
  (a) => silu(neg(a)),
  (a) => softplus(transpose(a, [1, 0])),
  (a) => expand(reduceSum(mul(a, 0.5), [0], true), [2, 2]),
  (a, b) => concat([slice(a, 0, 0, 1), slice(b, 0, 1, 2)], 0),
  (a) => concat([...split(a, 1, [1, 1])].reverse(), 1),
];

const step = fc.record({ op: fc.nat({ max: steps.length - 1 }), a: fc.nat(), b: fc.nat() });
const plan = fc.array(step, { minLength: 1, maxLength: 12 });
const matrix = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 });

/** x, y and everything computed from them; later steps favour recent values, so that graphs grow deep. */
function build(chosen: readonly { op: number; a: number; b: number }[]): Value[] {
  const graph = new Graph();
  const values: Value[] = [graph.input("x", "float64", [2, 2]), graph.input("y", "float64", [2, 2])];
  for (const { op, a, b } of chosen) {
    const recent = values[values.length - 1 - (a % Math.min(values.length, 2))];
    values.push(steps[op](recent, values[b % values.length]));
  }
  return values;
}

const numbers = (value: Value, feeds: Record<string, number[]>) => [
  ...interpretValues([value], feeds)[0].data,
];

it("the gradient of a random graph agrees with central differences, whatever shares a value", () => {
  const h = 1e-5;
  fc.assert(
    fc.property(plan, matrix, matrix, (chosen, x, y) => {
      const values = build(chosen);
      const loss = reduceSum(values[values.length - 1]);
      const wrt = gradientsOf(loss, [values[0], values[1]]);
      for (const [i, name] of ["x", "y"].entries()) {
        const feeds: Record<string, number[]> = { x, y };
        const gradient = numbers(wrt[i], feeds);
        feeds[name].forEach((element, at) => {
          const lossAt = (moved: number) =>
            numbers(loss, { ...feeds, [name]: feeds[name].with(at, moved) })[0];
          const difference = (lossAt(element + h) - lossAt(element - h)) / (2 * h);
          expect(Math.abs(gradient[at] - difference)).toBeLessThanOrEqual(1e-7 + 1e-5 * Math.abs(difference));
        });
      }
    }),
    { numRuns: 60 },
  );
});

it("gradients are linear in the cotangents, and add up over several seeds", () => {
  fc.assert(
    fc.property(plan, matrix, matrix, matrix, (chosen, x, y, ct) => {
      const values = build(chosen);
      const [inner, last] = [values[values.length - 2], values[values.length - 1]];
      const cotangent = last.graph.input("ct", "float64", [2, 2]);
      const seeds = [inner, last].map((value) => ({ value, cotangent }));
      const feeds = { x, y, ct };
      const together = numbers(gradients(seeds, [values[0]])[0], feeds);
      const apart = seeds.map((seed) => numbers(gradients([seed], [values[0]])[0], feeds));
      together.forEach((value, i) => {
        expectClose(value, apart[0][i] + apart[1][i]);
      });
      const doubled = numbers(gradients(seeds, [values[0]])[0], { ...feeds, ct: ct.map((c) => 2 * c) });
      doubled.forEach((value, i) => {
        expectClose(value, 2 * together[i]);
      });
    }),
    { numRuns: 60 },
  );
});

function expectClose(actual: number, expected: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-12 + 1e-9 * Math.abs(expected));
}
