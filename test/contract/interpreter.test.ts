import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autodiff/index.js";
import { EchoDuetError } from "../../src/errors.js";
import {
  add,
  cast,
  Graph,
  gather,
  interpret,
  interpretValues,
  type OpAttributes,
  type OpName,
  scatterAdd,
} from "../../src/graph/index.js";
import { type DType, fromNumbers, type HostTensor, type Shape } from "../../src/tensor/index.js";

/** Rows of numbers with their shape: float64 unless said otherwise. */
interface Tensor {
  readonly shape: Shape;
  readonly data: readonly number[];
  readonly dtype?: DType;
}

const vector = (...data: number[]): Tensor => ({ shape: [data.length], data });
const bits = (...data: number[]): Tensor => ({ shape: [data.length], data, dtype: "bool" });
const tensor = (shape: Shape, ...data: number[]): Tensor => ({ shape, data });

/** All outputs of one operator. */
function apply<K extends OpName>(op: K, inputs: readonly Tensor[], attrs: OpAttributes[K]) {
  const graph = new Graph();
  const values = inputs.map((input, i) => graph.input(`x${i}`, input.dtype ?? "float64", input.shape));
  const feeds = Object.fromEntries(inputs.map((input, i) => [`x${i}`, input.data]));
  return interpretValues(graph.apply(op, values, attrs), feeds);
}

function expectClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => {
    const error = Math.abs(actual[i] - value);
    expect(error, `[${i}]: ${actual[i]}, expected ${value}`).toBeLessThanOrEqual(
      1e-12 + 1e-10 * Math.abs(value),
    );
  });
}

/** Operator, inputs, attributes, elements of the first output: worked out by hand. */
type Row<K extends OpName> = readonly [K, readonly Tensor[], OpAttributes[K], readonly number[]];
const row = <K extends OpName>(...cells: Row<K>): Row<K> => cells;

const a = tensor([2, 3], 1, 2, 3, 4, 5, 6);

