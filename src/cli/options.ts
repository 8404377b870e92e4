import { type Command, InvalidArgumentError, Option } from "commander";
import {
  type ConfigValues,
  devices,
  hasStages,
  type InputSize,
  loadConfigFile,
  mergeConfig,
  parseSize,
  resolveStagedConfig,
  resolveTrainConfig,
  type StagedConfig,
  type TrainConfig,
  type TrainOption,
  toNumber,
  trainOptions,
} from "../config/index.js";
import { EchoDuetError } from "../errors.js";

/** Adds `--config FILE` and one option for each value of the training configuration. */
export function addTrainOptions(command: Command): Command {
  command.option("--config <file>", "YAML file of options; those of the command line come first");
  for (const option of trainOptions) {
    for (const made of commanderOptions(option)) command.addOption(made);
  }
  return command;
}

function commanderOptions({ flag, kind, choices, help }: TrainOption): Option[] {
  if (kind === "boolean") {
    return [new Option(flag, help), new Option(flag.replace("--", "--no-"), `not ${flag}`)];
  }
  const option = new Option(`${flag} <value>`, help);
  return [kind === "choice" ? option.choices(choices) : option];
}

/**
 * The training that parsed options describe: defaults, then the file of `--config`, then the options. Where the file
 * has stages, the options hold for every stage that has no value of its own.
 * @param options what commander parsed after `addTrainOptions`; other options are left alone
 * @throws EchoDuetError `config` that lists every issue
 */
export function trainConfigOf(options: Readonly<Record<string, unknown>>): TrainConfig | StagedConfig {
  const file = typeof options.config === "string" ? options.config : undefined;
  const origin = file === undefined ? "options" : `options and ${file}`;
  const values = mergeConfig(file === undefined ? {} : loadConfigFile(file), trainOverrides(options));
  return hasStages(values) ? resolveStagedConfig(values, origin) : resolveTrainConfig(values, origin);
}

/** The values of the training configuration among parsed options; what was not given is left out. */
export function trainOverrides(options: Readonly<Record<string, unknown>>): ConfigValues {
  return trainOptions.reduce<ConfigValues>((values, { path, flag, kind }) => {
    const given = options[new Option(flag).attributeName()];
    if (given === undefined) return values;
    const value = kind === "number" && typeof given === "string" ? toNumber(given) : given;
    return mergeConfig(values, nest(path, value));
  }, {});
}

/** `{ ema: { decay: value } }` of the path ema, decay. */
function nest(path: readonly string[], value: unknown): ConfigValues {
  return path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as ConfigValues;
}

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
