import { describe, expect, it } from "vitest";
import { gradientsOf } from "../../src/autodiff/index.js";
import { interpretValues, mul, reduceSum, type Value } from "../../src/graph/index.js";
import { type ResnetDepth, resnetBackbone, resnetDepths } from "../../src/models/resnet.js";
import { type AttentionKind, attentionKinds, kaimingNormal, type Scope } from "../../src/nn/index.js";
import { Program } from "../../src/runtime/index.js";
import { fromNumbers, randomStream, type Shape, sizeOf, toNumbers } from "../../src/tensor/index.js";
import { buildLayer } from "../support/built-layer.js";
import { deployedFeatures, largestPart } from "../support/deployed-features.js";

const network =
  (depth: ResnetDepth, attention: AttentionKind = "none") =>
  (scope: Scope, images: Value) =>
    resnetBackbone(scope, images, depth, attention);

describe("torchvision's tensors", () => {
  it.each([
    // Elements and tensors of torchvision's models without `fc`, then the running statistics.
    ["resnet18", 11_176_512, 60, 40],
    ["resnet50", 23_508_032, 159, 106],
  ] as const)("of %s number %d in %d parameters, %d buffers", (depth, elements, tensors, statistics) => {
    const { parameters, buffers } = buildLayer([1, 3, 32, 32], network(depth), { draw: false });
    const sizes = [...parameters.values()].map(({ shape }) => sizeOf(shape));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(elements);
    expect([parameters.size, buffers.size]).toEqual([tensors, statistics]);
  });

  it("of resnet18 have its names", () => {
    const { parameters, buffers } = buildLayer([1, 3, 32, 32], network("resnet18"), { draw: false });
    const plain = (block: string) => [`${block}.conv1`, `${block}.bn1`, `${block}.conv2`, `${block}.bn2`];
    const down = (block: string) => [...plain(block), `${block}.downsample.0`, `${block}.downsample.1`];
    const modules = [
      ...["conv1", "bn1"],
      ...[...plain("layer1.0"), ...plain("layer1.1")],
      ...[2, 3, 4].flatMap((stage) => [...down(`layer${stage}.0`), ...plain(`layer${stage}.1`)]),
    ];
    const isNorm = (name: string) => /(bn\d|downsample\.1)$/.test(name);
    expect([...parameters.keys()]).toEqual(
      modules.flatMap((name) => [`${name}.weight`, ...(isNorm(name) ? [`${name}.bias`] : [])]),
    );
    expect([...buffers.keys()]).toEqual(
      modules.filter(isNorm).flatMap((name) => [`${name}.running_mean`, `${name}.running_var`]),
    );
  });

  it.each([
    ["resnet18", "conv1.weight", [64, 3, 7, 7]],
    ["resnet18", "layer1.0.conv1.weight", [64, 64, 3, 3]],
    ["resnet18", "layer2.0.conv1.weight", [128, 64, 3, 3]],
    ["resnet18", "layer2.0.downsample.0.weight", [128, 64, 1, 1]],
    ["resnet18", "layer4.1.bn2.weight", [512]],
    ["resnet50", "layer1.0.conv1.weight", [64, 64, 1, 1]],
    ["resnet50", "layer1.0.conv3.weight", [256, 64, 1, 1]],
    ["resnet50", "layer1.0.downsample.0.weight", [256, 64, 1, 1]],
    ["resnet50", "layer2.0.conv1.weight", [128, 256, 1, 1]],
    ["resnet50", "layer3.5.conv2.weight", [256, 256, 3, 3]],
    ["resnet50", "layer4.2.bn3.bias", [2048]],
  ] as const)("of %s: %s has the shape %j", (depth, name, shape) => {
    const { parameters } = buildLayer([1, 3, 32, 32], network(depth), { draw: false });
    expect(parameters.get(name)?.shape).toEqual(shape);
  });
});

