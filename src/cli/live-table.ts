import { clearScreenDown, moveCursor } from "node:readline";
import type { SweepStatus } from "../experiments/index.js";
import type { ProgressStream } from "./progress-bar.js";
import { formatCounts, formatRun, formatTraining } from "./sweep-text.js";

/** A terminal, with its height in lines. */
export interface TableStream extends ProgressStream {
  readonly rows?: number;
}

/**
 * Shows how a sweep goes on: on a terminal a table that is drawn anew, under a line for each run that comes to
 * another state; elsewhere those lines alone.
 */
export class LiveTable {
  #states = new Map<string, string>();
  #drawn = 0;

  constructor(private readonly stream: TableStream = process.stderr) {}

  show(status: SweepStatus): void {
    const changed = status.runs.filter(({ run, state }) => (this.#states.get(run.id) ?? "waiting") !== state);
    this.#states = new Map(status.runs.map(({ run, state }) => [run.id, state]));
    this.#erase();
    for (const each of changed)
      this.#line(`${formatRun(each)}${this.#isLive ? "" : ` | ${formatCounts(status)}`}`);
    if (!this.#isLive) return;
    const { rows = 24, columns = 80 } = this.stream;
    const lines = [...formatTraining(status), formatCounts(status)].slice(-(rows - 1));
    for (const line of lines) this.#line(line.slice(0, columns - 1));
    this.#drawn = lines.length;
  }

  /** A line of its own, above the table. */
  say(text: string): void {
    this.#erase();
    this.#line(text);
  }

  /** Leaves what is shown where it is. */
  stop(): void {
    this.#drawn = 0;
  }

  get #isLive(): boolean {
    return this.stream.isTTY === true;
  }

  #line(text: string): void {
    this.stream.write(`${text}\n`);
  }

  #erase(): void {
    if (this.#drawn === 0) return;
    moveCursor(this.stream, 0, -this.#drawn);
    clearScreenDown(this.stream);
    this.#drawn = 0;
  }
}
