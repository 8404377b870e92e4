import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { EchoDuetError } from "../errors.js";
import type { WorkerReply, WorkerRequest } from "./worker-protocol.js";

interface Waiting<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: EchoDuetError) => void;
}

/** Threads that answer tasks (`answerTasks`) while the main thread goes on. */
export class WorkerPool<Task extends object, Answer extends object> {
  readonly #workers: { readonly thread: Worker; readonly waiting: Map<number, Waiting<Answer>> }[] = [];
  readonly #subject: string;
  #nextId = 0;
  #closed: EchoDuetError | null = null;

  /**
   * @param count threads
   * @param script the threads' program: the built `.js` beside the caller, or the one in dist/ where the caller runs
   *   from its TypeScript source
   * @param subject what errors are about
   */
  constructor(count: number, script: URL, subject: string) {
    this.#subject = subject;
    const file = builtScript(script, subject);
    for (let i = 0; i < count; i++) {
      // Node's options of the main program, such as --input-type, need not fit a thread.
      const thread = new Worker(file, { execArgv: [] });
      const waiting = new Map<number, Waiting<Answer>>();
      thread.on("message", (reply: WorkerReply<Answer>) => {
        // A late answer must not release a thread whose end is awaited: the process would end first.
        if (this.#closed) return;
        const request = waiting.get(reply.id);
        waiting.delete(reply.id);
        if (waiting.size === 0) thread.unref();
        if ("fault" in reply) request?.reject(new EchoDuetError(reply.fault.code, reply.fault.message));
        else request?.resolve(reply);
      });
      thread.on("error", (cause) => this.#fail(`failed: ${cause.message}`, cause));
      thread.on("exit", (code) => this.#fail(`stopped with code ${code}`));
      // An idle thread must not keep the process alive.
      thread.unref();
      this.#workers.push({ thread, waiting });
    }
  }

  /** The answer to a task, by the thread with the least to do; rejects with the error that the thread met. */
  run(task: Task): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(this.#closed);
        return;
      }
      const least = this.#workers.reduce((a, b) => (b.waiting.size < a.waiting.size ? b : a));
      const request: WorkerRequest<Task> = { ...task, id: this.#nextId++ };
      least.waiting.set(request.id, { resolve, reject });
      least.thread.ref();
      least.thread.postMessage(request);
    });
  }

  /** Stops the threads; what they had not answered is rejected. */
  async close(): Promise<void> {
    this.#fail("was closed");
    await Promise.all(this.#workers.map(({ thread }) => thread.terminate()));
  }

  #fail(what: string, cause?: unknown): void {
    this.#closed ??= new EchoDuetError("runtime", `${this.#subject}: a thread ${what}`, { cause });
    for (const { waiting } of this.#workers) {
      for (const { reject } of waiting.values()) reject(this.#closed);
      waiting.clear();
    }
  }
}

/**
 * A built script: where the caller has it, or in dist/ when the caller runs from its TypeScript source.
 * @throws EchoDuetError `runtime` where there is neither
 */
export function builtScript(script: URL, subject: string): URL {
  const built = new URL(script.href.replace(/\/src\/(?!.*\/src\/)/, "/dist/"));
  const found = [script, built].find((file) => existsSync(fileURLToPath(file)));
  if (found) return found;
  throw new EchoDuetError(
    "runtime",
    `${subject}: expected ${fileURLToPath(script)} or ${fileURLToPath(built)}, got neither; run \`npm run build\``,
  );
}
