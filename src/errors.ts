/**
 * Errors that a user of EchoDuet can cause or must act on.
 *
 * Every message has the same form: subject, what was expected, what was found and, where there is one,
 * the remedy: `conv2d: weight expects 4 input channels, got 3 (axis 1)`. Only `cli` and `serving` format
 * them for people; everything else throws them.
 */
export type ErrorCode =
  | "shape" // a graph was built from values that do not fit
  | "graph" // a graph is malformed, or asked for something that it cannot do
  | "config" // an option or a configuration file is wrong
  | "data" // data.yaml, an image or a label is wrong
  | "checkpoint" // a weights or checkpoint file is wrong
  | "runtime" // ONNX Runtime or a device refused
  | "diverged" // training met a number that is not finite
  | "io"; // the file system refused

/** An error with a stable code, for programs, and a message with its remedy, for people. */
export class EchoDuetError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "EchoDuetError";
    this.code = code;
  }
}

/** Throws a shape error: `subject: expected ..., got ...`. */
export function shapeError(message: string): never {
  throw new EchoDuetError("shape", message);
}
