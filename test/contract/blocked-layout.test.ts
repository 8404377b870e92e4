import { describe, expect, it } from "vitest";
import { Graph } from "../../src/graph/index.js";
import { serialise } from "../../src/onnx/index.js";
import { Program } from "../../src/runtime/index.js";
import { blockedLayout } from "../../src/runtime/blocked-layout.js";
import { type HostTensor, hostTensor, toNumbers } from "../../src/tensor/index.js";
import { relativeDifference } from "../support/relative-difference.js";

const domain = "com.microsoft.nchwc";
const mentions = (bytes: Uint8Array) => Buffer.from(bytes).includes(domain);

interface Case {
  readonly channels: number;
  readonly stride: number;
  readonly size: number;
  readonly kernel?: number;
}

/** A convolution and its input's gradient. */
function convolution({ channels, stride, size, kernel = 3 }: Case): Graph {
  const graph = new Graph();
  const x = graph.input("x", "float32", [2, channels, size, size]);
  const weight = graph.input("weight", "float32", [32, channels, kernel, kernel]);
  const pad = Math.floor(kernel / 2);
  const geometry = { strides: [stride, stride], pads: [pad, pad] } as const;
  const [y] = graph.apply("Conv", [x, weight], geometry);
  graph.output("y", y);
  graph.output("dx", graph.apply("ConvInputGrad", [y, weight], { ...geometry, size: [size, size] })[0]);
  return graph;
}

describe("convolutions in ONNX Runtime's own layout", () => {
  it.each([
    { channels: 32, stride: 1, size: 40 },
    { channels: 32, stride: 2, size: 64 },
    { channels: 3, stride: 1, size: 40 },
  ])("have the results of the plain ones: %o", async (problem) => {
    const graph = convolution(problem);
    if ((await blockedLayout()) !== null) {
      expect(mentions(serialise(graph, { block: await blockedLayout() }))).toBe(true);
    }
    const feeds = new Map(
      [...graph.inputs].map(([name, { shape }]): [string, HostTensor] => {
        const numbers = new Float32Array(shape.reduce((a, b) => a * b)).map((_, i) => Math.cos(i * i + 1));
        return [name, hostTensor("float32", shape, numbers)];
      }),
    );
    const [blocked, plain] = await Promise.all(
      [true, false].map(async (optimise) => {
        const program = await Program.compile(graph, { threads: 1, optimise });
        const results = await program.run(feeds);
        await program.close();
        return results;
      }),
    );
    for (const [name, tensor] of plain) {
      const actual = toNumbers(blocked.get(name) as HostTensor);
      expect(relativeDifference(actual, toNumbers(tensor)), name).toBeLessThan(1e-5);
    }
  });

  it.each([
    { why: "few pixels", channels: 32, stride: 1, size: 10 },
    { why: "a 1x1 kernel", channels: 32, stride: 1, size: 40, kernel: 1 },
    { why: "channels that fill no whole block", channels: 24, stride: 1, size: 8 },
  ])("stay plain with $why", (problem) => {
    expect(mentions(serialise(convolution(problem), { block: 16 }))).toBe(false);
  });

  it("are left out of a model that another processor may run", () => {
    expect(mentions(serialise(convolution({ channels: 32, stride: 1, size: 40 })))).toBe(false);
  });
});
