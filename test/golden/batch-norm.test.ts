import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autodiff/index.js";
import { Graph, interpret, type Value } from "../../src/graph/index.js";
import { batchNormDefaults, convBlock, Scope } from "../../src/nn/index.js";
import { Program } from "../../src/runtime/index.js";
import { fromNumbers, type HostTensor, sizeOf, toNumbers } from "../../src/tensor/index.js";

const fixture = JSON.parse(readFileSync(new URL("../fixtures/batch-norm.json", import.meta.url), "utf8"));
const { x, weight, bias, runningMean, runningVar, cotangent } = fixture.inputs;
const channels: number = x.shape[1];

/** A 1x1 convolution whose weight is the identity, so that what follows it sees x itself. */
const identity = Array.from({ length: channels ** 2 }, (_, i) => (i % (channels + 1) === 0 ? 1 : 0));
const feeds: Record<string, readonly number[]> = {
  x: x.data,
  cotangent: cotangent.data,
  "conv.weight": identity,
  "bn.weight": weight.data,
  "bn.bias": bias.data,
  "bn.running_mean": runningMean.data,
  "bn.running_var": runningVar.data,
};

describe("batch normalisation of a convolution block, in training", () => {
  const graph = buildBlock();
  const engines: [string, number, () => Promise<ReadonlyMap<string, HostTensor>>][] = [
    ["the interpreter", 1e-6, async () => interpret(graph, feeds)],
    [
      "ONNX Runtime",
      1e-5,
      async () => {
        const program = await Program.compile(graph, { threads: 1 });
        const tensors = [...graph.inputs].map(([name, { dtype, shape }]): [string, HostTensor] => [
          name,
          fromNumbers(dtype, shape, feeds[name]),
        ]);
        const results = await program.run(new Map(tensors));
        await program.close();
        return results;
      },
    ],
  ];

  it.each(engines)(
    "has PyTorch's output, gradients and running statistics on %s",
    async (_, tolerance, run) => {
      expect(batchNormDefaults).toEqual({ epsilon: fixture.eps, momentum: fixture.momentum });
      const results = await run();
      const near = (name: string, expected: { data: readonly number[] }, within = tolerance) => {
        const got = toNumbers(results.get(name) as HostTensor);
        expect(got).toHaveLength(expected.data.length);
        const scale = Math.max(...expected.data.map(Math.abs));
        got.forEach((value, i) => {
          const difference = Math.abs(value - expected.data[i]);
          expect(difference / scale, `${name} ${i}: ${value} against ${expected.data[i]}`).toBeLessThan(
            within,
          );
        });
      };
      near("y", fixture.outputs.y);
      near("next.bn.running_mean", fixture.outputs.runningMean);
      near("next.bn.running_var", fixture.outputs.runningVar);
      near("gradient.x", fixture.gradients.x);
      near("gradient.bn.weight", fixture.gradients.weight);
      near("gradient.bn.bias", fixture.gradients.bias);
    },
  );
});

it("takes a single value's variance as it is: there is no unbiased one", () => {
  const graph = new Graph();
  const image = graph.input("x", "float32", [1, 1, 1, 1]);
  convBlock(trainingScope(graph), image, { filters: 1 });
  const results = interpret(graph, {
    x: [3],
    "conv.weight": [1],
    "bn.weight": [1],
    "bn.bias": [0],
    "bn.running_mean": [1],
    "bn.running_var": [2],
  });
  const [mean] = toNumbers(results.get("next.bn.running_mean") as HostTensor);
  const [variance] = toNumbers(results.get("next.bn.running_var") as HostTensor);
  expect(mean).toBeCloseTo(1 * 0.97 + 3 * 0.03, 6);
  expect(variance).toBeCloseTo(2 * 0.97, 6);
});

/** The block up to the normalisation's output, which SiLU reads, and the gradients of sum(y · cotangent). */
function buildBlock(): Graph {
  const graph = new Graph();
  const image = graph.input("x", "float32", x.shape);
  const activated = convBlock(trainingScope(graph), image, { filters: channels });
  const y = activated.node.inputs[0];
  expect([activated.node.op, y.node.op]).toEqual(["Silu", "BatchNorm"]);
  graph.output("y", y);
  const wrt: Record<string, Value> = { x: image };
  for (const name of ["bn.weight", "bn.bias"]) wrt[name] = graph.inputs.get(name) as Value;
  const seed = graph.input("cotangent", "float32", cotangent.shape);
  gradients([{ value: y, cotangent: seed }], Object.values(wrt)).forEach((gradient, i) => {
    graph.output(`gradient.${Object.keys(wrt)[i]}`, gradient);
  });
  return graph;
}

function trainingScope(graph: Graph): Scope {
  const declare = ({ name, shape }: { name: string; shape: readonly number[] }) => {
    expect(sizeOf(shape)).toBeGreaterThan(0);
    return graph.input(name, "float32", shape);
  };
  return new Scope({
    graph,
    mode: "train",
    parameter: declare,
    buffer: declare,
    dropout: () => expect.unreachable("a convolution block has no dropout"),
    updateBuffer: ({ name }, next) => graph.output(`next.${name}`, next),
  });
}