describe("values worked out by hand", () => {
  const cases = [
    row("Neg", [vector(1, -2)], {}, [-1, 2]),
    row("Exp", [vector(0, 1)], {}, [1, Math.E]),
    row("Log", [vector(1, Math.E)], {}, [0, 1]),
    row("Sqrt", [vector(4, 9)], {}, [2, 3]),
    row("Abs", [vector(-3, 2)], {}, [3, 2]),
    row("Atan", [vector(1, -1)], {}, [Math.PI / 4, -Math.PI / 4]),
    row("Relu", [vector(-1, 0, 2)], {}, [0, 0, 2]),
    row("Sigmoid", [vector(0, Math.log(3), -800, 800)], {}, [0.5, 0.75, 0, 1]),
    row("Silu", [vector(0, Math.log(3))], {}, [0, 0.75 * Math.log(3)]),
    row("SiluGrad", [vector(0), vector(0), vector(3)], {}, [1.5]),
    row("Softplus", [vector(0, 800, -800)], {}, [Math.LN2, 800, 0]),
    row("Not", [bits(0, 1)], {}, [1, 0]),
    row("Cast", [vector(-1.7, 1.7)], { to: "int64" }, [-1, 1]),
    row("Cast", [vector(0.1)], { to: "float32" }, [0.1]),
    row("Cast", [vector(-0.5, 0)], { to: "bool" }, [1, 0]),
    row("StopGradient", [vector(3)], {}, [3]),

    row("Add", [a, vector(10, 20, 30)], {}, [11, 22, 33, 14, 25, 36]),
    row("Sub", [tensor([2, 1], 1, 2), tensor([2], 10, 20)], {}, [-9, -19, -8, -18]),
    row("Mul", [tensor([], 2), vector(1, 2)], {}, [2, 4]),
    row("Div", [vector(1, 3), vector(4)], {}, [0.25, 0.75]),
    row("Min", [vector(1, 4), vector(2, 3)], {}, [1, 3]),
    row("Max", [vector(1, 4), vector(2, 3)], {}, [2, 4]),
    row("Greater", [vector(1, 2, 3), vector(2)], {}, [0, 0, 1]),
    row("And", [bits(0, 0, 1, 1), bits(0, 1, 0, 1)], {}, [0, 0, 0, 1]),
    row("Where", [bits(1, 0), vector(1, 2), vector(3, 4)], {}, [1, 4]),

    row("ReduceSum", [a], { axes: [1], keepdims: false }, [6, 15]),
    row("ReduceSum", [a], { axes: [0], keepdims: true }, [5, 7, 9]),
    row("ReduceMean", [a], { axes: [0, 1], keepdims: false }, [3.5]),
    row("ReduceMax", [tensor([2, 2], -4, -3, -2, -5)], { axes: [0], keepdims: false }, [-2, -3]),
    row("LogSoftmax", [vector(1000, 1000)], {}, [-Math.LN2, -Math.LN2]),

    row("Reshape", [a], { shape: [3, 2] }, [1, 2, 3, 4, 5, 6]),
    row("Transpose", [a], { perm: [1, 0] }, [1, 4, 2, 5, 3, 6]),
    row("Transpose", [tensor([1, 2, 3], 1, 2, 3, 4, 5, 6)], { perm: [2, 0, 1] }, [1, 4, 2, 5, 3, 6]),
    row("Expand", [tensor([2, 1], 1, 2)], { shape: [2, 3] }, [1, 1, 1, 2, 2, 2]),
    row("Concat", [a, tensor([2, 1], 7, 8)], { axis: 1 }, [1, 2, 3, 7, 4, 5, 6, 8]),
    row("Slice", [a], { starts: [0, 1], ends: [2, 3] }, [2, 3, 5, 6]),
    row("Split", [a], { axis: 1, sizes: [1, 2] }, [1, 4]),
    row("Pad", [tensor([1, 2], 1, 2)], { before: [1, 0], after: [0, 1] }, [0, 0, 0, 1, 2, 0]),

    row(
      "MatMul",
      [tensor([2, 2], 1, 2, 3, 4), tensor([2, 2], 5, 6, 7, 8)],
      { transA: false, transB: false },
      [19, 22, 43, 50],
    ),
    row("MatMul", [tensor([2, 2], 1, 2, 3, 4), tensor([2, 2], 5, 6, 7, 8)], { transA: true, transB: true }, [
      1 * 5 + 3 * 6,
      1 * 7 + 3 * 8,
      2 * 5 + 4 * 6,
      2 * 7 + 4 * 8,
    ]),
    // Cross-correlation: the kernel is not flipped.
    row(
      "Conv",
      [tensor([1, 1, 1, 3], 1, 2, 3), tensor([1, 1, 1, 2], 10, 1)],
      { strides: [1, 1], pads: [0, 0] },
      [12, 23],
    ),
    row(
      "ChannelAffine",
      [tensor([1, 2, 1, 2], 1, 2, 3, 4), vector(10, 100), vector(1, 2)],
      {},
      [11, 21, 302, 402],
    ),
    row(
      "ChannelBlend",
      [
        tensor([1, 2, 1, 2], 1, 2, 3, 4),
        vector(10, 100),
        tensor([1, 2, 1, 2], 5, 6, 7, 8),
        vector(-1, 2),
        vector(1, 2),
      ],
      {},
      [6, 15, 316, 418],
    ),
    row("ChannelDot", [tensor([2, 1, 1, 2], 1, 2, 3, 4), tensor([2, 1, 1, 2], 5, 6, 7, 8)], {}, [70]),
    row("BatchNorm", [tensor([2, 1, 1, 1], 1, 5), vector(3), vector(10)], { epsilon: 0 }, [7, 13]),
    row("MaxPool", [tensor([1, 1, 2, 2], -4, -3, -2, -1)], { kernel: 3, stride: 2, pad: 1 }, [-1]),
    row("UpsampleNearest", [tensor([1, 1, 1, 2], 1, 2)], { factor: 2 }, [1, 1, 2, 2, 1, 1, 2, 2]),
    row("SumPool", [tensor([1, 1, 2, 4], 1, 2, 3, 4, 5, 6, 7, 8)], { factor: 2 }, [14, 22]),
  ];
  it.each(cases.map((cells) => [cells[0], cells] as const))("%s", (_, [op, inputs, attrs, expected]) => {
    expectClose(apply(op, inputs, attrs)[0].data, expected);
  });

  it("MaxPool: the first of equal elements, by its flat index in the whole of x", () => {
    const x = tensor([1, 2, 2, 2], 0, 7, 7, 7, 5, 5, 5, 5);
    const [y, indices] = apply("MaxPool", [x], { kernel: 2, stride: 1, pad: 0 });
    expectClose(y.data, [7, 5]);
    expectClose(indices.data, [1, 4]);
  });

  it("BatchNorm: the batch's mean and biased variance", () => {
    const x = tensor([2, 2, 1, 1], 1, 10, 5, 10);
    const [, mean, variance] = apply("BatchNorm", [x, vector(1, 1), vector(0, 0)], { epsilon: 1e-3 });
    expectClose(mean.data, [3, 10]);
    expectClose(variance.data, [4, 0]);
  });

  it("Split: every piece", () => {
    const pieces = apply("Split", [a], { axis: 1, sizes: [1, 2] });
    expectClose(pieces[1].data, [2, 3, 5, 6]);
  });

  it("Gather reads and ScatterAdd adds whole rows", () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [2, 2]);
    const at = graph.constant(fromNumbers("int64", [3], [1, 0, 1]));
    const [rows, sums] = interpretValues([gather(x, at), scatterAdd(gather(x, at), at, 3)], {
      x: [1, 2, 3, 4],
    });
    expectClose(rows.data, [3, 4, 1, 2, 3, 4]);
    expectClose(sums.data, [1, 2, 6, 8, 0, 0]);
  });
});

