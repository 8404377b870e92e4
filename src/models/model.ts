import type { Value } from "../graph/index.js";
import type { Scope } from "../nn/index.js";
import type { FlopsMatch } from "./flops-match.js";

/** What a model can be trained for. */
export type TaskName = "detection" | "classification";

/** Raw outputs; a model gives those of its tasks. */
export interface ModelOutputs {
  /** Head logits of P3, P4, P5, float [batch, anchors, rows, columns, 5 + classes]. */
  readonly detection?: readonly Value[];
  /** View logits, float [batch, views]. */
  readonly classification?: Value;
}

/** A network that builds itself into any graph through a scope. */
export interface Model {
  readonly name: string;
  readonly tasks: readonly TaskName[];
  /** Detection classes; 0 without the task. */
  readonly classes: number;
  /** View classes; 0 without the task. */
  readonly views: number;
  /** The weight whose output both tasks read last, where the tasks share one: GradNorm's W. */
  readonly sharedLayer: string | null;
  /**
   * The model of each task alone, with the same names of tensors, where the model is nothing but these side by side;
   * empty where one task reads anything of another's network.
   */
  readonly alone: ReadonlyMap<TaskName, Model>;
  /** How the model's multiples were chosen; absent where they are those of its name. */
  readonly matched?: FlopsMatch;
  /** The task whose own network a tensor belongs to; null where the model's tasks share one. */
  branchOf(tensor: string): TaskName | null;
  /** Whether a parameter is of a task's last part, behind its features: what a checkpoint of other classes leaves out. */
  isHead(parameter: string): boolean;
  /** Whether a tensor is of a part that weights of the plain network lack, such as attention. */
  isAdded(tensor: string): boolean;
  /** Names under which a weights file may hold a tensor, the first ones preferred. */
  namesInFiles(tensor: string): readonly string[];
  /** @param images float [batch, 3, height, width] in 0..1, height and width multiples of 32 */
  forward(scope: Scope, images: Value): ModelOutputs;
}
