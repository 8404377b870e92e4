import { describe, expect, it } from "vitest";
import { EchoDuetError } from "../../src/errors.js";
import {
  add,
  cast,
  concat,
  eliminateDeadCode,
  exp,
  expand,
  foldConstants,
  Graph,
  gather,
  interpret,
  maxPool,
  mergeCommonSubexpressions,
  mul,
  type Node,
  optimise,
  print,
  reduceSum,
  scalar,
  silu,
  split,
  stopGradient,
  sub,
  type Value,
  verify,
} from "../../src/graph/index.js";
import { fromNumbers, type HostTensor, hostTensor, toNumbers } from "../../src/tensor/index.js";

const ops = (graph: Graph) => graph.nodes.map((node) => node.op);
const constant = (graph: Graph, ...values: number[]) =>
  graph.constant(fromNumbers("float32", [values.length], values));

function constantOf(graph: Graph, name: string): HostTensor {
  const { attrs } = graph.outputs.get(name)!.node;
  if (!("tensor" in attrs)) throw new Error(`output ${name} is not a constant`);
  return attrs.tensor;
}

describe("eliminateDeadCode", () => {
  it("drops what no output needs and keeps every input, used or not", () => {
    const graph = new Graph();
    graph.input("unused", "int64", [2]);
    const x = graph.input("x", "float32", [2]);
    exp(mul(x, 3));
    graph.output("y", add(x, x));
    const result = eliminateDeadCode(graph);
    verify(result);
    expect(ops(result)).toEqual(["Input", "Input", "Add"]);
    expect([...result.inputs.keys()]).toEqual(["unused", "x"]);
    expect(result.inputs.get("unused")).toMatchObject({ dtype: "int64", shape: [2] });
  });

  it("keeps a node of which one output is needed", () => {
    const graph = new Graph();
    graph.output("y", split(graph.input("x", "float32", [3]), 0, [1, 2])[1]);
    expect(ops(eliminateDeadCode(graph))).toEqual(["Input", "Split"]);
  });

  it("leaves the graph that it is given as it was", () => {
    const graph = new Graph();
    exp(graph.input("x", "float32", [2]));
    graph.output("y", graph.inputs.get("x")!);
    const before = print(graph);
    optimise(graph);
    expect(print(graph)).toBe(before);
  });
});

describe("mergeCommonSubexpressions", () => {
  it("merges equal operators on equal inputs, constants by content", () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [2]);
    graph.output("y", sub(mul(exp(x), constant(graph, 2, 3)), mul(exp(x), constant(graph, 2, 3))));
    const result = mergeCommonSubexpressions(graph);
    verify(result);
    expect(ops(result)).toEqual(["Input", "Exp", "Constant", "Mul", "Sub"]);
  });

  it("keeps apart what differs in operands' order, attributes, dtype, shape or the sign of zero", () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [2, 2]);
    const y = graph.input("y", "float32", [2, 2]);
    const values = [
      sub(x, y),
      sub(y, x),
      reduceSum(x, [0]),
      reduceSum(x, [1]),
      reduceSum(x, [0], true),
      graph.constant(fromNumbers("float32", [1], [0])),
      graph.constant(fromNumbers("float32", [1], [-0])),
      graph.constant(fromNumbers("int32", [1], [0])),
      graph.constant(fromNumbers("float32", [], [0])),
    ];
    values.forEach((value, i) => {
      graph.output(`${i}`, value);
    });
    expect(ops(mergeCommonSubexpressions(graph))).toEqual(ops(graph));
  });

  it("compares the part of a buffer that a constant covers, and not only its hash", () => {
    const graph = new Graph();
    const buffer = new Float32Array([1, 2, 1, 2, 3, 4]);
    for (const start of [0, 2, 4]) {
      graph.output(`${start}`, graph.constant(hostTensor("float32", [2], buffer.subarray(start, start + 2))));
    }
    const result = mergeCommonSubexpressions(graph);
    expect(result.outputs.get("0")).toBe(result.outputs.get("2"));
    expect(result.outputs.get("4")).not.toBe(result.outputs.get("2"));
  });

  it("merges all outputs of a node", () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [4]);
    graph.output("y", concat([...split(x, 0, [1, 3]), ...split(x, 0, [1, 3])], 0));
    expect(ops(mergeCommonSubexpressions(graph))).toEqual(["Input", "Split", "Concat"]);
  });
});