interface ConvFixture {
  name: string;
  stride: number;
  padding: number;
  x: Tensor;
  w: Tensor;
  cotangent: Tensor;
  y: Tensor;
  dx: Tensor;
  dw: Tensor;
}

describe("values of PyTorch", () => {
  const fixture = (name: string) =>
    JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), "utf8"));

  it.each((fixture("conv").cases as ConvFixture[]).map((c) => [c.name, c] as const))(
    "Conv and its gradients: %s",
    (_, { stride, padding, x, w, cotangent, y, dx, dw }) => {
      const geometry = { strides: [stride, stride], pads: [padding, padding] } as const;
      const size = [x.shape[2], x.shape[3]] as const;
      const kernel = [w.shape[2], w.shape[3]] as const;
      const [actual] = apply("Conv", [x, w], geometry);
      expect(actual.shape).toEqual(y.shape);
      expectClose(actual.data, y.data);
      expectClose(apply("ConvInputGrad", [cotangent, w], { ...geometry, size })[0].data, dx.data);
      expectClose(apply("ConvWeightGrad", [x, cotangent], { ...geometry, kernel })[0].data, dw.data);
    },
  );

  it("BatchNorm and its gradients", () => {
    const { eps: epsilon, inputs, outputs, gradients: expected } = fixture("batch-norm");
    const { x, weight, bias, cotangent } = inputs;
    const graph = new Graph();
    const operands = { x, weight, bias };
    const values = Object.entries(operands).map(([name, { shape }]) => graph.input(name, "float64", shape));
    const [y] = graph.apply("BatchNorm", values, { epsilon });
    const seed = { value: y, cotangent: graph.constant(fromNumbers("float64", y.shape, cotangent.data)) };
    const feeds = Object.fromEntries(Object.entries(operands).map(([name, { data }]) => [name, data]));
    const results = interpretValues([y, ...gradients([seed], values)], feeds);
    [outputs.y, expected.x, expected.weight, expected.bias].forEach((tensor: Tensor, i) => {
      expectClose(results[i].data, tensor.data);
    });
  });

  it("SiLU, softplus and their derivatives, far from 0 too", () => {
    const { x, silu, softplus } = fixture("ops").elementwise;
    const y = apply("Silu", [x], {})[0];
    expectClose(y.data, silu.y.data);
    expectClose(apply("Softplus", [x], {})[0].data, softplus.y.data);
    expectClose(apply("Sigmoid", [x], {})[0].data, softplus.derivative.data);
    const ones = tensor(x.shape, ...x.data.map(() => 1));
    expectClose(apply("SiluGrad", [x, tensor(y.shape, ...y.data), ones], {})[0].data, silu.derivative.data);
  });

  it("LogSoftmax", () => {
    const { logits, logSoftmax } = fixture("ops").crossEntropy;
    expectClose(apply("LogSoftmax", [logits], {})[0].data, logSoftmax.data);
  });

  it("MaxPool, and its gradient by its indices", () => {
    const { kernel, stride, padding, x, cotangent, y, dx } = fixture("ops").maxPool;
    const [actual, indices] = apply("MaxPool", [x], { kernel, stride, pad: padding });
    expectClose(actual.data, y.data);
    const updates = tensor([cotangent.data.length], ...cotangent.data);
    const at: Tensor = { shape: updates.shape, data: [...indices.data], dtype: "int64" };
    expectClose(apply("ScatterAdd", [updates, at], { rows: x.data.length })[0].data, dx.data);
  });

  it("UpsampleNearest, and SumPool as its gradient", () => {
    const { scale: factor, x, cotangent, y, dx } = fixture("ops").upsample;
    expectClose(apply("UpsampleNearest", [x], { factor })[0].data, y.data);
    expectClose(apply("SumPool", [cotangent], { factor })[0].data, dx.data);
  });
});

