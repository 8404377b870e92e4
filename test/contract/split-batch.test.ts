import { describe, expect, it } from "vitest";
import { gradientsOf } from "../../src/autodiff/index.js";
import {
  add,
  batchNorm,
  concat,
  conv,
  Graph,
  interpret,
  maxPool,
  mul,
  optimise,
  reduceMean,
  reduceSum,
  type PartLimits,
  reshape,
  sigmoid,
  silu,
  slice,
  split,
  splitBatch,
  upsampleNearest,
  type Value,
  verify,
} from "../../src/graph/index.js";
import { trainingStepFlops } from "../../src/models/index.js";
import { Program } from "../../src/runtime/index.js";
import { fromNumbers, type HostTensor, randomStream, sizeOf, toNumbers } from "../../src/tensor/index.js";
import { relativeDifference } from "../support/relative-difference.js";

/** Bytes of a 3x16x16 image, and of the largest value that is made of it, 4x8x8. */
const [inputBytes, imageBytes] = [4 * 3 * 16 * 16, 4 * 4 * 8 * 8];

const weightsOf = (channels: number) => ({
  stem: [channels, 3, 4, 4],
  down: [channels, channels, 3, 3],
  left: [channels - 2, channels, 1, 1],
  up: [channels, channels, 3, 3],
  gate: [channels, channels, 1, 1],
  scale: [channels],
  bias: [channels],
});

/**
 * A training step with all that a network puts between its convolutions: strides, normalisation, SiLU, a residual, a
 * gate for each image, halves of the channels, pooling, a coarser level and back; with gradients of everything.
 */
function trainingStep({ batch, channels, size }: Record<"batch" | "channels" | "size", number>): Graph {
  const graph = new Graph();
  const weights = weightsOf(channels);
  const x = graph.input("x", "float32", [batch, 3, 2 * size, 2 * size]);
  const parameters = Object.fromEntries(
    Object.entries(weights).map(([name, shape]) => [name, graph.input(name, "float32", shape)]),
  ) as Record<keyof ReturnType<typeof weightsOf>, Value>;
  const { stem, down, left, up, gate, scale, bias } = parameters;
  const block = (name: string, input: Value, weight: Value, stride: number, pad: number) => {
    const y = conv(input, weight, { strides: [stride, stride], pads: [pad, pad] });
    const [normal, mean, variance] = batchNorm(y, scale, bias, 1e-3);
    graph.output(`${name}.mean`, mean);
    graph.output(`${name}.variance`, variance);
    return silu(normal);
  };
  const plain = { strides: [1, 1], pads: [0, 0] } as const;
  const fine = block("stem", x, stem, 2, 1);
  const halves = concat([conv(fine, left, plain), slice(fine, 1, 1, 3)], 1);
  const coarse = block("down", add(halves, fine), down, 2, 1);
  const pooled = maxPool(coarse, { kernel: 3, stride: 1, pad: 1 });
  const [first, second] = split(upsampleNearest(pooled, 2), 1, [1, channels - 1]);
  const back = block("up", add(fine, concat([second, first], 1)), up, 1, 1);
  const open = sigmoid(conv(reshape(reduceMean(back, [2, 3]), [batch, channels, 1, 1]), gate, plain));
  const result = mul(back, open);
  graph.output("result", result);
  const loss = reduceSum(mul(result, result));
  graph.output("loss", loss);
  for (const [i, gradient] of gradientsOf(loss, [x, ...Object.values(parameters)]).entries()) {
    graph.output(`gradient ${i}`, gradient);
  }
  return optimise(graph);
}

function numbersFor(graph: Graph): Record<string, number[]> {
  return Object.fromEntries(
    [...graph.inputs].map(([name, { shape }]) => {
      const random = randomStream(0, "split", name);
      return [name, Array.from({ length: sizeOf(shape) }, () => random.uniform(-1, 2))];
    }),
  );
}

const tiny = { channels: 4, size: 8 };
const pairs: PartLimits = { leastImages: 1, partBytes: 2 * inputBytes, fromBytes: 1 };

/** Lengths of the batch that convolutions read. */
function batchesOf(graph: Graph): number[] {
  const convolutions = graph.nodes.filter(({ op }) => op === "Conv" || op === "ConvInputGrad");
  return [...new Set(convolutions.map(({ inputs }) => inputs[0].shape[0]))];
}

