import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { resolveTrainConfig } from "../../src/config/index.js";
import type { FrameBatch } from "../../src/data/index.js";
import { createModel } from "../../src/models/index.js";
import { readSafetensors, writeSafetensors } from "../../src/onnx/index.js";
import { type HostTensor, hostTensor, randomStream } from "../../src/tensor/index.js";
import { declareForTraining, TrainingSession } from "../../src/training/session.js";
import { initialTensors, unpack } from "../../src/training/state-layout.js";
import { stateNames } from "../../src/training/state-names.js";

const script = fileURLToPath(new URL("../../tools/reference/joint_step.py", import.meta.url));
const python = ["/usr/bin/python3", "python3"].find(
  (name) => spawnSync(name, ["-c", "import torch"], { stdio: "ignore" }).status === 0,
);
if (!python)
  console.warn("skipped: no Python with PyTorch is installed to compute joint training steps with");

const folder = mkdtempSync(join(tmpdir(), "echoduet-joint-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const [size, images, steps, rate] = [64, 4, 3, 0.002];
const taskWeights = [1, 0.5];

describe.skipIf(!python)("three joint training steps", () => {
  it("have the losses, parameters and running statistics of PyTorch", { timeout: 120_000 }, async () => {
    const model = createModel("joint-yolov5n", { classes: 4, views: 3, dropout: 0 });
    const { parameters, buffers } = declareForTraining(model);
    const initial = initialTensors(parameters, buffers, 5);
    const batch = frameBatch();
    const input = join(folder, "in.safetensors");
    const output = join(folder, "out.safetensors");
    const pixels = Float32Array.from(batch.images.data, (value) => value / 255);
    writeSafetensors(
      input,
      new Map<string, HostTensor>([
        ...initial,
        ["batch.x", hostTensor("float32", batch.images.shape, pixels)],
        ["batch.targets", hostTensor("float32", [batch.targets.length / 6, 6], batch.targets)],
        ["batch.views", hostTensor("int32", [images], batch.views)],
      ]),
      Object.fromEntries(
        Object.entries({
          model: "n",
          classes: 4,
          views: 3,
          learningRates: Array.from({ length: steps }, () => [rate, rate]),
          // Our optimiser sees the gradient summed over images.
          taskWeights: taskWeights.map((weight) => weight * images),
        }).map(([key, value]) => [key, JSON.stringify(value)]),
      ),
    );
    const { status, stderr } = spawnSync(python as string, [script, input, output], { encoding: "utf8" });
    expect(status, stderr).toBe(0);
    const expected = readSafetensors(output).tensors;

    const config = resolveTrainConfig(
      {
        data: "none",
        model: model.name,
        batch: images,
        size,
        nominalBatch: 0,
        warmupEpochs: 0,
        clipNorm: 0,
        threads: 1,
        lr0: rate,
        taskWeights: { detection: taskWeights[0], classification: taskWeights[1] },
      },
      "test",
    );
    const session = new TrainingSession(model, config, initial, 1000);
    const losses = [];
    for (let step = 0; step < steps; step++) losses.push((await session.step(batch)).losses);
    const vector = (name: string) => session.state.get(name) as HostTensor;
    const tensors = new Map([
      ...session.layout.parameters.flatMap((group) => [
        ...unpack(group, vector(stateNames.parameters(group.name))),
      ]),
      ...session.layout.buffers.flatMap((group) => [
        ...unpack(group, vector(stateNames.buffers(group.name))),
      ]),
    ]);
    await session.close();

    const items = expected.get("items")?.data as Float32Array;
    const classification = expected.get("classification")?.data as Float32Array;
    losses.forEach((loss, step) => {
      const row = [loss["detection.box"], loss["detection.objectness"], loss["detection.classes"]];
      row.forEach((value, i) => {
        expect(Math.abs(value / items[3 * step + i] - 1), `step ${step}, item ${i}`).toBeLessThan(1e-3);
      });
      expect(Math.abs(loss.classification / classification[step] - 1)).toBeLessThan(1e-3);
    });
    for (const [name, { data }] of tensors) {
      const reference = expected.get(`state/${name}`)?.data as Float32Array;
      const start = initial.get(name)?.data as Float32Array;
      // What three steps changed, against what they changed in PyTorch.
      const changed = norm((data as Float32Array).map((value, i) => value - reference[i]));
      expect(changed, name).toBeLessThan(0.01 * norm(reference.map((value, i) => value - start[i])) + 1e-6);
    }
    expect(tensors.size).toBe(parameters.length + buffers.length);
  });
});

/** Four images, one without a view, several boxes of which two share a cell. */
function frameBatch(): FrameBatch {
  const random = randomStream(1, "joint-step");
  const pixels = Uint8Array.from({ length: images * 3 * size * size }, () => random.integer(256));
  const geometry = { sourceWidth: size, sourceHeight: size, width: size, height: size, scale: 1 };
  const frame = { name: "random", imagePath: "", labelPath: null, boxes: new Float32Array(), view: 0 };
  return {
    images: hostTensor("uint8", [images, 3, size, size], pixels),
    letterboxes: Array.from({ length: images }, () => ({
      ...geometry,
      ...{ padX: 0, padY: 0, newWidth: size, newHeight: size },
    })),
    targets: Float32Array.of(
      ...[0, 1, 0.31, 0.42, 0.3, 0.2],
      ...[0, 2, 0.32, 0.43, 0.28, 0.25],
      ...[1, 0, 0.6, 0.55, 0.5, 0.4],
      ...[3, 3, 0.7, 0.2, 0.15, 0.3],
    ),
    views: Int32Array.of(0, 2, -1, 1),
    detectionMask: new Uint8Array(images).fill(1),
    frames: Array.from({ length: images }, () => ({
      ...frame,
      ...{ patient: null, video: null, detectionMasked: false },
    })),
  };
}

function norm(values: ArrayLike<number>): number {
  return Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));
}
