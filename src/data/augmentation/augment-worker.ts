/** The thread that augments batches for the augmented loader. */
import { answerTasks } from "../../threads/index.js";
import type { FrameBatch } from "../loader.js";
import { augmentBatch } from "./augment-batch.js";
import type { Place } from "./draws.js";
import type { AugmentOptions } from "./options.js";

/** What the loader asks for: the augmented form of a batch. */
export interface AugmentTask {
  readonly batch: FrameBatch;
  readonly options: AugmentOptions;
  readonly place: Place;
}

/** What it gets. */
export interface AugmentedBatch {
  readonly batch: FrameBatch;
}

answerTasks<AugmentTask, AugmentedBatch>(async ({ batch, options, place }) => {
  const augmented = augmentBatch(batch, options, place);
  return [{ batch: augmented }, [augmented.images.data.buffer as ArrayBuffer]];
});