describe("foldConstants", () => {
  it("computes operators on constants, rounding each to its dtype", () => {
    const graph = new Graph();
    graph.output("third", mul(constant(graph, 1), 1 / 3));
    graph.output("int", cast(mul(constant(graph, -2.5, 2.5), 1), "int64"));
    graph.output("flag", cast(constant(graph, 0, 0.5), "bool"));
    const result = eliminateDeadCode(foldConstants(graph));
    verify(result);
    expect(ops(result)).toEqual(["Constant", "Constant", "Constant"]);
    expect(constantOf(result, "third")).toEqual(fromNumbers("float32", [1], [1 / 3]));
    expect(constantOf(result, "int")).toEqual(fromNumbers("int64", [2], [-2, 2]));
    expect(constantOf(result, "flag")).toEqual(fromNumbers("bool", [2], [0, 1]));
  });

  it("folds every output of a node", () => {
    const graph = new Graph();
    const [first, second] = split(constant(graph, 1, 2, 3), 0, [1, 2]);
    graph.output("first", first);
    graph.output("second", second);
    const result = foldConstants(graph);
    expect([...toNumbers(constantOf(result, "first"))]).toEqual([1]);
    expect([...toNumbers(constantOf(result, "second"))]).toEqual([2, 3]);
  });

  it("leaves results of more than 4096 elements to the runtime", () => {
    const graph = new Graph();
    graph.output("small", expand(scalar(graph, 1), [4096]));
    graph.output("large", expand(scalar(graph, 1), [4097]));
    const result = foldConstants(graph);
    expect(result.outputs.get("small")!.node.op).toBe("Constant");
    expect(result.outputs.get("large")!.node.op).toBe("Expand");
  });

  it("leaves StopGradient, and integers out of range, where they are", () => {
    const graph = new Graph();
    graph.output("stopped", stopGradient(constant(graph, 1)));
    graph.output("infinite", cast(constant(graph, Number.POSITIVE_INFINITY), "int64"));
    graph.output("large", cast(constant(graph, 300), "uint8"));
    expect(ops(eliminateDeadCode(foldConstants(graph)))).toEqual([
      "Constant",
      "StopGradient",
      "Constant",
      "Cast",
      "Constant",
      "Cast",
    ]);
  });
});