describe("feeds", () => {
  const graph = new Graph();
  const x = graph.input("images", "float32", [2, 3]);
  const unused = graph.input("labels", "int64", [4]);
  graph.output("total", add(x, x));

  it("needs no feed that no output depends on, and takes any array of numbers", () => {
    const results = interpret(graph, { images: new Float32Array([1, 2, 3, 4, 5, 6]) });
    expect([...results.keys()]).toEqual(["total"]);
    expectClose(results.get("total")!.data, [2, 4, 6, 8, 10, 12]);
    expectClose(
      interpretValues([unused], { labels: new BigInt64Array([1n, 2n, 3n, -4n]) })[0].data,
      [1, 2, 3, -4],
    );
    expect(interpretValues([], {})).toEqual([]);
  });

  it.each([
    [{}, "input images: expects [2, 3], got no feed"],
    [{ images: [1, 2] }, "input images: [2, 3] expects 6 elements, got 2"],
    [{ image: [1, 2, 3, 4, 5, 6] }, "feed image: is no input of the graph, whose inputs are images, labels"],
  ])("%o: %s", (feeds: Record<string, number[]>, message) => {
    expectGraphError(() => interpret(graph, feeds), message);
  });
});

it("names an index outside the rows", () => {
  const graph = new Graph();
  const x = graph.input("x", "float32", [3]);
  const at = cast(graph.input("at", "float32", [1]), "int64");
  const feeds = { x: [1, 2, 3], at: [3] };
  expectGraphError(() => interpretValues([gather(x, at)], feeds), "Gather: expects indices in 0..2, got 3");
  const sums = scatterAdd(graph.constant(constantOne), at, 2);
  expectGraphError(
    () => interpretValues([sums], { at: [-1] }),
    "ScatterAdd: expects indices in 0..1, got -1",
  );
});

it("refuses negative padding", () => {
  expect(() => apply("Pad", [vector(1, 2, 3)], { before: [-1], after: [0] })).toThrow(
    new EchoDuetError("shape", "Pad: expects integers of at least 0, got [-1] and [0]; crop with Slice"),
  );
});

const constantOne: HostTensor = fromNumbers("float32", [1], [1]);

function expectGraphError(act: () => unknown, message: string): void {
  expect(act).toThrow(new EchoDuetError("graph", message));
}
