import { type Command, Option } from "commander";
import {
  type ConfigValues,
  hasStages,
  loadConfigFile,
  mergeConfig,
  resolveStagedConfig,
  resolveTrainConfig,
  type StagedConfig,
  toNumber,
  type TrainConfig,
  type TrainOption,
  trainOptions,
} from "../config/index.js";

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
