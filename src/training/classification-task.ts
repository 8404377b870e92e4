import { classificationTargets } from "../classification/index.js";
import type { Value } from "../graph/index.js";
import { crossEntropy } from "../nn/index.js";
import type { Task } from "./task.js";

/** Mean cross-entropy of the view over the images that have one. */
export function classificationTask(options: { readonly views: number; readonly smoothing: number }): Task {
  const { views, smoothing } = options;
  return {
    name: "classification",
    batchScaled: false,
    prepare: (batch) => {
      const { targets, weights } = classificationTargets(batch.views, views, smoothing);
      const feeds = new Map([
        ["classification.targets", targets],
        ["classification.weights", weights],
      ]);
      return { rows: 0, feeds: () => feeds };
    },
    build: (graph, outputs, { batch }) => {
      const targets = graph.input("classification.targets", "float32", [batch, views]);
      const weights = graph.input("classification.weights", "float32", [batch]);
      return { loss: crossEntropy(outputs.classification as Value, targets, weights), items: {} };
    },
  };
}
