import { fileURLToPath } from "node:url";
import { LocalProcesses } from "../experiments/index.js";
import { exitCodes } from "./format-error.js";
import { LiveTable } from "./live-table.js";

const program = fileURLToPath(new URL("./main.js", import.meta.url));

/** Trainings as processes of this program, on this machine. */
export function localTrainings(): LocalProcesses {
  return new LocalProcesses([process.execPath, program]);
}

/** Runs `work` with a live table; the first Ctrl-C lets the runs save, the second ends at once. */
export async function withInterrupt<T>(
  work: (signal: AbortSignal, table: LiveTable) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const table = new LiveTable();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort();
    table.say("interrupted: every run saves a checkpoint after its step (again to leave them to it)");
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  try {
    return await work(controller.signal, table);
  } finally {
    table.stop();
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
  }
}
