import type { TrainConfig } from "../config/index.js";
import { scaledGains } from "../detection/index.js";
import type { Model, TaskName } from "../models/index.js";
import { classificationTask } from "./classification-task.js";
import { detectionTask } from "./detection-task.js";
import type { Task } from "./task.js";

const builders: Record<TaskName, (model: Model, config: TrainConfig) => Task> = {
  detection: ({ classes }, config) =>
    detectionTask({
      size: config.size,
      classes,
      gains: scaledGains(Math.max(config.size.width, config.size.height), classes, {
        box: config.boxGain,
        objectness: config.objGain,
        classes: config.clsGain,
      }),
      anchorThreshold: config.anchorThreshold,
      smoothing: config.labelSmoothing.detection,
    }),
  classification: ({ views }, config) =>
    classificationTask({ views, smoothing: config.labelSmoothing.classification }),
};

/** The tasks of a model with their losses as configured, in the model's order. */
export function createTasks(model: Model, config: TrainConfig): Task[] {
  return model.tasks.map((name) => builders[name](model, config));
}