describe("splitBatch", () => {
  it.each([
    ["one image", 1, {}, [1]],
    ["pairs that fit", 4, {}, [2]],
    ["single images, since no pair divides them", 3, {}, [1]],
    ["single images, since no pair fits", 4, { partBytes: 1 }, [1]],
    ["no fewer images than are allowed", 6, { partBytes: 1, leastImages: 2 }, [2]],
    ["no fewer images than are allowed, and no rest", 9, { partBytes: 1, leastImages: 2 }, [3]],
    ["a prime number of images as a whole", 5, { partBytes: 1, leastImages: 2 }, [5]],
    ["all where all fit", 4, { partBytes: 1e6 }, [4]],
  ])("computes %s at once, with the whole batch's results", (_, batch, limits, parts) => {
    const graph = trainingStep({ batch, ...tiny });
    const inParts = splitBatch(graph, { ...pairs, ...limits });
    verify(inParts);
    expect([...inParts.inputs.keys()]).toEqual([...graph.inputs.keys()]);
    expect([...inParts.outputs.keys()]).toEqual([...graph.outputs.keys()]);
    expect(batchesOf(inParts)).toEqual(parts);
    expect(trainingStepFlops(inParts)).toBe(trainingStepFlops(graph));
    const feeds = numbersFor(graph);
    const results = interpret(inParts, feeds);
    for (const [name, { data }] of interpret(graph, feeds)) {
      expect(relativeDifference(results.get(name)!.data, data), name).toBeLessThan(1e-12);
    }
  });

  it("leaves small values whole, and joins what a large value's part makes of them", () => {
    const fromBytes = 4 * imageBytes;
    const inParts = splitBatch(trainingStep({ batch: 4, ...tiny }), { ...pairs, fromBytes });
    expect(batchesOf(inParts).toSorted()).toEqual([2, 4]);
    const statistics = inParts.nodes.filter(({ op }) => op === "BatchNorm");
    expect(statistics.map(({ inputs: [{ shape }] }) => shape.join("x"))).toEqual([
      ...["2x4x8x8", "2x4x8x8"],
      "4x4x4x4",
      ...["2x4x8x8", "2x4x8x8"],
    ]);
  });

  it("leaves a graph without statistics of a batch as it is", () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [4, 3, 8, 8]);
    graph.output(
      "y",
      silu(conv(x, graph.input("w", "float32", [2, 3, 1, 1]), { strides: [1, 1], pads: [0, 0] })),
    );
    expect(splitBatch(graph, pairs)).toBe(graph);
  });

  it("puts a variance together without cancellation", async () => {
    const graph = new Graph();
    const shape = [4, 2, 512, 256];
    const x = graph.input("x", "float32", [4, 1, 512, 256]);
    const y = conv(x, graph.input("w", "float32", [2, 1, 1, 1]), { strides: [1, 1], pads: [0, 0] });
    const vector = graph.input("one", "float32", [2]);
    const [normal, , variance] = batchNorm(y, vector, vector, 1e-3);
    graph.output("normal", normal);
    graph.output("variance", variance);
    const random = randomStream(0, "cancellation");
    const feeds = {
      x: Array.from({ length: sizeOf(x.shape) }, () => random.uniform(999.5, 1000.5)),
      w: [1, -1],
      one: [1, 1],
    };
    expect(sizeOf(shape) * 4).toBeGreaterThan(4e6);
    const program = await Program.compile(graph, { threads: 1 });
    const results = await program.run(
      new Map(
        [...graph.inputs].map(([name, { shape }]) => [
          name,
          fromNumbers("float32", shape, feeds[name as "x"]),
        ]),
      ),
    );
    await program.close();
    for (const got of toNumbers(results.get("variance") as HostTensor)) expect(got).toBeCloseTo(1 / 12, 3);
  });
});

describe("a training step on ONNX Runtime, in parts", () => {
  it.each([1, 2])("has the whole batch's results, %i threads", async (threads) => {
    const graph = trainingStep({ batch: 4, channels: 32, size: 80 });
    const feeds = new Map(
      Object.entries(numbersFor(graph)).map(([name, numbers]): [string, HostTensor] => [
        name,
        fromNumbers("float32", graph.inputs.get(name)!.shape, numbers),
      ]),
    );
    const [inParts, whole] = await Promise.all(
      [true, false].map(async (optimise) => {
        const program = await Program.compile(graph, { threads, optimise });
        const results = await program.run(feeds);
        await program.close();
        return results;
      }),
    );
    for (const [name, tensor] of whole) {
      const got = toNumbers(inParts.get(name) as HostTensor);
      expect(relativeDifference(got, toNumbers(tensor)), name).toBeLessThan(1e-3);
    }
  });
});
