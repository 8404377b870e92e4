import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autodiff/index.js";
import { interpretValues } from "../../src/graph/index.js";
import { attend, type AttentionKind, attentionKinds } from "../../src/nn/index.js";
import { Program } from "../../src/runtime/index.js";
import { fromNumbers, randomStream, type Shape, sizeOf, toNumbers } from "../../src/tensor/index.js";
import {
  type BuiltLayer,
  buildLayer,
  expectGradientsByDifferences,
  outputOf,
} from "../support/built-layer.js";

const shape: Shape = [2, 3, 3, 4];
const [, channels, height, width] = shape;
const hidden = 8;
const kinds = attentionKinds.filter((kind) => kind !== "none");
const attention = (kind: AttentionKind, of = shape, mode: "train" | "deploy" = "train") =>
  buildLayer(of, (scope, x) => attend(scope.child("block"), x, kind), { mode });

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]) => sum(values) / values.length;
const range = (count: number) => Array.from({ length: count }, (_, i) => i);
/** Rows of a matrix in row-major order, times a vector. */
const product = (matrix: readonly number[], vector: readonly number[]) =>
  range(matrix.length / vector.length).map((row) =>
    sum(vector.map((value, i) => value * matrix[row * vector.length + i])),
  );
const positivePart = (values: readonly number[]) => values.map((value) => Math.max(value, 0));
const plus = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value + b[i]);

type Maps = readonly (readonly number[])[];
type Feeds = Readonly<Record<string, number[]>>;

/** Each kind's definition for one image, its channels as lists of pixels. */
const definitions: Record<(typeof kinds)[number], (maps: Maps, feeds: Feeds) => Maps> = {
  se: (maps, feeds) => {
    const of = (name: string) => feeds[`block.attention.${name}`];
    const inner = positivePart(plus(product(of("fc1.weight"), maps.map(mean)), of("fc1.bias")));
    const gates = plus(product(of("fc2.weight"), inner), of("fc2.bias")).map(sigmoid);
    return maps.map((map, c) => map.map((value) => value * gates[c]));
  },
  cbam: (maps, feeds) => {
    const of = (name: string) => feeds[`block.attention.${name}`];
    const score = (pooled: number[]) =>
      product(of("channel.fc2.weight"), positivePart(product(of("channel.fc1.weight"), pooled)));
    const gates = plus(score(maps.map(mean)), score(maps.map((map) => Math.max(...map)))).map(sigmoid);
    const gated = maps.map((map, c) => map.map((value) => value * gates[c]));
    const column = (at: number) => gated.map((map) => map[at]);
    const pooled = [
      range(height * width).map((at) => mean(column(at))),
      range(height * width).map((at) => Math.max(...column(at))),
    ];
    const kernel = of("spatial.conv.weight");
    const convolved = (at: number) => {
      let total = 0;
      for (let plane = 0; plane < 2; plane++) {
        for (let i = 0; i < 7; i++) {
          for (let j = 0; j < 7; j++) {
            const [row, col] = [Math.floor(at / width) + i - 3, (at % width) + j - 3];
            if (row < 0 || row >= height || col < 0 || col >= width) continue;
            total += kernel[(plane * 7 + i) * 7 + j] * pooled[plane][row * width + col];
          }
        }
      }
      return total;
    };
    return gated.map((map) => map.map((value, at) => value * sigmoid(convolved(at))));
  },
  simam: (maps) =>
    maps.map((map) => {
      const mu = mean(map);
      const variance = sum(map.map((value) => (value - mu) ** 2)) / (map.length - 1);
      return map.map((value) => value * sigmoid((value - mu) ** 2 / (4 * (variance + 1e-4)) + 0.5));
    }),
};

function defined(kind: (typeof kinds)[number], { feeds }: BuiltLayer): number[] {
  const plane = height * width;
  return range(shape[0]).flatMap((image) => {
    const maps = range(channels).map((c) => feeds.x.slice((image * channels + c) * plane).slice(0, plane));
    return definitions[kind](maps, feeds).flat();
  });
}

