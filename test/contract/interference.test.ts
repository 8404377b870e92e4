import { describe, expect, it } from "vitest";
import {
  add,
  cast,
  Graph,
  greater,
  interpret,
  mul,
  reduceSum,
  stopGradient,
  type Value,
} from "../../src/graph/index.js";
import {
  clashOf,
  conflictOf,
  type Gram,
  gramValues,
  groupByLayer,
  layerOf,
  type LayerGram,
  reaching,
  readGrams,
  sharedParameters,
  spreadOf,
  sumGrams,
  summariseClashes,
} from "../../src/interference/index.js";
import { Program } from "../../src/runtime/index.js";
import { hostTensor, randomStream } from "../../src/tensor/index.js";

const tasks = ["detection", "classification"];

describe("sharedParameters", () => {
  it("are those that two losses reach with a gradient", () => {
    const graph = new Graph();
    const values = ["trunk", "headA", "headB", "detached", "compared", "unused"].map(
      (name) => [name, graph.input(name, "float32", [3])] as const,
    );
    const { trunk, headA, headB, detached, compared } = Object.fromEntries(values);
    const features = mul(trunk, 2);
    const a = reduceSum(mul(features, add(headA, detached)));
    const mask = cast(greater(compared, 0), "float32");
    const b = reduceSum(mul(mul(features, mask), add(headB, stopGradient(detached))));
    const c = reduceSum(mul(compared, headB));
    const names = (found: ReadonlySet<Value>) =>
      values.filter(([, value]) => found.has(value)).map(([name]) => name);
    const all = values.map(([, value]) => value);
    expect(names(reaching(a, all))).toEqual(["trunk", "headA", "detached"]);
    expect(names(reaching(b, all))).toEqual(["trunk", "headB"]);
    expect(names(reaching(b, all, { throughStopGradient: true }))).toEqual(["trunk", "headB", "detached"]);
    expect(sharedParameters([a, b], new Map(values))).toEqual(["trunk"]);
    expect(sharedParameters([a, b, c], new Map(values))).toEqual(["trunk", "headB"]);
    expect(sharedParameters([a], new Map(values))).toEqual([]);
  });
});

describe("layers", () => {
  it("hold a convolution and its batch normalisation together", () => {
    expect(
      groupByLayer([
        "model.0.conv.weight",
        "model.0.bn.weight",
        "model.17.m.0.cv2.conv.weight",
        "model.0.bn.bias",
        "classifier.linear.weight",
        "classifier.linear.bias",
        "model.24.m.0.bias",
      ]),
    ).toEqual([
      { name: "model.0", parameters: ["model.0.conv.weight", "model.0.bn.weight", "model.0.bn.bias"] },
      { name: "model.17.m.0.cv2", parameters: ["model.17.m.0.cv2.conv.weight"] },
      { name: "classifier.linear", parameters: ["classifier.linear.weight", "classifier.linear.bias"] },
      { name: "model.24.m.0", parameters: ["model.24.m.0.bias"] },
    ]);
    expect(layerOf("weight")).toBe("");
  });
});

