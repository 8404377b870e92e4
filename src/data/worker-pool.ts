import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { EchoDuetError } from "../errors.js";
import type { InputSize, LetterboxedImage } from "./image.js";
import type { LoadReply, LoadRequest } from "./worker-protocol.js";

interface Waiting {
  readonly resolve: (image: LetterboxedImage) => void;
  readonly reject: (error: EchoDuetError) => void;
}

/** Threads that decode and letterbox images, so that decoding goes on while the main thread computes. */
export class WorkerPool {
  readonly #workers: { readonly thread: Worker; readonly waiting: Map<number, Waiting> }[] = [];
  #nextId = 0;
  #closed: EchoDuetError | null = null;

  constructor(count: number) {
    const file = workerFile();
    for (let i = 0; i < count; i++) {
      // Node's options of the main program, such as --input-type, need not fit a thread.
      const thread = new Worker(file, { execArgv: [] });
      const waiting = new Map<number, Waiting>();
      thread.on("message", (reply: LoadReply) => {
        // A late answer must not release a thread whose end is awaited: the process would end first.
        if (this.#closed) return;
        const request = waiting.get(reply.id);
        waiting.delete(reply.id);
        if (waiting.size === 0) thread.unref();
        if ("image" in reply) request?.resolve(reply.image);
        else request?.reject(new EchoDuetError(reply.fault.code, reply.fault.message));
      });
      thread.on("error", (cause) => this.#fail(`failed: ${cause.message}`, cause));
      thread.on("exit", (code) => this.#fail(`stopped with code ${code}`));
      // An idle thread must not keep the process alive.
      thread.unref();
      this.#workers.push({ thread, waiting });
    }
  }

  /** The image at `path`, letterboxed by the thread with the least to do. */
  load(path: string, size: InputSize): Promise<LetterboxedImage> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(this.#closed);
        return;
      }
      const least = this.#workers.reduce((a, b) => (b.waiting.size < a.waiting.size ? b : a));
      const request: LoadRequest = { id: this.#nextId++, path, size };
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
    this.#closed ??= new EchoDuetError("runtime", `frame loader: a decoding thread ${what}`, { cause });
    for (const { waiting } of this.#workers) {
      for (const { reject } of waiting.values()) reject(this.#closed);
      waiting.clear();
    }
  }
}

/** The built worker: beside this file, or in dist/ when this file runs from its TypeScript source. */
function workerFile(): URL {
  const beside = new URL("./loader-worker.js", import.meta.url);
  if (existsSync(fileURLToPath(beside))) return beside;
  const built = new URL("../../dist/data/loader-worker.js", import.meta.url);
  if (existsSync(fileURLToPath(built))) return built;
  throw new EchoDuetError(
    "runtime",
    `frame loader: expected ${fileURLToPath(beside)} or ${fileURLToPath(built)}, got neither; run \`npm run build\``,
  );
}
