import { afterEach, describe, expect, it, vi } from "vitest";
import { resolveTrainConfig } from "../../src/config/index.js";
import { buildDeployGraph, createModel } from "../../src/models/index.js";
import { Program } from "../../src/runtime/index.js";
import { prepareProgram } from "../../src/runtime/program.js";
import { declareForTraining, TrainingSession } from "../../src/training/session.js";
import { initialTensors } from "../../src/training/state-layout.js";
import { nodesOf, type OnnxModelNode } from "../support/onnx-nodes.js";
import { smallBatch } from "../support/small-batch.js";
import { webgpuOperators } from "../support/webgpu-operators.js";

const size = { width: 64, height: 64 };
afterEach(() => vi.restoreAllMocks());

function opened(name: string) {
  const config = resolveTrainConfig(
    { data: "none", model: name, batch: 2, size: 64, branchThreads: "shared" },
    "test",
  );
  const model = createModel(name, { ...config, classes: 4, views: 3 });
  const { parameters, buffers } = declareForTraining(model);
  return { config, model, tensors: initialTensors(parameters, buffers, 0) };
}

/** The nodes of the training step as ONNX Runtime gets it. */
async function stepNodes(name: string): Promise<OnnxModelNode[]> {
  const { config, model, tensors } = opened(name);
  const session = new TrainingSession(model, config, tensors, 3);
  const compile = vi.spyOn(Program, "compile").mockRejectedValue(new Error("not to be run"));
  await expect(session.step(smallBatch({ size: 64, views: [0, 1] }))).rejects.toThrow("not to be run");
  const [graph, options] = compile.mock.calls[0];
  return nodesOf((await prepareProgram(graph, { ...options, device: "webgpu" })).bytes);
}

/** The nodes of the deployed model. */
async function deployedNodes(name: string): Promise<OnnxModelNode[]> {
  const { model, tensors } = opened(name);
  const graph = buildDeployGraph(model, tensors, { batch: 1, ...size });
  return nodesOf((await prepareProgram(graph, { device: "webgpu", dynamicBatch: true })).bytes);
}

/** Operators of the nodes that the provider does not have: ONNX Runtime runs them on the CPU. */
function absent(nodes: readonly OnnxModelNode[]): string[] {
  const names = nodes.map(({ operator }) => operator).filter((operator) => !webgpuOperators.has(operator));
  return [...new Set(names)].toSorted();
}

/** Nodes whose operator the provider takes, and then refuses as it runs, for what is asked of it. */
function refused(nodes: readonly OnnxModelNode[]): string[] {
  const names = nodes.flatMap(({ operator, outputs, numbers }) => {
    if (operator === "BatchNormalization" && numbers.training_mode === 1) return [`${operator} in training`];
    return operator === "MaxPool" && outputs > 1 ? [`${operator} with indices`] : [];
  });
  return [...new Set(names)].toSorted();
}

// docs/performance.md lists them with what they are for: keep the two alike.
describe.each(["joint-yolov5n", "dual-yolov5n"])("%s beside the WebGPU provider's list", (name) => {
  it("trains with these operators beyond it", async () => {
    const nodes = await stepNodes(name);
    expect(absent(nodes)).toEqual([
      ...["ConstantOfShape", "Identity", "LogSoftmax", "Max", "Min", "ScatterElements", "Softplus"],
      ...["SpaceToDepth", "com.microsoft.FusedMatMul"],
    ]);
    expect(refused(nodes)).toEqual(["BatchNormalization in training", "MaxPool with indices"]);
  });

  it("predicts with nothing that it refuses, and these operators beyond it", async () => {
    const nodes = await deployedNodes(name);
    expect(refused(nodes)).toEqual([]);
    expect(absent(nodes)).toEqual(["Identity", "LogSoftmax", "SpaceToDepth", "com.microsoft.FusedMatMul"]);
  });
});
