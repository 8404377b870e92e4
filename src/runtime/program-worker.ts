/** The thread in which a ThreadedProgram runs. */
import { EchoDuetError } from "../errors.js";
import type { HostTensor } from "../tensor/index.js";
import { answerTasks } from "../threads/index.js";
import { type PreparedProgram, Program, type ProgramOptions } from "./program.js";

/** What the thread is asked: first to open a program, then to run it, at last to close it. */
export type ProgramTask =
  | { readonly open: PreparedProgram; readonly options: ProgramOptions }
  | { readonly feeds: ReadonlyMap<string, HostTensor> }
  | { readonly close: true };

/** Results of a run; empty after opening and closing. */
export interface ProgramAnswer {
  readonly results: ReadonlyMap<string, HostTensor>;
}

let program: Program | null = null;

answerTasks<ProgramTask, ProgramAnswer>(async (task) => {
  if ("open" in task) {
    program = await Program.open(task.open, task.options);
    return [{ results: new Map() }, []];
  }
  if ("close" in task) {
    await program?.close();
    return [{ results: new Map() }, []];
  }
  if (!program) throw new EchoDuetError("runtime", "program thread: expected to open a program first");
  const results = await program.run(task.feeds);
  return [{ results }, [...results.values()].map(({ data }) => data.buffer as ArrayBuffer)];
});