describe.each(kinds)("%s", (kind) => {
  it("computes its definition", () => {
    const layer = attention(kind);
    const expected = defined(kind, layer);
    const got = outputOf(layer, layer.feeds);
    expect(got).toHaveLength(expected.length);
    got.forEach((value, i) => {
      // The graph holds its constants in float32.
      expect(value).toBeCloseTo(expected[i], 7);
    });
  });

  it("has the gradients of central differences in its input and every parameter", () => {
    expectGradientsByDifferences(attention(kind));
  });

  it("is deployed as it is trained", () => {
    const [trained, deployed] = [attention(kind), attention(kind, shape, "deploy")];
    expect(deployed.parameters.size).toBe(trained.parameters.size);
    expect(outputOf(deployed, trained.feeds)).toEqual(outputOf(trained, trained.feeds));
    expect([trained.buffers.size, trained.updates.size]).toEqual([0, 0]);
  });

  it("has the same output and gradients through ONNX Runtime", async () => {
    const { x, y, parameters, feeds } = attention(kind);
    const { graph } = x;
    const random = randomStream(9, "cotangent");
    const all: Feeds = { ...feeds, cotangent: range(sizeOf(shape)).map(() => Math.fround(random.normal())) };
    const wrt = ["x", ...parameters.keys()].map((name) => graph.inputs.get(name)!);
    const seed = graph.input("cotangent", "float32", shape);
    const values = [y, ...gradients([{ value: y, cotangent: seed }], wrt)];
    values.forEach((value, i) => {
      graph.output(`value${i}`, value);
    });
    const expected = interpretValues(values, all);
    const program = await Program.compile(graph, { threads: 1 });
    const results = await program.run(
      new Map(
        [...graph.inputs].map(([name, type]) => [name, fromNumbers(type.dtype, type.shape, all[name])]),
      ),
    );
    await program.close();
    expected.forEach(({ data }, i) => {
      const got = toNumbers(results.get(`value${i}`)!);
      const allowed = 1e-5 * data.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
      got.forEach((value, at) => {
        expect(Math.abs(value - data[at]), `value${i} ${at}`).toBeLessThan(allowed);
      });
    });
  });
});

it("of no kind is x itself", () => {
  const { x, y, parameters } = attention("none");
  expect(y).toBe(x);
  expect(parameters.size).toBe(0);
});

describe("parameters", () => {
  const shapes = (kind: AttentionKind, of?: Shape) =>
    [...attention(kind, of).parameters.values()].map(({ name, shape: s, role }) => [name, s, role]);

  it("of squeeze and excitation", () => {
    expect(shapes("se")).toEqual([
      ["block.attention.fc1.weight", [hidden, channels], "weight"],
      ["block.attention.fc1.bias", [hidden], "bias"],
      ["block.attention.fc2.weight", [channels, hidden], "weight"],
      ["block.attention.fc2.bias", [channels], "bias"],
    ]);
  });

  it("of CBAM", () => {
    expect(shapes("cbam")).toEqual([
      ["block.attention.channel.fc1.weight", [hidden, channels], "weight"],
      ["block.attention.channel.fc2.weight", [channels, hidden], "weight"],
      ["block.attention.spatial.conv.weight", [1, 2, 7, 7], "weight"],
    ]);
  });

  it("of SimAM are none", () => {
    expect(shapes("simam")).toEqual([]);
  });

  it.each([
    [127, 8],
    [143, 8],
    [144, 9],
    [512, 32],
  ])("of %d channels pass through %d numbers", (many, between) => {
    for (const [kind, prefix] of [
      ["se", ""],
      ["cbam", "channel."],
    ] as const) {
      const { parameters } = attention(kind, [1, many, 1, 1]);
      expect(parameters.get(`block.attention.${prefix}fc1.weight`)?.shape).toEqual([between, many]);
    }
  });
});

describe("a map of one pixel", () => {
  it.each(kinds)("has a finite output and gradients under %s", (kind) => {
    const layer = attention(kind, [2, 3, 1, 1]);
    expect(outputOf(layer, layer.feeds).every(Number.isFinite)).toBe(true);
    expectGradientsByDifferences(layer);
  });

  it("is scaled by sigmoid(1/2) under SimAM, as one of equal pixels is", () => {
    const one = attention("simam", [1, 3, 1, 1]);
    const equal = attention("simam", [1, 1, 2, 2]);
    expect(outputOf(one, { x: [3, -2, 0] })).toEqual([3, -2, 0].map((value) => value * sigmoid(0.5)));
    expect(outputOf(equal, { x: [3, 3, 3, 3] })).toEqual(Array(4).fill(3 * sigmoid(0.5)));
  });
});
