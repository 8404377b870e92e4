import type { ErrorCode } from "../errors.js";
import type { InputSize, LetterboxedImage } from "./image.js";

/** What the loader asks of a worker: the image at `path`, letterboxed. */
export interface LoadRequest {
  readonly id: number;
  readonly path: string;
  readonly size: InputSize;
}

/** A worker's answer; `image.data` is handed over, not copied. */
export type LoadReply =
  | { readonly id: number; readonly image: LetterboxedImage }
  | { readonly id: number; readonly fault: { readonly code: ErrorCode; readonly message: string } };
