import { describe, expect, it } from "vitest";
import { gradients, vjpTable } from "../../src/autodiff/index.js";
import { Graph, interpretValues, type Value } from "../../src/graph/index.js";
import { isFloat, randomStream, sizeOf } from "../../src/tensor/index.js";
import { buildCase, operatorCases, operatorNames } from "../support/operator-cases.js";

/** Step of the central differences: error about 1e-10 from the third derivative, 1e-10 from rounding. */
const STEP = 1e-5;

type Feeds = Record<string, number[]>;

/** Operators whose gradient is zero by intention, not by their values. */
const gradientIsZero = new Set<string>(["StopGradient"]);

describe("every vjp rule agrees with central differences of the float64 interpreter", () => {
  for (const op of operatorNames) {
    const rule = vjpTable[op];
    if (typeof rule === "function") {
      operatorCases[op].forEach((_, number) => {
        it(`${op} ${number}`, () => checkCase(op, number));
      });
    } else {
      it(`${op} refuses: ${rule.notDifferentiable}`, () => {
        const { seeds, wrt } = seededCase(op, 0);
        expect(() => gradients(seeds, wrt)).toThrow(new RegExp(`\\b${op} has no gradient: `));
      });
    }
  }
});

it("differentiates every operator in at least one case", () => {
  for (const op of operatorNames) {
    if (typeof vjpTable[op] !== "function" || op === "Constant") continue;
    const checked = operatorCases[op].some((_, number) => {
      const { seeds, wrt } = seededCase(op, number);
      return seeds.length > 0 && wrt.some((value) => isFloat(value.dtype));
    });
    expect(checked, `${op} has no case with a floating-point input and output`).toBe(true);
  }
});

it("gives a constant the cotangent that reaches it", () => {
  const graph = new Graph();
  const [{ attrs }] = operatorCases.Constant;
  const value = graph.constant(attrs.tensor);
  const cotangent = graph.input("cotangent", value.dtype, value.shape);
  const [gradient] = gradients([{ value, cotangent }], [value]);
  const feed = Array.from({ length: sizeOf(value.shape) }, (_, i) => i + 1);
  expect([...interpretValues([gradient], { cotangent: feed })[0].data]).toEqual(feed);
});

/** One case with random cotangents on its differentiable outputs. */
function seededCase(op: (typeof operatorNames)[number], number: number) {
  const graph = new Graph();
  const { inputs, outputs, feeds, seeded } = buildCase(graph, op, number, { dtype: "float64" });
  const stream = randomStream(7, "cotangent", op, number);
  const all: Feeds = { ...feeds };
  const discrete = typeof vjpTable[op] !== "function";
  const seeds = outputs.flatMap((value, i) => {
    if (!(discrete || (isFloat(value.dtype) && (seeded?.includes(i) ?? true)))) return [];
    const name = `cotangent${i}`;
    all[name] = Array.from({ length: sizeOf(value.shape) }, () => stream.normal());
    return [{ value, cotangent: graph.input(name, value.dtype, value.shape) }];
  });
  return { seeds, feeds: all, wrt: inputs.filter((value) => discrete || isFloat(value.dtype)) };
}

function checkCase(op: (typeof operatorNames)[number], number: number): void {
  const { seeds, feeds, wrt } = seededCase(op, number);
  const results = interpretValues(gradients(seeds, wrt), feeds);
  wrt.forEach((value, i) => {
    expect(results[i].shape).toEqual(value.shape);
    const expected = gradientIsZero.has(op)
      ? new Array<number>(sizeOf(value.shape)).fill(0)
      : centralDifferences(seeds, feeds, nameOf(value));
    expected.forEach((difference, at) => {
      const error = Math.abs(results[i].data[at] - difference);
      const allowed = 1e-8 + 1e-5 * Math.abs(difference);
      // NaN fails too: a comparison with it is false.
      if (!(error <= allowed)) {
        expect.fail(
          `${op} ${number}: d/d ${nameOf(value)}[${at}]: rule ${results[i].data[at]}, difference ${difference}`,
        );
      }
    });
  });
}

/** (L(x + step) - L(x - step)) / 2 step for each element of one input, L = Σ cotangent · output. */
function centralDifferences(
  seeds: readonly Record<"value" | "cotangent", Value>[],
  feeds: Feeds,
  name: string,
) {
  const loss = (elements: number[]): number => {
    const values = interpretValues(
      seeds.map(({ value }) => value),
      { ...feeds, [name]: elements },
    );
    return seeds.reduce((sum, { cotangent }, i) => sum + dot(feeds[nameOf(cotangent)], values[i].data), 0);
  };
  return feeds[name].map(
    (x, at) => (loss(feeds[name].with(at, x + STEP)) - loss(feeds[name].with(at, x - STEP))) / (2 * STEP),
  );
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function nameOf(value: Value): string {
  if (!("name" in value.node.attrs)) throw new Error(`${value.node.op} has no name`);
  return value.node.attrs.name;
}