describe("Gram matrices of gradients", () => {
  const shapes = { "a.weight": [40, 5], "a.bias": [7], "b.weight": [300] };
  const layers = groupByLayer(Object.keys(shapes));
  const names = Object.keys(shapes) as (keyof typeof shapes)[];

  /** Random gradients of three tasks, each times its scale. */
  function gradients(scales: readonly number[]): Record<string, Float32Array> {
    const random = randomStream(3, "gradients");
    const feeds: Record<string, Float32Array> = {};
    scales.forEach((scale, task) => {
      for (const name of names) {
        const length = shapes[name].reduce((a, b) => a * b);
        feeds[`${task} ${name}`] = Float32Array.from({ length }, () => scale * random.normal());
      }
    });
    return feeds;
  }

  function build(count: number): Graph {
    const graph = new Graph();
    const perTask = Array.from(
      { length: count },
      (_, task) =>
        new Map(
          names.map((name) => [name as string, graph.input(`${task} ${name}`, "float32", shapes[name])]),
        ),
    );
    const { gram, scale } = gramValues(perTask, layers);
    graph.output("gram", gram);
    graph.output("scale", scale);
    return graph;
  }

  /** Σ gᵢ gⱼ in float64, by the definition. */
  function expected(feeds: Record<string, Float32Array>, count: number): LayerGram[] {
    return layers.map(({ name, parameters }) => {
      const rows = Array.from({ length: count }, (_, task) =>
        parameters.flatMap((parameter) => [...feeds[`${task} ${parameter}`]]),
      );
      return { name, gram: rows.map((a) => rows.map((b) => a.reduce((sum, x, i) => sum + x * b[i], 0))) };
    });
  }

  async function measured(feeds: Record<string, Float32Array>, count: number): Promise<LayerGram[]> {
    const program = await Program.compile(build(count), { threads: 1 });
    try {
      const results = await program.run(
        new Map(
          Object.entries(feeds).map(([name, data]) => [
            name,
            hostTensor("float32", shapes[name.slice(2) as keyof typeof shapes], data),
          ]),
        ),
      );
      const [gram, scale] = ["gram", "scale"].map((name) => results.get(name)!);
      expect(gram.shape).toEqual([layers.length, count, count]);
      return readGrams(layers, { gram, scale });
    } finally {
      await program.close();
    }
  }

  /** Entries agree within `tolerance` of the product of the two norms. */
  function expectGrams(actual: readonly LayerGram[], wanted: readonly LayerGram[], tolerance: number): void {
    expect(actual.map(({ name }) => name)).toEqual(wanted.map(({ name }) => name));
    wanted.forEach(({ gram }, layer) => {
      gram.forEach((row, i) => {
        row.forEach((value, j) => {
          const size = Math.sqrt(gram[i][i] * gram[j][j]);
          const error = Math.abs(actual[layer].gram[i][j] - value);
          expect(error, `layer ${layer}, ${i}, ${j}`).toBeLessThanOrEqual(tolerance * size);
        });
      });
    });
  }

  // Squares of 1e-30 are far below the smallest float32, those of 1e20 above the largest.
  it.each([[[1, 1, 1]], [[1e-12, 1e6, 1]], [[1e-30, 1e20, 1e-3]]])("of scales %j", async (scales) => {
    const feeds = gradients(scales);
    const wanted = expected(feeds, 3);
    expect(wanted[0].gram[0][1]).not.toBe(0);
    expectGrams(await measured(feeds, 3), wanted, 1e-6);
    const outputs = interpret(build(3), feeds);
    const [gram, scale] = ["gram", "scale"].map((name) => {
      const { shape, data } = outputs.get(name)!;
      return hostTensor("float64", shape, data);
    });
    expectGrams(readGrams(layers, { gram, scale }), wanted, 1e-13);
  });

  it.each([
    ["parallel", (x: number) => 5 * x, 1],
    ["opposite", (x: number) => -1e-9 * x, -1],
    ["orthogonal", (x: number, i: number) => (i % 2 === 0 ? 0 : x), null],
    ["zero", () => 0, null],
  ])("of %s gradients", async (kind, second, cosine) => {
    const feeds = gradients([1, 1]);
    for (const name of names) {
      if (kind === "orthogonal") feeds[`0 ${name}`] = feeds[`0 ${name}`].map((x, i) => (i % 2 === 0 ? x : 0));
      feeds[`1 ${name}`] = (kind === "orthogonal" ? gradients([1, 1])[`1 ${name}`] : feeds[`0 ${name}`]).map(
        second,
      );
    }
    const grams = await measured(feeds, 2);
    for (const gram of [...grams.map((layer) => layer.gram), sumGrams(grams, 2)]) {
      const conflict = conflictOf(gram, tasks);
      if (kind === "orthogonal") expect(conflict.cosine).toBe(0);
      else if (cosine === null) expect(conflict.cosine).toBeNull();
      else expect(conflict.cosine).toBeCloseTo(cosine, 6);
      expect(conflict.norms.detection).toBeGreaterThan(0);
    }
    const clash = clashOf(conflictOf(sumGrams(grams, 2), tasks), { detection: 2, classification: 1 });
    expect(clash.conflicts).toBe(kind === "opposite");
    expect(clash.removableEnergy).toBeCloseTo(kind === "opposite" ? 1 : 0, 6);
    if (kind === "parallel") expect(clash.normRatio).toBeCloseTo(2.5, 5);
    if (kind === "zero") expect(clash.normRatio).toBe(0);
  });

  it("refuses results of other layers", () => {
    const gram = hostTensor("float32", [1, 2, 2], new Float32Array(4));
    const scale = hostTensor("float32", [1, 2], new Float32Array(2));
    expect(() => readGrams(layers, { gram, scale })).toThrow(
      /gram matrices: expect \[2, tasks, tasks\] and \[2, tasks\], got \[1, 2, 2\]/,
    );
  });
});

