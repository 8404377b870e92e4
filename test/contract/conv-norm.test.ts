import { describe, expect, it } from "vitest";
import { relu, type Value } from "../../src/graph/index.js";
import { batchNormDefaults, batchNormalise, convBlock, convNorm, type Scope } from "../../src/nn/index.js";
import { buildLayer, expectGradientsByDifferences, outputOf } from "../support/built-layer.js";
import { deployedFeatures, largestPart } from "../support/deployed-features.js";

const options = { epsilon: 1e-2, momentum: 0.1 };
const normalise = (scope: Scope, x: Value) => batchNormalise(scope.child("norm"), x, options);
const named = (scope: Scope, x: Value) =>
  convNorm(scope.child("down"), x, { filters: 4, kernel: 3, conv: 0, norm: 1, batchNorm: options });

describe("a frozen batch normalisation", () => {
  const frozen = () => true;

  it("takes the running statistics and leaves them", () => {
    const shape = [2, 3, 2, 5];
    const layer = buildLayer(shape, normalise, { frozen });
    const { feeds } = layer;
    const expected = feeds.x.map((x, i) => {
      const channel = Math.floor(i / 10) % 3;
      const deviation = Math.sqrt(feeds["norm.running_var"][channel] + options.epsilon);
      const standard = (x - feeds["norm.running_mean"][channel]) / deviation;
      return standard * feeds["norm.weight"][channel] + feeds["norm.bias"][channel];
    });
    outputOf(layer, feeds).forEach((value, i) => {
      // The graph holds epsilon in float32.
      expect(value).toBeCloseTo(expected[i], 7);
    });
    expect([...layer.updates.keys()]).toEqual([]);
    expect([...layer.buffers.keys()]).toEqual(["norm.running_mean", "norm.running_var"]);
  });

  it("has the gradients of that", () => {
    expectGradientsByDifferences(buildLayer([2, 3, 2, 2], normalise, { frozen }));
  });

  it("is the one whose weight is named, and no other", () => {
    const asked: string[] = [];
    const layer = buildLayer(
      [2, 3, 4, 4],
      (scope, x) =>
        convBlock(scope.child("b"), convBlock(scope.child("a"), x, { filters: 2 }), { filters: 2 }),
      {
        frozen: (name) => {
          asked.push(name);
          return name.startsWith("a.");
        },
      },
    );
    expect(asked).toEqual(["a.bn.weight", "b.bn.weight"]);
    expect([...layer.updates.keys()]).toEqual(["b.bn.running_mean", "b.bn.running_var"]);
  });

  it("makes no difference to what is deployed", () => {
    const layers = [frozen, () => false].map((each) =>
      buildLayer([1, 3, 4, 4], named, { mode: "deploy", frozen: each }),
    );
    expect(layers[0].y.graph.nodes.map(({ op }) => op)).toEqual(layers[1].y.graph.nodes.map(({ op }) => op));
  });
});

describe("a convolution with its normalisation", () => {
  it("has the names that the caller gives, in training and deployed", () => {
    const trained = buildLayer([1, 3, 4, 4], named);
    expect([...trained.parameters.values()].map(({ folded }) => folded)).toEqual(Array(3).fill(undefined));
    expect([...trained.parameters.keys()]).toEqual(["down.0.weight", "down.1.weight", "down.1.bias"]);
    expect([...trained.buffers.keys()]).toEqual(["down.1.running_mean", "down.1.running_var"]);

    const deployed = buildLayer([1, 3, 4, 4], named, { mode: "deploy" });
    const folded = { prefix: "down.1.", epsilon: options.epsilon };
    expect([...deployed.parameters.values()]).toMatchObject([
      { name: "down.0.bias", shape: [4], role: "bias", folded },
      { name: "down.0.weight", shape: [4, 3, 3, 3], role: "weight", folded },
    ]);
    expect([...deployed.buffers.keys()]).toEqual([]);
  });

  it("is YOLOv5's in a block", () => {
    const { parameters } = buildLayer([1, 3, 4, 4], (scope, x) => convBlock(scope, x, { filters: 2 }), {
      mode: "deploy",
    });
    const folded = { prefix: "bn.", epsilon: batchNormDefaults.epsilon };
    expect([...parameters.values()]).toMatchObject([
      { name: "conv.bias", folded },
      { name: "conv.weight", folded },
    ]);
  });

  it("computes the same folded, each with its own epsilon", async () => {
    const { folded, evaluated } = await deployedFeatures(
      (scope, images) => {
        const block = convBlock(scope.child("block"), images, { filters: 5, kernel: 3 });
        const wide = { ...options, epsilon: 0.5 };
        const settings = { filters: 4, kernel: 3, stride: 2, conv: "conv1", norm: "bn1", batchNorm: wide };
        return named(scope, relu(convNorm(scope, block, settings)));
      },
      { height: 8, width: 12 },
    );
    expect(largestPart(folded, evaluated)).toBeLessThan(1e-5);
  });
});
