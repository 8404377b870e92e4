import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { gradientsOf } from "../../src/autodiff/index.js";
import {
  anchorsInCells,
  assignTargets,
  buildDetectionLoss,
  completeIou,
  type DetectionGains,
  detectionLoss,
  levelTargetFeeds,
  levelTargetInputs,
  scaledGains,
} from "../../src/detection/index.js";
import { Graph, interpret, reduceSum, type Value } from "../../src/graph/index.js";
import { Program } from "../../src/runtime/index.js";
import {
  fromNumbers,
  type HostTensor,
  hostTensor,
  randomStream,
  type Shape,
  sizeOf,
  toNumbers,
} from "../../src/tensor/index.js";
import { hasReference, readReference } from "../support/read-safetensors.js";

const gains: DetectionGains = { box: 0.05, objectness: 1, classes: 0.5, balance: [4, 1, 0.4] };
const itemNames = ["box", "objectness", "classes"] as const;

interface Case {
  readonly logits: readonly { readonly shape: Shape; readonly data: Float64Array }[];
  readonly targets: ArrayLike<number>;
}
interface Setting {
  readonly extraCapacity?: number;
  readonly smoothing?: number;
  readonly cellWeights?: readonly number[];
}
type Numbers = ReadonlyMap<string, Float64Array>;

describe.each(["loss_nc4", "loss_nc1"])("the detection loss of %s", (name) => {
  const file = `${name}.safetensors`;
  const available = hasReference(file);
  const read = available ? readReference(file) : null;
  const reference = (tensor: string) => read?.(tensor) ?? expect.unreachable(`${file} was not read`);
  const load = (): Case => ({
    logits: [0, 1, 2].map((level) => reference(`pred.${level}`)),
    targets: reference("targets").data,
  });

  it.skipIf(!available)("has PyTorch's value and items on plain arrays", () => {
    const { logits, targets } = load();
    const tensors = logits.map(({ shape, data }) => fromNumbers("float32", shape, data));
    const got = detectionLoss(tensors, targets, { imageSize: 128, scaleGains: false });
    const [batch] = logits[0].shape;
    expectNear(got.loss * batch, reference("loss").data[0], 1e-5);
    itemNames.forEach((item, i) => {
      expectNear(got[item], reference("items_box_obj_cls").data[i], 1e-5);
    });
  });

  it.skipIf(!available).each(["interpreter", "runtime"] as const)(
    "has PyTorch's value, items and gradients on the %s",
    async (engine) => {
      const input = load();
      const got = await evaluate(input, {}, engine);
      const [batch] = input.logits[0].shape;
      expectNear(one(got, "loss") * batch, reference("loss").data[0], 1e-5);
      itemNames.forEach((item, i) => {
        expectNear(one(got, item), reference("items_box_obj_cls").data[i], 1e-5);
      });
      for (const level of [0, 1, 2]) {
        const gradient = (got.get(`gradient.${level}`) as Float64Array).map((value) => value * batch);
        expect(distance(gradient, reference(`grad.${level}`).data), `level ${level}`).toBeLessThan(1e-4);
      }
    },
  );

  it.skipIf(!available)("is the same whatever the capacity of the targets", async () => {
    const plain = await evaluate(load(), {}, "interpreter");
    const padded = await evaluate(load(), { extraCapacity: 37 }, "interpreter");
    for (const [key, expected] of plain) {
      const got = padded.get(key) as Float64Array;
      expect(distance(got, expected), key).toBeLessThan(1e-12);
    }
  });
});

describe("several matches of one cell", () => {
  // Two boxes with the same centre: both fit the same anchors of the same cells.
  const crowded = [0, 1, 0.45, 0.45, 0.2, 0.25, 0, 3, 0.45, 0.45, 0.3, 0.2];

  it("count once each for box and class, and the last decides the objectness", () => {
    const input = randomCase({ batch: 1, classes: 4, targets: crowded });
    const matches = matchesOf(input);
    const repeated = matches.some(({ winner }) => winner.includes(0));
    expect(repeated).toBe(true);
    const got = detectionLoss(tensorsOf(input), input.targets, { imageSize: 128, scaleGains: false });
    const expected = plainLoss(input);
    itemNames.forEach((item) => {
      expectNear(got[item], expected[item], 1e-6);
    });
    expectNear(got.loss, expected.box + expected.objectness + expected.classes, 1e-6);
  });

  it("change the objectness with their order, and nothing else", () => {
    const swapped = [...crowded.slice(6), ...crowded.slice(0, 6)];
    const input = randomCase({ batch: 1, classes: 4, targets: crowded });
    const options = { imageSize: 128, scaleGains: false };
    const first = detectionLoss(tensorsOf(input), crowded, options);
    const second = detectionLoss(tensorsOf(input), swapped, options);
    expectNear(second.box, first.box, 1e-9);
    expectNear(second.classes, first.classes, 1e-9);
    expect(Math.abs(second.objectness - first.objectness)).toBeGreaterThan(1e-6);
  });
});

