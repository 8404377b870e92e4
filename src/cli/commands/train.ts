import { Command } from "commander";
import { EchoDuetError } from "../../errors.js";
import type { StagedConfig, TrainConfig } from "../../config/index.js";
import type { StagedResult, TrainOptions, TrainResult } from "../../training/index.js";
import { jsonOption } from "../options.js";
import { withTerminal } from "../terminal.js";
import { addTrainOptions, trainConfigOf, trainOverrides } from "../train-options.js";

/** `echoduet train`: trains a model in a new run directory, or goes on with one. */
export function trainCommand(): Command {
  const command = new Command("train")
    .description("train a model; the run directory gets checkpoints, events.jsonl and metrics.csv")
    .addOption(jsonOption())
    .option(
      "--memory <bytes>",
      "largest resident memory, such as 2GB: batches are cut into micro-batches that fit, and accumulated",
    )
    .option("--resume <dir>", "go on with the run in this directory, with its own configuration")
    .option("--in-place", "train in --out itself: an error where it holds a run, and no next free name");
  return addTrainOptions(command).action(async (options: Record<string, unknown>) => {
    await withTerminal(async (terminal) => {
      const result =
        typeof options.resume === "string"
          ? await goOn(onlyResume(options.resume, options), terminal)
          : await begin(await fitted(trainConfigOf(options), options.memory), {
              ...terminal,
              inPlace: options.inPlace === true,
            });
      terminal.progress.stop();
      if (options.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
      else process.stderr.write(`${describe(result)}\n`);
    });
  });
}

async function begin(
  config: TrainConfig | StagedConfig,
  options: TrainOptions,
): Promise<TrainResult | StagedResult> {
  const { train, trainStages } = await import("../../training/index.js");
  if (!("stages" in config)) return train(config, options);
  if (options.inPlace) {
    throw new EchoDuetError("config", "--in-place: expects a training without stages; leave it out");
  }
  return trainStages(config, options);
}

/** The training within the budget of --memory, where there is one. */
async function fitted(
  config: TrainConfig | StagedConfig,
  memory: unknown,
): Promise<TrainConfig | StagedConfig> {
  if (memory === undefined) return config;
  if ("stages" in config) {
    throw new EchoDuetError("config", "--memory: expects a training without stages; leave it out");
  }
  const { byteCountSchema, parseWith } = await import("../../config/index.js");
  const budget = parseWith(byteCountSchema, memory, "--memory");
  const { fitMemory } = await import("../../experiments/index.js");
  return fitMemory(config, { budget, onMessage: (message) => process.stderr.write(`${message}\n`) });
}

async function goOn(directory: string, options: TrainOptions): Promise<TrainResult | StagedResult> {
  const { holdsStages, resume, resumeStages } = await import("../../training/index.js");
  return holdsStages(directory) ? resumeStages(directory, options) : resume(directory, options);
}

/** How a training ended, a line a run. */
function describe(result: TrainResult | StagedResult): string {
  if (!("stages" in result)) return `${result.reason} after ${result.epochs} epochs: ${result.run}`;
  const lines = result.stages.map((stage) => `${stage.name}: ${describe(stage)}`);
  return [...lines, `${result.stages.length} stages: ${result.run}`].join("\n");
}

/** A run keeps its configuration: options beside --resume would be ignored in silence. */
function onlyResume(directory: string, options: Readonly<Record<string, unknown>>): string {
  const others = ["config", "inPlace", "memory"].filter((name) => options[name] !== undefined);
  const given = [...Object.keys(trainOverrides(options)), ...others];
  if (given.length > 0) {
    throw new EchoDuetError(
      "config",
      `--resume: takes the run's own configuration, got ${given.join(", ")} as well; leave them out, or start a new run`,
    );
  }
  return directory;
}
