import { type HostTensor, zeros } from "../tensor/index.js";

/**
 * Class targets of a batch: `targets` float32 [batch, classes] (1 - s + s / classes for the label and
 * s / classes elsewhere, with smoothing s; zeros for an unlabelled row), `weights` float32 [batch] (1
 * where there is a label).
 * @param labels class index of each row, -1 for none
 */
export function classificationTargets(
  labels: Int32Array,
  classes: number,
  smoothing = 0,
): { targets: HostTensor<"float32">; weights: HostTensor<"float32"> } {
  const targets = zeros("float32", [labels.length, classes]);
  const weights = zeros("float32", [labels.length]);
  labels.forEach((label, row) => {
    if (label < 0) return;
    weights.data[row] = 1;
    targets.data.fill(smoothing / classes, row * classes, (row + 1) * classes);
    targets.data[row * classes + label] += 1 - smoothing;
  });
  return { targets, weights };
}