describe("an image left out of the objectness", () => {
  const targets = [0, 0, 0.4, 0.6, 0.3, 0.2, 0, 1, 0.7, 0.3, 0.1, 0.2];
  const input = randomCase({ batch: 3, classes: 2, targets });
  const kept: Case = {
    targets,
    logits: input.logits.map(({ shape, data }) => ({
      shape: [2, ...shape.slice(1)],
      data: data.slice(0, (data.length / 3) * 2),
    })),
  };

  it("leaves the loss of the others, and gets no gradient", async () => {
    const masked = await evaluate(input, { cellWeights: [1, 1, 0] }, "interpreter");
    const expected = await evaluate(kept, {}, "interpreter");
    for (const name of ["loss", ...itemNames]) expectNear(one(masked, name), one(expected, name), 1e-12);
    for (const level of [0, 1, 2]) {
      const gradient = masked.get(`gradient.${level}`) as Float64Array;
      const part = expected.get(`gradient.${level}`) as Float64Array;
      expect(distance(gradient.slice(0, part.length), part)).toBeLessThan(1e-12);
      expect(Math.max(...gradient.slice(part.length).map(Math.abs))).toBe(0);
    }
  });

  it("changes nothing where every weight is 1, and leaves 0 where every weight is 0", async () => {
    const all = await evaluate(input, { cellWeights: [1, 1, 1] }, "interpreter");
    const none = await evaluate(input, {}, "interpreter");
    expectNear(one(all, "loss"), one(none, "loss"), 1e-12);
    const empty: Case = { ...input, targets: [] };
    const nothing = await evaluate(empty, { cellWeights: [0, 0, 0] }, "runtime");
    expect(one(nothing, "loss")).toBe(0);
    for (const level of [0, 1, 2]) {
      expect(Math.max(...(nothing.get(`gradient.${level}`) as Float64Array).map(Math.abs))).toBe(0);
    }
  });
});

it("teaches images without boxes that no cell holds an object", async () => {
  const input = randomCase({ batch: 2, classes: 3, targets: [] });
  const got = await evaluate(input, {}, "runtime");
  expect(one(got, "box")).toBe(0);
  expect(one(got, "classes")).toBe(0);
  expectNear(one(got, "objectness"), plainLoss(input).objectness, 1e-5);
});

describe("label smoothing", () => {
  const targets = [0, 2, 0.4, 0.6, 0.3, 0.2, 1, 0, 0.7, 0.3, 0.1, 0.2];
  const input = randomCase({ batch: 2, classes: 3, targets });

  it.each([0.1, 0.3])("of %d moves the class targets to 1 - s/2 and s/2", async (smoothing) => {
    const got = await evaluate(input, { smoothing, extraCapacity: 5 }, "interpreter");
    const expected = plainLoss(input, smoothing);
    itemNames.forEach((item) => {
      expectNear(one(got, item), expected[item], 1e-6);
    });
    const option = { imageSize: 128, scaleGains: false, smoothing };
    expectNear(detectionLoss(tensorsOf(input), targets, option).classes, expected.classes, 1e-6);
    expect(Math.abs(expected.classes - plainLoss(input).classes)).toBeGreaterThan(1e-4);
  });
});

it("scales the gains by size and classes as YOLOv5 does", () => {
  const input = randomCase({ batch: 1, classes: 4, targets: [0, 2, 0.4, 0.6, 0.3, 0.2] });
  const plain = detectionLoss(tensorsOf(input), input.targets, { imageSize: 320, scaleGains: false });
  const scaled = detectionLoss(tensorsOf(input), input.targets, { imageSize: 320 });
  expectNear(scaled.box, plain.box, 1e-12);
  expectNear(scaled.objectness, plain.objectness / 4, 1e-6);
  expectNear(scaled.classes, plain.classes / 20, 1e-6);
  expect(scaledGains(640, 80)).toEqual(gains);
});

