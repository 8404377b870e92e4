import { InferenceSession, Tensor } from "onnxruntime-node";
import { Graph } from "../graph/index.js";
import { serialise } from "../onnx/index.js";

/** Channels of a block on AVX-512, AVX2 and NEON. */
const candidates = [16, 8, 4];
/** Relative to the largest result; the forms add in different orders. */
const tolerance = 1e-5;
/** Large enough for the blocked form to be chosen, small enough to take no time. */
const shape = [1, 32, 40, 40];

let known: Promise<number | null> | undefined;

/**
 * Channels of a block of ONNX Runtime's own layout on this processor, found by trying: the block with which a
 * convolution in that layout has the results of the plain one. Null where none has; convolutions then stay plain. Found
 * once for each process.
 */
export function blockedLayout(): Promise<number | null> {
  known ??= find();
  return known;
}

async function find(): Promise<number | null> {
  const plain = await results(null);
  const largest = plain.reduce((most, y) => Math.max(most, Math.abs(y)), 0);
  for (const block of candidates) {
    // A refusal of the domain is an answer as well.
    const blocked = await results(block).catch(() => null);
    if (blocked?.every((y, i) => Math.abs(y - plain[i]) <= tolerance * largest)) return block;
  }
  return null;
}

/** A 3x3 convolution at stride 1 and its input's gradient on fixed numbers. */
async function results(block: number | null): Promise<Float32Array> {
  const graph = new Graph();
  const x = graph.input("x", "float32", shape);
  const weight = graph.input("weight", "float32", [32, 32, 3, 3]);
  const geometry = { strides: [1, 1], pads: [1, 1] } as const;
  const [y] = graph.apply("Conv", [x, weight], geometry);
  graph.output("dx", graph.apply("ConvInputGrad", [y, weight], { ...geometry, size: [40, 40] })[0]);
  const session = await InferenceSession.create(serialise(graph, { block }), {
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  const fed = (dims: readonly number[]) => {
    const numbers = new Float32Array(dims.reduce((a, b) => a * b)).map((_, i) => Math.sin(i * i));
    return new Tensor("float32", numbers, dims);
  };
  try {
    const { dx } = await session.run({ x: fed(x.shape), weight: fed(weight.shape) });
    return dx.data as Float32Array;
  } finally {
    await session.release();
  }
}
