import type { FrameBatch } from "../data/index.js";
import type { Graph, Value } from "../graph/index.js";
import type { ModelOutputs, TaskName } from "../models/index.js";
import type { HostTensor } from "../tensor/index.js";

/** What a batch holds for one task, before it is known how large a program it will run in. */
export interface PreparedTargets {
  /** Rows that the task's inputs need at least. */
  readonly rows: number;
  /** The task's inputs with `capacity` rows, `capacity >= rows`. */
  feeds(capacity: number): ReadonlyMap<string, HostTensor>;
}

/** A task's loss in the training graph. */
export interface TaskLoss {
  /** Scalar, unweighted. */
  readonly loss: Value;
  /** Its parts by name, scalars, for the record. */
  readonly items: Readonly<Record<string, Value>>;
}

/** A task whose inputs stand in a training graph. */
export interface DeclaredTask {
  /** 1 for each image that has a valid target, else 0: float [batch]. */
  readonly images: Value;
  /** Builds the loss of a model's outputs against the inputs. */
  loss(outputs: ModelOutputs): TaskLoss;
}

/** One thing that a model is trained for: its inputs from the data, and its loss. */
export interface Task {
  readonly name: TaskName;
  /** The task's loss in YOLOv5's scale: whether `--loss-scale yolov5` multiplies it by the batch size. */
  readonly batchScaled: boolean;
  /** L(0) in theory, before anything is learnt; null where theory has none. */
  readonly initialLoss: number | null;
  prepare(batch: FrameBatch): PreparedTargets;
  /** Declares the task's inputs. */
  declare(graph: Graph, shape: { batch: number; capacity: number }): DeclaredTask;
}
