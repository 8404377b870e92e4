import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Graph, interpret } from "../../src/graph/index.js";
import { emaKeep, movingAverage, type Optimiser, optimiserByName } from "../../src/optim/index.js";
import { Program } from "../../src/runtime/index.js";
import { type DType, fromNumbers, type HostTensor, randomStream, toNumbers } from "../../src/tensor/index.js";

interface Group {
  readonly weight: { readonly shape: readonly number[]; readonly data: readonly number[] };
  readonly bias: { readonly shape: readonly number[]; readonly data: readonly number[] };
}
interface Expected {
  readonly parameters: Group;
  readonly momentum?: Group;
  readonly firstMoment?: Group;
  readonly secondMoment?: Group;
}
interface Average {
  readonly t: number;
  readonly d: number;
  readonly average: Group;
}

const fixture = JSON.parse(readFileSync(new URL("../fixtures/optimisers.json", import.meta.url), "utf8"));
const rates: readonly { weight: number; bias: number }[] = fixture.learningRates;
const initial: Group = fixture.parameters;
const gradients: readonly Group[] = fixture.gradients;
const groups = ["weight", "bias"] as const;

/** Each slot's name in the fixture, and each optimiser's momentum (AdamW's first beta). */
const optimisers = [
  { name: "sgd", momentum: fixture.sgd.momentum, slots: { velocity: "momentum" } },
  { name: "adamw", momentum: fixture.adamw.betas[0], slots: { mean: "firstMoment", square: "secondMoment" } },
] as const;

type Numbers = Record<string, ArrayLike<number>>;
type Run = (feeds: Numbers) => Promise<Numbers>;

/** How a graph is run, in which floating-point type, and how near its numbers must come. */
const engines: readonly { engine: string; dtype: DType; tolerance: number }[] = [
  { engine: "the interpreter", dtype: "float64", tolerance: 1e-10 },
  { engine: "ONNX Runtime", dtype: "float32", tolerance: 1e-5 },
];

describe.each(engines)("on $engine", ({ dtype, tolerance }) => {
  describe.each(optimisers)("$name", ({ name, momentum, slots }) => {
    it.each(groups)("makes PyTorch's three steps of the %s group", async (group) => {
      const optimiser = optimiserByName(name);
      expect(optimiser.slots).toEqual(Object.keys(slots));
      const decay: number = fixture[name].weightDecay[group];
      const run = await prepare(updateGraph(optimiser, initial[group].data.length, decay > 0, dtype));
      let state = initialState(optimiser, initial[group].data);
      for (const [step, expected] of (fixture[name].steps as Expected[]).entries()) {
        state = await run({
          ...state,
          ...scalars(optimiser, { momentum, applied: step, applies: true, rate: rates[step][group], decay }),
          gradient: gradients[step][group].data,
        });
        expectClose(state.parameters, expected.parameters[group].data, tolerance);
        for (const [slot, key] of Object.entries(slots)) {
          expectClose(state[slot], (expected[key as keyof Expected] as Group)[group].data, tolerance);
        }
      }
    });
  });

  it.each(["fresh", "late"] as const)("averages the parameters with a %s ramp", async (series) => {
    const { decay, tau } = fixture.ema;
    for (const group of groups) {
      const graph = new Graph();
      const vector = (name: string) => graph.input(name, dtype, [initial[group].data.length]);
      graph.output(
        "next.average",
        movingAverage(vector("average"), vector("value"), graph.input("keep", dtype, [])),
      );
      const run = await prepare(graph);
      let average: ArrayLike<number> = initial[group].data;
      for (const [step, expected] of (fixture.ema[series] as Average[]).entries()) {
        const keep = emaKeep(expected.t, { decay, tau });
        expect(Math.abs(keep - expected.d)).toBeLessThan(1e-12);
        const value = (fixture.sgd.steps as Expected[])[step].parameters[group].data;
        average = (await run({ average, value, keep: [keep] })).average;
        expectClose(average, expected.average[group].data, tolerance);
      }
    }
  });
});

