import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** What a stepping process answers to `step N`. */
export interface StepAnswer {
  /** Wall time of each step. */
  readonly seconds: readonly number[];
  /** Largest resident set of that process so far. */
  readonly peakRssBytes: number;
  readonly loss: number | null;
}

/**
 * A process that holds one training step ready and speaks a JSON line per command: after a first line with
 * what it is, `step N` runs N steps, `quit` ends it. The PyTorch twin and our own step speak the same lines,
 * each in a process of its own, so that neither's memory nor its threads count towards the other's figures.
 */
export class LineProcess<Ready> {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #errors: string[] = [];
  ready!: Ready;

  private constructor(
    readonly label: string,
    command: string,
    args: readonly string[],
  ) {
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr?.on("data", (data: Buffer) => this.#errors.push(data.toString()));
    this.#child.on("error", (error) => this.#errors.push(error.message));
    this.#child.stdin?.on("error", () => {});
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[
      Symbol.asyncIterator
    ]();
  }

  /** Starts a process and waits for its first line. @throws Error with its messages where it ends instead */
  static async start<Ready>(
    label: string,
    command: string,
    args: readonly string[],
  ): Promise<LineProcess<Ready>> {
    const started = new LineProcess<Ready>(label, command, args);
    started.ready = await started.#answer<Ready>();
    return started;
  }

  async step(count: number): Promise<StepAnswer> {
    this.#child.stdin?.write(`step ${count}\n`);
    return this.#answer<StepAnswer>();
  }

  async quit(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin?.end("quit\n");
    const impatience = setTimeout(() => this.#child.kill(), 5000);
    await ended;
    clearTimeout(impatience);
  }

  async #answer<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.label}: ended without an answer: ${this.#errors.join("").trim()}`);
    return JSON.parse(value) as T;
  }
}

/** Answers `step N` and `quit` on standard input until either `quit` or its end. */
export async function serveSteps(ready: object, step: () => Promise<number>): Promise<void> {
  const say = (answer: object) => process.stdout.write(`${JSON.stringify(answer)}\n`);
  say(ready);
  for await (const line of createInterface({ input: process.stdin })) {
    const [word, count] = line.trim().split(" ");
    if (word === "quit") break;
    const seconds: number[] = [];
    let loss = 0;
    for (let i = 0; i < Number(count); i++) {
      const start = performance.now();
      loss = await step();
      seconds.push((performance.now() - start) / 1000);
    }
    say({ seconds, peakRssBytes: process.resourceUsage().maxRSS * 1024, loss });
  }
  // An open pipe would keep the process alive.
  process.stdin.destroy();
}