it("names the level that disagrees with the others", () => {
  const input = randomCase({ batch: 1, classes: 4, targets: [] });
  const [p3, p4, p5] = tensorsOf(input);
  const other = fromNumbers("float32", [1, 3, 4, 4, 8], new Float64Array(384));
  expect(() => detectionLoss([p3, p4, other], [], { imageSize: 128 })).toThrow(
    "detectionLoss: expects levels of [1, 3, rows, columns, 9], got [1, 3, 4, 4, 8]",
  );
  expect(detectionLoss([p3, p4, p5], [], { imageSize: 128 }).box).toBe(0);
});

describe("complete IoU", () => {
  const fixture = JSON.parse(readFileSync(new URL("../fixtures/ops.json", import.meta.url), "utf8")).ciou;
  const { shape } = fixture.predictedCxcywh;
  const feeds = { a: fixture.predictedCxcywh.data, b: fixture.targetCxcywh.data };
  const build = () => {
    const graph = new Graph();
    const a = graph.input("a", "float32", shape);
    const iou = completeIou(a, graph.input("b", "float32", shape));
    graph.output("iou", iou);
    graph.output("gradient", gradientsOf(reduceSum(iou), [a])[0]);
    return graph;
  };

  it.each([
    ["interpreter", 2e-6],
    ["runtime", 1e-5],
  ] as const)("has PyTorch's values and gradients on the %s", async (engine, tolerance) => {
    const got = await run(build(), new Map(Object.entries(feeds)), engine);
    const near = (name: string, expected: readonly number[]) => {
      (got.get(name) as Float64Array).forEach((value, i) => {
        const error = Math.abs(value - expected[i]) / Math.max(1, Math.abs(expected[i]));
        expect(error, `${name} ${i}: ${value} against ${expected[i]}`).toBeLessThan(tolerance);
      });
    };
    near("iou", fixture.ciou.data);
    near("gradient", fixture.gradientOfPredicted.data);
  });
});

/** Head logits drawn at random for an input of 128 pixels. */
function randomCase(options: { batch: number; classes: number; targets: readonly number[] }): Case {
  const { batch, classes, targets } = options;
  const logits = [16, 8, 4].map((cells, level) => {
    const shape = [batch, 3, cells, cells, 5 + classes];
    const random = randomStream(5, "logits", level, batch, classes);
    return { shape, data: Float64Array.from({ length: sizeOf(shape) }, () => Math.fround(random.normal())) };
  });
  return { logits, targets };
}

function tensorsOf({ logits }: Case): HostTensor[] {
  return logits.map(({ shape, data }) => hostTensor("float32", shape, Float32Array.from(data)));
}

function gridsOf({ logits }: Case) {
  return logits.map(({ shape }) => ({ height: shape[2], width: shape[3] }));
}

function matchesOf(input: Case) {
  return assignTargets(input.targets, {
    gridSizes: gridsOf(input),
    anchors: [0, 1, 2].map(anchorsInCells),
  });
}

/** Loss, items, and the gradient of the loss with respect to each level's logits. */
async function evaluate(input: Case, setting: Setting, engine: "interpreter" | "runtime"): Promise<Numbers> {
  const { extraCapacity = 0, smoothing = 0, cellWeights } = setting;
  const graph = new Graph();
  const feeds = new Map<string, ArrayLike<number>>();
  const classes = input.logits[0].shape[4] - 5;
  const targets = matchesOf(input).map((matches, level) => {
    const capacity = Math.max(1, matches.count + extraCapacity);
    const options = { capacity, classes, grid: gridsOf(input)[level], anchors: 3, smoothing };
    for (const [key, tensor] of levelTargetFeeds(`p${level}`, matches, options)) {
      feeds.set(key, toNumbers(tensor));
    }
    return levelTargetInputs(graph, `p${level}`, capacity, classes);
  });
  const logits = input.logits.map(({ shape, data }, level) => {
    feeds.set(`logits.${level}`, data);
    return graph.input(`logits.${level}`, "float32", shape);
  });
  let weights: Value | null = null;
  if (cellWeights) {
    feeds.set("weights", cellWeights);
    weights = graph.input("weights", "float32", [cellWeights.length]);
  }
  const { loss, items } = buildDetectionLoss(logits, targets, gains, weights);
  for (const [name, value] of Object.entries({ loss, ...items })) graph.output(name, value);
  gradientsOf(loss, logits).forEach((gradient, level) => {
    graph.output(`gradient.${level}`, gradient);
  });
  return run(graph, feeds, engine);
}