describe("conflicts", () => {
  /** Of gradients of the lengths a and b with a cosine between them. */
  const gramOf = (a: number, b: number, cosine: number): Gram => [
    [a * a, a * b * cosine],
    [a * b * cosine, b * b],
  ];
  const weights = { detection: 1, classification: 0.5 };
  const clash = (gram: Gram) => clashOf(conflictOf(gram, tasks), weights);

  it("have the norms of the losses and the ratio of the weighted ones", () => {
    expect(conflictOf(gramOf(2, 3, -0.5), tasks)).toEqual({
      norms: { detection: 2, classification: 3 },
      cosine: -0.5,
    });
    expect(clash(gramOf(2, 3, -0.5))).toEqual({
      cosine: -0.5,
      normRatio: 0.75,
      conflicts: true,
      removableEnergy: 0.25,
    });
    expect(clash(gramOf(0, 3, 0))).toMatchObject({ cosine: null, normRatio: null, conflicts: false });
  });

  it("lose by PCGrad's projection the share that is called removable", () => {
    const [g1, g2] = [
      [1, 2, -3],
      [-2, 0.5, 1],
    ];
    const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i], 0);
    const gram = [g1, g2].map((a) => [g1, g2].map((b) => dot(a, b)));
    const projected = g1.map((x, i) => x - (dot(g1, g2) / dot(g2, g2)) * g2[i]);
    const { removableEnergy } = clash(gram);
    expect(removableEnergy).toBeCloseTo(1 - dot(projected, projected) / dot(g1, g1), 12);
    expect(removableEnergy).toBeGreaterThan(0.2);
  });

  it("are summed up over batches, without those that have no two gradients", () => {
    const summary = summariseClashes([
      clash(gramOf(1, 2, 0.5)),
      clash(gramOf(1, 8, -0.1)),
      clash(gramOf(1, 0, 0)),
    ]);
    expect(summary.batches).toBe(2);
    expect(summary.cosine?.mean).toBeCloseTo(0.2, 12);
    expect(summary.cosine?.sd).toBeCloseTo(0.6 / Math.SQRT2, 12);
    expect(summary.normRatio?.geometricMean).toBeCloseTo(2, 12);
    expect(summary.conflictRate).toBe(0.5);
    expect(summary.removableEnergy?.mean).toBeCloseTo(0.005, 12);
    expect(summariseClashes([clash(gramOf(0, 0, 0))])).toEqual({
      batches: 0,
      cosine: null,
      normRatio: null,
      conflictRate: null,
      removableEnergy: null,
    });
    expect(spreadOf([3])).toEqual({ mean: 3, sd: null });
  });

  it("are those of one pair", () => {
    const three = [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ];
    expect(() => conflictOf(three, ["a", "b", "c"])).toThrow(/expects the Gram matrix of at most two tasks/);
    expect(conflictOf([[4]], ["a"])).toEqual({ norms: { a: 2 }, cosine: null });
  });
});