describe.each(resnetDepths)("%s", (depth) => {
  it("has features at stride 32, and a layer for the stem and each block", () => {
    const layers: [string, readonly number[]][] = [];
    const { y } = buildLayer([2, 3, 64, 96], network(depth), {
      draw: false,
      layer: (name, { shape }) => layers.push([name, shape]),
    });
    const widths = depth === "resnet18" ? [64, 128, 256, 512] : [256, 512, 1024, 2048];
    const blocks = depth === "resnet18" ? [2, 2, 2, 2] : [3, 4, 6, 3];
    expect(y.shape).toEqual([2, widths[3], 2, 3]);
    expect(layers).toEqual([
      ["conv1", [2, 64, 32, 48]],
      ...blocks.flatMap((count, stage) =>
        Array.from({ length: count }, (_, i) => [
          `layer${stage + 1}.${i}`,
          [2, widths[stage], 16 / 2 ** stage, 24 / 2 ** stage],
        ]),
      ),
    ]);
  });

  it("has its strides on 3x3 convolutions, the stem and the shortcuts", () => {
    const { y } = buildLayer([1, 3, 32, 32], network(depth), { draw: false });
    const strided = y.graph.nodes.flatMap(({ op, inputs, attrs }) =>
      op === "Conv" && "strides" in attrs && attrs.strides[0] === 2 ? [nameOf(inputs[1])] : [],
    );
    const conv = depth === "resnet18" ? "conv1" : "conv2";
    const stages = [2, 3, 4].flatMap((stage) => [
      `layer${stage}.0.${conv}.weight`,
      `layer${stage}.0.downsample.0.weight`,
    ]);
    expect(strided).toEqual(["conv1.weight", ...stages]);
  });

  it.each(attentionKinds)("with attention %s gates each block's last convolution", (kind) => {
    const tensorsOf = (attention: AttentionKind) => {
      const { parameters, buffers } = buildLayer([1, 3, 32, 32], network(depth, attention), { draw: false });
      return [...parameters.keys(), ...buffers.keys()];
    };
    const plain = tensorsOf("none");
    const added = tensorsOf(kind).filter((name) => !plain.includes(name));
    const blocks = new Set(added.map((name) => name.split(".attention.")[0]));
    const each = { none: 0, simam: 0, se: 4, cbam: 3 }[kind];
    const count = depth === "resnet18" ? 8 : 16;
    expect(added).toHaveLength(each * count);
    expect(blocks.size).toBe(each === 0 ? 0 : count);
  });
});

it("starts convolutions at He's deviation", () => {
  const values = kaimingNormal()([64, 32, 3, 3], randomStream(1, "kaiming"));
  const square = values.reduce((sum, value) => sum + value ** 2, 0) / values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(Math.sqrt(square)).toBeCloseTo(Math.sqrt(2 / (64 * 9)), 3);
  expect(Math.abs(mean)).toBeLessThan(1e-3);
});

it.each(["none", "cbam"] as const)(
  "folded, resnet18 with attention %s has the same features",
  async (kind) => {
    const size = { height: 32, width: 64 };
    const { folded, evaluated } = await deployedFeatures(network("resnet18", kind), size);
    expect(largestPart(folded, evaluated)).toBeLessThan(1e-4);
  },
);

it("has ONNX Runtime's gradients in the interpreter, from the second stage to the stem", async () => {
  const layers = new Map<string, Value>();
  // Half the side of the smallest image: its first stages are enough, and the interpreter is slow.
  const { x, parameters, buffers, feeds } = buildLayer([1, 3, 16, 16], network("resnet18"), {
    draw: false,
    frozen: () => true,
    layer: (name, output) => layers.set(name, output),
  });
  const random = randomStream(4, "resnet");
  const noise = (shape: Shape) =>
    Array.from({ length: sizeOf(shape) }, () => Math.fround(random.uniform(0.5, 1.5)));
  feeds.x = noise(x.shape);
  for (const { name, shape } of buffers.values()) feeds[name] = noise(shape);
  for (const { name, shape, role, initial } of parameters.values()) {
    if (role !== "weight") feeds[name] = noise(shape);
    // The later stages take no part.
    else if (/layer[34]/.test(name)) feeds[name] = Array(sizeOf(shape)).fill(0);
    else feeds[name] = [...initial(shape, randomStream(4, name))];
  }
  const { graph } = x;
  const y = layers.get("layer2.0") as Value;
  feeds.cotangent = noise(y.shape);
  const loss = reduceSum(mul(y, graph.input("cotangent", "float32", y.shape)));
  const names = ["conv1.weight", "bn1.weight", "layer1.1.conv1.weight", "layer2.0.downsample.0.weight"];
  const wrt = names.map((name) => graph.inputs.get(name) as Value);
  const values = [y, ...gradientsOf(loss, wrt)];
  values.forEach((value, i) => {
    graph.output(`value${i}`, value);
  });
  const expected = interpretValues(values, feeds);
  const program = await Program.compile(graph, { threads: 1 });
  const tensors = [...graph.inputs].map(
    ([name, { dtype, shape }]) => [name, fromNumbers(dtype, shape, feeds[name])] as const,
  );
  const results = await program.run(new Map(tensors));
  await program.close();
  expected.forEach(({ data }, i) => {
    const got = Float32Array.from(toNumbers(results.get(`value${i}`)!));
    expect(largestPart(got, Float32Array.from(data)), ["features", ...names][i]).toBeLessThan(1e-4);
  });
});

function nameOf({ node }: Value): string {
  if (!("name" in node.attrs)) throw new Error(`${node.op} has no name`);
  return node.attrs.name;
}