describe("optimise", () => {
  it("keeps the names and order of inputs and outputs, an output under two names too", () => {
    const graph = new Graph();
    const b = graph.input("b", "float32", [2]);
    const a = graph.input("a", "float32", []);
    const y = add(mul(b, 2), mul(b, 2));
    for (const name of ["z", "y", "again"]) graph.output(name, y);
    graph.output("input", a);
    const result = optimise(graph);
    verify(result);
    expect([...result.inputs.keys()]).toEqual(["b", "a"]);
    expect([...result.outputs.keys()]).toEqual(["z", "y", "again", "input"]);
    expect(result.outputs.get("z")).toBe(result.outputs.get("again"));
    expect([...interpret(result, { b: [1, 2], a: [7] }).values()].map(({ data }) => [...data])).toEqual([
      [4, 8],
      [4, 8],
      [4, 8],
      [7],
    ]);
  });

  it("takes 6,000 nodes in well under two seconds", () => {
    const graph = new Graph();
    let x = graph.input("x", "float32", [2, 3]);
    for (let i = 0; i < 2000; i++) x = mul(silu(x), i);
    graph.output("y", x);
    const start = performance.now();
    expect(optimise(graph).nodes.length).toBe(6001);
    // A quadratic pass takes many times as long; the margin is for slow machines.
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe("print", () => {
  it("lists inputs, nodes with attributes and types, outputs, and shortens large constants", () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [1, 2, 4, 4]);
    const y = maxPool(x, { kernel: 2, stride: 2, pad: 0 });
    graph.output("y", mul(reduceSum(y, [2, 3]), constant(graph, 1, 2)));
    graph.output("rows", gather(y, graph.constant(fromNumbers("int64", [9], new Array(9).fill(0)))));
    expect(print(graph)).toBe(
      [
        "inputs",
        "  x: %0 : float32[1, 2, 4, 4]",
        "%1, %2 = MaxPool(%0) {kernel: 2, stride: 2, pad: 0} : float32[1, 2, 2, 2], int64[1, 2, 2, 2]",
        "%3 = ReduceSum(%1) {axes: [2, 3], keepdims: false} : float32[1, 2]",
        "%4 = Constant() {tensor: [1, 2]} : float32[2]",
        "%5 = Mul(%3, %4) : float32[1, 2]",
        "%6 = Constant() {tensor: [0, 0, 0, 0, 0, 0, 0, 0, ... 9 elements]} : int64[9]",
        "%7 = Gather(%1, %6) : float32[9, 2, 2, 2]",
        "outputs",
        "  y: %5",
        "  rows: %7",
      ].join("\n"),
    );
  });
});

describe("verify", () => {
  /** x -> Exp -> Neg -> y, and then something done to it. */
  function broken(harm: (graph: Graph, nodes: Node[]) => void): Graph {
    const graph = new Graph();
    const x = graph.input("x", "float32", [2]);
    graph.output("y", graph.apply("Neg", [exp(x)], {})[0]);
    harm(graph, graph.nodes);
    return graph;
  }
  const replaceOutput = (node: Node, change: Partial<Value>): Node => {
    const outputs: Value[] = [];
    const copy = { ...node, outputs };
    outputs.push({ ...node.outputs[0], node: copy, ...change });
    return copy;
  };

  it("accepts a sound graph", () => {
    expect(() => verify(broken(() => {}))).not.toThrow();
  });

  it.each<[string, (graph: Graph, nodes: Node[]) => void]>([
    [
      "node 1 (Neg): input 0 (%1) expects to be computed by an earlier node",
      (_, nodes) => nodes.push(...nodes.splice(1, 1)),
    ],
    [
      "node 1 (Neg): input 0 (%1) expects to be computed by an earlier node",
      (_, nodes) => nodes.splice(1, 1),
    ],
    [
      "node 2 (Neg): expects float32[2], got float32[3]",
      (_, nodes) => (nodes[2] = replaceOutput(nodes[2], { shape: [3] })),
    ],
    [
      "node 2 (Neg): expects float32[2], got bool[2]",
      (_, nodes) => (nodes[2] = replaceOutput(nodes[2], { dtype: "bool" })),
    ],
    [
      "node 2 (Neg): output 0 (%2) expects to name",
      (_, nodes) => (nodes[2] = replaceOutput(nodes[2], { index: 1 })),
    ],
    [
      "node 2 (Neg): output 0 (%2) expects to name",
      (_, nodes) => (nodes[2] = replaceOutput(nodes[2], { graph: new Graph() })),
    ],
    [
      "node 2 (Neg): %1 is the id of two values",
      (_, nodes) => (nodes[2] = replaceOutput(nodes[2], { id: 1 })),
    ],
    ["input x: expects to be listed among the graph's inputs", (graph) => graph.inputs.delete("x")],
    [
      "input z: expects a node of the graph that declares it",
      (graph) => graph.inputs.set("z", graph.inputs.get("x")!),
    ],
    ["graph: expects at least one output", (graph) => graph.outputs.clear()],
    [
      "output z: expects to be computed by a node",
      (graph) => graph.outputs.set("z", new Graph().input("z", "bool", [])),
    ],
  ])("%s", (message, harm) => {
    try {
      verify(broken(harm));
    } catch (error) {
      expect(error).toBeInstanceOf(EchoDuetError);
      expect(error).toMatchObject({ code: "graph", message: expect.stringContaining(message) });
      return;
    }
    expect.fail("the graph was accepted");
  });
});