describe.each(optimisers)("$name while gradients accumulate, on ONNX Runtime", ({ name, momentum }) => {
  const optimiser = optimiserByName(name);
  const size = 1000;
  const random = randomStream(11, name);
  const normal = () => Array.from({ length: size }, () => Math.fround(random.normal()));
  /** A state as it stands after two steps. */
  const warm = async (run: Run): Promise<Numbers> => {
    let state = initialState(optimiser, normal());
    for (const applied of [0, 1]) {
      state = await run({
        ...state,
        ...scalars(optimiser, { momentum, applied, applies: true, rate: 0.1, decay: 0.01 }),
        gradient: normal(),
      });
    }
    return state;
  };

  it("leaves parameters and slots as they were, bit for bit", async () => {
    const run = await prepare(updateGraph(optimiser, size, true, "float32"));
    const before = await warm(run);
    const after = await run({
      ...before,
      ...scalars(optimiser, { momentum, applied: 2, applies: false, rate: 0, decay: 0.01 }),
      gradient: normal().map((value) => value * 1e3),
    });
    for (const key of ["parameters", ...optimiser.slots]) {
      expect([...bits(after[key])], key).toEqual([...bits(before[key])]);
      // A slot that never left zero would prove nothing.
      expect(Math.max(...Array.from(before[key], Math.abs)), key).toBeGreaterThan(0);
    }
  });

  it("makes of four micro-batches the one step on their summed gradient", async () => {
    const run = await prepare(updateGraph(optimiser, size, true, "float32"));
    const start = await warm(run);
    const pieces = [normal(), normal(), normal(), normal()];
    let state = start;
    let sum = new Array<number>(size).fill(0);
    for (const [piece, gradient] of pieces.entries()) {
      sum = sum.map((value, i) => Math.fround(value + gradient[i]));
      const applies = piece === pieces.length - 1;
      const rate = applies ? 0.1 : 0;
      state = await run({
        ...state,
        ...scalars(optimiser, { momentum, applied: 2, applies, rate, decay: 0.01 }),
        gradient: sum,
      });
    }
    const once = await run({
      ...start,
      ...scalars(optimiser, { momentum, applied: 2, applies: true, rate: 0.1, decay: 0.01 }),
      gradient: sum,
    });
    for (const key of ["parameters", ...optimiser.slots]) {
      expect([...bits(state[key])], key).toEqual([...bits(once[key])]);
    }
    expect([...bits(once.parameters)]).not.toEqual([...bits(start.parameters)]);
  });
});

it("keeps an average as it is at keep 1, bit for bit", async () => {
  const graph = new Graph();
  const vector = (name: string) => graph.input(name, "float32", [100]);
  graph.output(
    "next.average",
    movingAverage(vector("average"), vector("value"), graph.input("keep", "float32", [])),
  );
  const random = randomStream(12, "ema");
  const average = Array.from({ length: 100 }, () => Math.fround(random.normal()));
  const run = await prepare(graph);
  const next = await run({ average, value: average.map((x) => x * 100), keep: [1] });
  expect([...bits(next.average)]).toEqual([...bits(average)]);
});

/** One update of a group of `size` numbers; the output `next.NAME` is what NAME is fed from. */
function updateGraph(optimiser: Optimiser, size: number, decays: boolean, dtype: DType): Graph {
  const graph = new Graph();
  const vector = (name: string) => graph.input(name, dtype, [size]);
  const coefficients = new Map(optimiser.coefficients.map((name) => [name, graph.input(name, dtype, [])]));
  const next = optimiser.update({
    graph,
    parameters: vector("parameters"),
    gradient: vector("gradient"),
    slots: Object.fromEntries(optimiser.slots.map((slot) => [slot, vector(slot)])),
    decay: decays ? graph.input("decay", dtype, []) : null,
    terms: {
      rate: graph.input("rate", dtype, []),
      coefficient: (name) => {
        const value = coefficients.get(name);
        return value ?? expect.unreachable(`${optimiser.name} does not declare ${name}`);
      },
    },
  });
  graph.output("next.parameters", next.parameters);
  for (const slot of optimiser.slots) graph.output(`next.${slot}`, next.slots[slot]);
  return graph;
}

function initialState(optimiser: Optimiser, parameters: readonly number[]): Numbers {
  const none = new Array<number>(parameters.length).fill(0);
  return { parameters, ...Object.fromEntries(optimiser.slots.map((slot) => [slot, none])) };
}

function scalars(
  optimiser: Optimiser,
  step: { momentum: number; applied: number; applies: boolean; rate: number; decay: number },
): Numbers {
  const coefficients = Object.entries(optimiser.coefficientsAt(step));
  expect(coefficients.map(([name]) => name).sort()).toEqual([...optimiser.coefficients].sort());
  return {
    ...Object.fromEntries(coefficients.map(([name, value]) => [name, [value]])),
    rate: [step.rate],
    decay: [step.decay],
  };
}

/**
 * Float64 graphs run on the interpreter, float32 ones on ONNX Runtime; the results of `next.NAME` come back
 * as NAME.
 */
async function prepare(graph: Graph): Promise<Run> {
  const inputs = [...graph.inputs];
  const only = (feeds: Numbers) => Object.fromEntries(inputs.map(([name]) => [name, feeds[name]]));
  const numbers = (results: ReadonlyMap<string, HostTensor>): Numbers =>
    Object.fromEntries(
      [...results].map(([name, tensor]) => [name.replace(/^next\./, ""), toNumbers(tensor)]),
    );
  if (inputs[0][1].dtype === "float64") return async (feeds) => numbers(interpret(graph, only(feeds)));
  const program = await Program.compile(graph, { threads: 1 });
  return async (feeds) =>
    numbers(
      await program.run(
        new Map(inputs.map(([name, { dtype, shape }]) => [name, fromNumbers(dtype, shape, feeds[name])])),
      ),
    );
}

function expectClose(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(got.length).toBe(expected.length);
  for (let i = 0; i < got.length; i++) {
    const error = Math.abs(got[i] - expected[i]) / Math.max(Math.abs(expected[i]), 1e-3);
    expect(error, `element ${i}: ${got[i]} against ${expected[i]}`).toBeLessThan(tolerance);
  }
}

function bits(values: ArrayLike<number>): Uint32Array {
  return new Uint32Array(Float32Array.from(values).buffer);
}
