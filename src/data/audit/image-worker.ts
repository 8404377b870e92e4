/** The thread that decodes images for the audit and keeps what it measured, not the pixels. */
import { answerTasks } from "../../threads/index.js";
import { decodeOneAtATime } from "../image.js";
import { type ImageFacts, measureImage } from "./measure-image.js";

/** What the audit asks for: the facts of the image at `path`. */
export interface MeasureTask {
  readonly path: string;
}

/** What it gets. */
export interface MeasuredTask {
  readonly facts: ImageFacts;
}

decodeOneAtATime();
answerTasks<MeasureTask, MeasuredTask>(async ({ path }) => {
  const facts = await measureImage(path);
  return [{ facts }, [facts.thumbnail.buffer as ArrayBuffer]];
});
