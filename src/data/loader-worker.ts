/** The thread that decodes and letterboxes images for the frame loader. */
import { decodeImage, decodeOneAtATime, type InputSize, type LetterboxedImage, letterbox } from "./image.js";
import { answerTasks } from "../threads/index.js";

/** What the loader asks for: the image at `path`, letterboxed. */
export interface LoadTask {
  readonly path: string;
  readonly size: InputSize;
}

/** What it gets. */
export interface LoadedImage {
  readonly image: LetterboxedImage;
}

decodeOneAtATime();
answerTasks<LoadTask, LoadedImage>(async ({ path, size }) => {
  const image = letterbox(await decodeImage(path), size);
  return [{ image }, [image.data.buffer as ArrayBuffer]];
});
