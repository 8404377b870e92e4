import { describe, expect, it } from "vitest";
import { nonMaximumSuppression } from "../../src/detection/non-maximum-suppression.js";
import { hasReference, readReference } from "../support/read-safetensors.js";

describe.each(["forward_a.safetensors", "forward_b.safetensors"])("suppression of %s", (name) => {
  it.skipIf(!hasReference(name))("keeps the reference's boxes in the reference's order", () => {
    const read = readReference(name);
    const decoded = read("decoded");
    const expected = read("nms_xyxy_conf_cls");
    const [, rows, width] = decoded.shape;
    const detections = nonMaximumSuppression(Float32Array.from(decoded.data), { rows, classes: width - 5 });

    expect(detections).toHaveLength(expected.shape[0]);
    detections.forEach(({ box, confidence, classIndex }, i) => {
      const row = [...expected.data.slice(i * 6, i * 6 + 6)];
      [...box, confidence, classIndex].forEach((value, j) => {
        expect(Math.abs(value - row[j])).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(row[j])));
      });
    });
  });
});