async function run(
  graph: Graph,
  feeds: ReadonlyMap<string, ArrayLike<number>>,
  engine: "interpreter" | "runtime",
): Promise<Numbers> {
  const numbers = (results: ReadonlyMap<string, HostTensor>) =>
    new Map([...results].map(([name, tensor]) => [name, toNumbers(tensor)]));
  if (engine === "interpreter") return numbers(interpret(graph, Object.fromEntries(feeds)));
  const program = await Program.compile(graph, { threads: 1 });
  const tensors = [...program.inputs].map(([name, { dtype, shape }]): [string, HostTensor] => [
    name,
    fromNumbers(dtype, shape, feeds.get(name) as ArrayLike<number>),
  ]);
  const results = await program.run(new Map(tensors));
  await program.close();
  return numbers(results);
}

/** The loss by loops over matches and cells, to hold the graph to: items after their gains. */
function plainLoss(input: Case, smoothing = 0): Record<(typeof itemNames)[number], number> {
  const items = { box: 0, objectness: 0, classes: 0 };
  const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
  const bce = (v: number, t: number) => Math.log1p(Math.exp(v)) - v * t;
  matchesOf(input).forEach((matches, level) => {
    const { shape, data } = input.logits[level];
    const [, , height, columns, width] = shape;
    const objectness = new Map<number, number>();
    let box = 0;
    let classes = 0;
    for (let m = 0; m < matches.count; m++) {
      const plane = matches.image[m] * 3 + matches.anchorIndex[m];
      const cell = (plane * height + matches.gj[m]) * columns + matches.gi[m];
      const row = data.subarray(cell * width, (cell + 1) * width);
      const size = [0, 1].map((i) => (2 * sigmoid(row[2 + i])) ** 2 * matches.anchor[m * 2 + i]);
      const centre = [0, 1].map((i) => 2 * sigmoid(row[i]) - 0.5);
      const iou = plainCiou([...centre, ...size], matches.box.subarray(m * 4, m * 4 + 4));
      // Later matches overwrite earlier ones of the same cell.
      objectness.set(cell, Math.max(iou, 0));
      box += (1 - iou) / matches.count;
      const one = [...row.slice(5)].map((v, c) =>
        bce(v, c === matches.classIndex[m] ? 1 - smoothing / 2 : smoothing / 2),
      );
      classes += one.reduce((a, b) => a + b) / one.length / matches.count;
    }
    const cells = data.length / width;
    let sum = 0;
    for (let cell = 0; cell < cells; cell++) sum += bce(data[cell * width + 4], objectness.get(cell) ?? 0);
    items.box += gains.box * box;
    items.objectness += gains.objectness * gains.balance[level] * (sum / cells);
    if (width > 6) items.classes += gains.classes * classes;
  });
  return items;
}

function plainCiou(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const low = (box: ArrayLike<number>, i: number) => box[i] - box[2 + i] / 2;
  const high = (box: ArrayLike<number>, i: number) => box[i] + box[2 + i] / 2;
  const side = (i: number) => Math.max(0, Math.min(high(a, i), high(b, i)) - Math.max(low(a, i), low(b, i)));
  const hull = (i: number) => Math.max(high(a, i), high(b, i)) - Math.min(low(a, i), low(b, i));
  const intersection = side(0) * side(1);
  const iou = intersection / (a[2] * a[3] + b[2] * b[3] - intersection);
  const distance = ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) / (hull(0) ** 2 + hull(1) ** 2);
  const v = (4 / Math.PI ** 2) * (Math.atan(b[2] / b[3]) - Math.atan(a[2] / a[3])) ** 2;
  return v === 0 ? iou - distance : iou - distance - (v * v) / (v - iou + 1);
}

function one(results: Numbers, name: string): number {
  return (results.get(name) as Float64Array)[0];
}

function expectNear(got: number, expected: number, relative: number): void {
  const error = Math.abs(got - expected) / Math.max(Math.abs(expected), 1e-9);
  expect(error, `${got} against ${expected}`).toBeLessThan(relative);
}

/** ‖a - b‖ / ‖b‖, or ‖a‖ where b is zero. */
function distance(a: Float64Array, b: Float64Array): number {
  expect(a.length).toBe(b.length);
  const norm = (values: Float64Array) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));
  return norm(a.map((value, i) => value - b[i])) / (norm(b) || 1);
}
