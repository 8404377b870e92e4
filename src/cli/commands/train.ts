import { Command } from "commander";
import { EchoDuetError } from "../../errors.js";
import { resume, type TrainOptions, train } from "../../training/index.js";
import { jsonOption, addTrainOptions, trainConfigOf, trainOverrides } from "../options.js";
import { ProgressBar } from "../progress-bar.js";

/** `echoduet train`: trains a model in a new run directory, or goes on with one. */
export function trainCommand(): Command {
  const command = new Command("train")
    .description("train a model; the run directory gets checkpoints, events.jsonl and metrics.csv")
    .addOption(jsonOption())
    .option("--resume <dir>", "go on with the run in this directory, with its own configuration")
    .option("--in-place", "train in --out itself: an error where it holds a run, and no next free name");
  return addTrainOptions(command).action(async (options: Record<string, unknown>) => {
    await withTerminal(async (terminal) => {
      const result =
        typeof options.resume === "string"
          ? await resume(onlyResume(options.resume, options), terminal)
          : await train(trainConfigOf(options), { ...terminal, inPlace: options.inPlace === true });
      terminal.progress.stop();
      if (options.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
      else process.stderr.write(`${result.reason} after ${result.epochs} epochs: ${result.run}\n`);
    });
  });
}

/** A run keeps its configuration: options beside --resume would be ignored in silence. */
function onlyResume(directory: string, options: Readonly<Record<string, unknown>>): string {
  const others = ["config", "inPlace"].filter((name) => options[name] !== undefined);
  const given = [...Object.keys(trainOverrides(options)), ...others];
  if (given.length > 0) {
    throw new EchoDuetError(
      "config",
      `--resume: takes the run's own configuration, got ${given.join(", ")} as well; leave them out, or start a new run`,
    );
  }
  return directory;
}

/** Runs `work` with a progress bar; the first Ctrl-C asks it to save and stop, the second kills it. */
export async function withTerminal(
  work: (options: TrainOptions & { readonly progress: ProgressBar }) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  const progress = new ProgressBar();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    progress.onMessage("interrupted: saving a checkpoint after this step (again to stop at once)");
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  try {
    await work({ progress, signal: controller.signal });
  } finally {
    progress.stop();
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
  }
}
