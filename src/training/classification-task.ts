import { classificationTargets } from "../classification/index.js";
import type { Value } from "../graph/index.js";
import type { ModelOutputs } from "../models/index.js";
import { crossEntropy } from "../nn/index.js";
import type { Task } from "./task.js";

/** Mean cross-entropy of the view over the images that have one. */
export function classificationTask(options: { readonly views: number; readonly smoothing: number }): Task {
  const { views, smoothing } = options;
  return {
    name: "classification",
    batchScaled: false,
    // Of equal probabilities.
    initialLoss: Math.log(views),
    prepare: (batch) => {
      const { targets, weights } = classificationTargets(batch.views, views, smoothing);
      const feeds = new Map([
        ["classification.targets", targets],
        ["classification.weights", weights],
      ]);
      return { rows: 0, feeds: () => feeds };
    },
    declare: (graph, { batch }) => {
      const targets = graph.input("classification.targets", "float32", [batch, views]);
      const images = graph.input("classification.weights", "float32", [batch]);
      const loss = (outputs: ModelOutputs) => ({
        loss: crossEntropy(outputs.classification as Value, targets, images),
        items: {},
      });
      return { images, loss };
    },
  };
}
