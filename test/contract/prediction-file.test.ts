import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { readPredictions, writePredictions } from "../../src/experiments/compare/prediction-file.js";
import type { FramePrediction } from "../../src/training/index.js";
import { temporaryFolder } from "../support/cli.js";
import { madeUpPredictions, madeUpRun } from "../support/made-up-predictions.js";

const { folder, remove } = temporaryFolder("predictions");
afterAll(remove);
const key = { checkpointSha256: "a", dataFingerprint: "b", size: "64x64" };

it("predictions come back as they were written, masked and empty frames included", async () => {
  const { predictions } = await madeUpPredictions.of(madeUpRun("run"), "val");
  const nothing: FramePrediction = {
    detection: {
      tp: new Uint8Array(),
      confidence: new Float64Array(),
      predictedClass: new Int32Array(),
      targetClass: Int32Array.of(1),
    },
    views: null,
  };
  const masked: FramePrediction = { detection: null, views: Float32Array.of(0.1, 0.9) };
  const all = [masked, ...predictions, nothing];
  const file = join(folder, "predictions", "val.safetensors");
  expect(readPredictions(file, key, all.length)).toBeNull();
  writePredictions(file, key, all);
  expect(readPredictions(file, key, all.length)).toEqual(all);
});

it("predictions of other weights, data, sizes or numbers of frames are none", () => {
  const file = join(folder, "other", "val.safetensors");
  writePredictions(file, key, [{ detection: null, views: Float32Array.of(1, 0) }]);
  expect(readPredictions(file, key, 1)).toHaveLength(1);
  for (const name of Object.keys(key)) {
    expect(readPredictions(file, { ...key, [name]: "other" }, 1), name).toBeNull();
  }
  expect(readPredictions(file, key, 2)).toBeNull();
});
