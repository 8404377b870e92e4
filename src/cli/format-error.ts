import { CommanderError } from "commander";
import { EchoDuetError } from "../errors.js";

/** Exit codes of the program. */
export const exitCodes = { ok: 0, userError: 1, bug: 2, interrupted: 130 } as const;

/** What to print on standard error, without the last line break, and the exit code. */
export interface FormattedError {
  readonly text: string;
  readonly exitCode: number;
}

/**
 * How the program ends on `error`: a user's mistake is told without a stack trace; an interruption (an
 * `AbortError`, as `AbortController` makes) is 130, as after a SIGINT; anything else is a bug and shows
 * where it is.
 */
export function formatError(error: unknown): FormattedError {
  // Commander has printed its own message, or the help, by now.
  if (error instanceof CommanderError) return { text: "", exitCode: error.exitCode };
  if (error instanceof EchoDuetError) {
    return { text: `echoduet: ${error.message}`, exitCode: exitCodes.userError };
  }
  if (error instanceof Error && error.name === "AbortError") {
    return { text: `echoduet: ${error.message}`, exitCode: exitCodes.interrupted };
  }
  const details = error instanceof Error ? describeUnexpected(error) : String(error);
  return {
    text: `echoduet: unexpected error: ${details}\nThis is a bug in echoduet; please report it with the lines above.`,
    exitCode: exitCodes.bug,
  };
}

/** Prints `error` on `stream` and sets the exit code of this process. */
export function reportError(error: unknown, stream: NodeJS.WritableStream = process.stderr): void {
  const { text, exitCode } = formatError(error);
  if (text !== "") stream.write(`${text}\n`);
  process.exitCode = exitCode;
}

/** Message, stack and causes. */
function describeUnexpected(error: Error): string {
  const own = error.stack ?? `${error.name}: ${error.message}`;
  return error.cause instanceof Error ? `${own}\nCaused by: ${describeUnexpected(error.cause)}` : own;
}
