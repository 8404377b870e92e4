import type { TrainOptions } from "../training/index.js";
import { exitCodes } from "./format-error.js";
import { ProgressBar } from "./progress-bar.js";

/** Runs `work` with a progress bar; the first Ctrl-C asks it to save and stop, the second kills it. */
export async function withTerminal(
  work: (options: TrainOptions & { readonly progress: ProgressBar }) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  const progress = new ProgressBar();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
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
