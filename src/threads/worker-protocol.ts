import { parentPort } from "node:worker_threads";
import { EchoDuetError, type ErrorCode } from "../errors.js";

/** A task on its way to a worker thread. */
export type WorkerRequest<Task extends object> = Task & { readonly id: number };

/** A worker's answer, or the error that it met. */
export type WorkerReply<Answer extends object> = { readonly id: number } & (
  | Answer
  | { readonly fault: { readonly code: ErrorCode; readonly message: string } }
);

/** An answer with the buffers in it that are handed over, not copied. */
export type WorkerAnswer<Answer extends object> = readonly [answer: Answer, transfer: ArrayBuffer[]];

/**
 * Makes this thread answer the tasks of a `WorkerPool`, one at a time in the order of arrival; an error
 * goes back as the task's answer.
 * @throws EchoDuetError `runtime` where this is no worker thread
 */
export function answerTasks<Task extends object, Answer extends object>(
  answer: (task: Task) => Promise<WorkerAnswer<Answer>>,
): void {
  const port = parentPort;
  if (!port) throw new EchoDuetError("runtime", "worker: expected to run as a worker thread");
  let last: Promise<void> = Promise.resolve();
  port.on("message", (request: WorkerRequest<Task>) => {
    last = last
      .then(() => reply(request, answer))
      .then(([message, transfer]) => port.postMessage(message, transfer));
  });
}

async function reply<Task extends object, Answer extends object>(
  request: WorkerRequest<Task>,
  answer: (task: Task) => Promise<WorkerAnswer<Answer>>,
): Promise<readonly [WorkerReply<Answer>, ArrayBuffer[]]> {
  const { id } = request;
  try {
    const [result, transfer] = await answer(request);
    return [{ id, ...result }, transfer];
  } catch (error) {
    const code = error instanceof EchoDuetError ? error.code : "runtime";
    const message = error instanceof Error ? error.message : String(error);
    return [{ id, fault: { code, message } }, []];
  }
}
