import { InvalidArgumentError, Option } from "commander";
import { devices, type InputSize, parseSize, toNumber } from "../config/text-values.js";
import { EchoDuetError } from "../errors.js";

/** `--size N|WxH`, in pixels. */
export function sizeOption(description = "network input, N or WxH, multiples of 32 (pixels)"): Option {
  return new Option("--size <size>", description).argParser(
    (text): InputSize => invalidArgument(() => parseSize(text)),
  );
}

/** `--device`. */
export function deviceOption(): Option {
  return new Option("--device <device>", "where the graph runs").choices(devices).default("cpu");
}

/** `--threads N`; 0 means all cores. */
export function threadsOption(): Option {
  return new Option("--threads <n>", "threads of the CPU device; 0: all cores")
    .argParser((text) => parseCount(text, 0))
    .default(0);
}

/** `--json`: standard output holds the JSON alone. */
export function jsonOption(): Option {
  return new Option("--json", "print JSON on standard output, and nothing else there");
}

/** An option whose value is a share from 0 to 1, such as `--conf`. */
export function shareOption(flag: string, description: string, value: number): Option {
  return new Option(`${flag} <share>`, description).argParser(parseShare).default(value);
}

/**
 * A number from 0 to 1.
 * @throws InvalidArgumentError, which commander prints with the option's name
 */
export function parseShare(text: string): number {
  const value = toNumber(text);
  if (typeof value === "number" && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError(`expected a number from 0 to 1, got ${JSON.stringify(text)}`);
}

/**
 * A whole number of at least `least`.
 * @throws InvalidArgumentError, which commander prints with the option's name
 */
export function parseCount(text: string, least = 1): number {
  const value = toNumber(text);
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least) return value;
  throw new InvalidArgumentError(`expected a whole number >= ${least}, got ${JSON.stringify(text)}`);
}

/** The result of `parse`, its EchoDuetError turned into one that commander prints with the option's name. */
function invalidArgument<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof EchoDuetError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}
