import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { EchoDuetError } from "../../errors.js";

/** What a process answers to `WORD N`. */
export interface TimedRuns {
  /** Wall time of each run. */
  readonly seconds: readonly number[];
  /** Largest resident set of that process so far. */
  readonly peakRssBytes: number;
  /** What the last run returned, such as a loss. */
  readonly loss: number | null;
}

/**
 * A process that holds something ready to be timed and speaks a JSON line per command: after a first line with what
 * it is, `WORD N`, such as `step 3`, runs it N times, `quit` ends it. Each contender has a process of its own, so that
 * neither's memory nor its threads count towards another's figures.
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

  /**
   * Starts a process and waits for its first line.
   * @throws EchoDuetError `runtime` with its messages where it ends instead
   */
  static async start<Ready>(
    label: string,
    command: string,
    args: readonly string[],
  ): Promise<LineProcess<Ready>> {
    const started = new LineProcess<Ready>(label, command, args);
    started.ready = await started.#answer<Ready>();
    return started;
  }

  /**
   * Runs what the process calls `word` so many times.
   * @throws EchoDuetError `runtime` with its messages where the process ends instead
   */
  async run(word: string, count: number): Promise<TimedRuns> {
    this.#child.stdin?.write(`${word} ${count}\n`);
    return this.#answer<TimedRuns>();
  }

  async quit(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin?.end("quit\n");
    const impatience = setTimeout(() => this.#child.kill(), 5000);
    await ended;
    clearTimeout(impatience);
  }

  async #answer<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) {
      const messages = this.#errors.join("").trim();
      throw new EchoDuetError(
        "runtime",
        `${this.label}: expected an answer of its process, got its end: ${messages}`,
      );
    }
    return JSON.parse(value) as T;
  }
}

/** Answers `WORD N` on standard input by the runs of that name, until `quit` or the input's end. */
export async function serveRuns(
  ready: object,
  runs: Readonly<Record<string, () => Promise<number | null>>>,
): Promise<void> {
  const say = (answer: object) => process.stdout.write(`${JSON.stringify(answer)}\n`);
  say(ready);
  for await (const line of createInterface({ input: process.stdin })) {
    const [word, count] = line.trim().split(" ");
    if (word === "quit") break;
    const seconds: number[] = [];
    let loss: number | null = null;
    for (let i = 0; i < Number(count); i++) {
      const start = performance.now();
      loss = await runs[word]();
      seconds.push((performance.now() - start) / 1000);
    }
    say({ seconds, peakRssBytes: process.resourceUsage().maxRSS * 1024, loss } satisfies TimedRuns);
  }
  // An open pipe would keep the process alive.
  process.stdin.destroy();
}
