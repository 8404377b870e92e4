import { existsSync } from "node:fs";
import { join } from "node:path";
import { EchoDuetError } from "../../errors.js";
import { EventTail, type LoggedEvent, lockHolder, runFiles } from "../../training/index.js";
import type { JournalEntry } from "./journal.js";

/** Metrics and fitness of a validation during training. */
export interface ValidationFact {
  readonly epoch: number;
  readonly fitness: number;
  readonly metrics: Readonly<Record<string, number | null>>;
}

/** What a run's own directory says of it. */
export interface RunFacts {
  /** `waiting`: never begun; `interrupted`: begun, and nobody trains it. */
  readonly state: "waiting" | "training" | "interrupted" | "finished" | "failed";
  readonly failure: string | null;
  readonly validations: readonly ValidationFact[];
  /** Batches and epochs done. */
  readonly step: number;
  readonly epoch: number;
  /** Seconds of the finished epochs, without validations. */
  readonly seconds: number;
  /** Largest resident memory logged (bytes); 0 where none is. */
  readonly memoryBytes: number;
}

/** A failure that the journal holds and no later retry cancels. */
export interface JournalFacts {
  readonly failure: string | null;
  /** Failures from before this moment (ISO 8601) do not count. */
  readonly retried: string;
}

/** What the journal says of each run, by id. */
export function journalFacts(entries: readonly JournalEntry[]): Map<string, JournalFacts> {
  const facts = new Map<string, JournalFacts>();
  for (const entry of entries) {
    if (entry.type === "failed") {
      facts.set(entry.run, { failure: entry.message, retried: facts.get(entry.run)?.retried ?? "" });
    }
    if (entry.type === "retried") facts.set(entry.run, { failure: null, retried: entry.time });
  }
  return facts;
}

const nothing: JournalFacts = { failure: null, retried: "" };

/** The facts of the run in `directory`. */
export function readRunFacts(directory: string, journal: JournalFacts = nothing): RunFacts {
  return new RunWatch(directory).look(journal);
}

type Progress = Omit<RunFacts, "state" | "failure">;
const none: Progress = { validations: [], step: 0, epoch: 0, seconds: 0, memoryBytes: 0 };

/** Looks at a run again and again; a look reads what its log has got since the one before. */
export class RunWatch {
  readonly #tail: EventTail;
  #progress = none;
  #latest: LoggedEvent | undefined;
  #diverged: { readonly time: string; readonly message: string } | undefined;

  constructor(readonly directory: string) {
    this.#tail = new EventTail(join(directory, runFiles.events));
  }

  /**
   * A finished run is one whose events end so, whatever else was written about it; a lock counts while its process
   * is alive; a damaged log is a failure.
   */
  look({ failure, retried }: JournalFacts = nothing): RunFacts {
    // First the lock: a run that ends between the two looks is then still in training, not interrupted.
    const isTrained = lockHolder(join(this.directory, runFiles.lock)) !== null;
    try {
      this.#read();
    } catch (error) {
      if (!(error instanceof EchoDuetError)) throw error;
      return { state: "failed", failure: error.message, ...this.#progress };
    }
    const own = this.#diverged && this.#diverged.time > retried ? this.#diverged.message : null;
    return { ...this.#stateOf(isTrained, own ?? failure), ...this.#progress };
  }

  #read(): void {
    const { events, anew } = this.#tail.look();
    if (anew) {
      this.#progress = none;
      this.#latest = undefined;
      this.#diverged = undefined;
    }
    for (const event of events) {
      this.#progress = after(this.#progress, event);
      if (event.type === "diverged") this.#diverged = event;
    }
    this.#latest = events.at(-1) ?? this.#latest;
  }

  #stateOf(isTrained: boolean, failure: string | null): Pick<RunFacts, "state" | "failure"> {
    if (isTrained) return { state: "training", failure: null };
    const has = (file: "last" | "config") => existsSync(join(this.directory, runFiles[file]));
    if (this.#latest?.type === "end" && has("last")) return { state: "finished", failure: null };
    if (failure !== null) return { state: "failed", failure };
    return { state: has("config") ? "interrupted" : "waiting", failure: null };
  }
}

function after(progress: Progress, event: LoggedEvent): Progress {
  const at = { ...progress, step: event.step };
  if (event.type === "epoch") {
    return {
      ...at,
      epoch: event.epoch,
      seconds: at.seconds + event.seconds,
      memoryBytes: Math.max(at.memoryBytes, event.memoryBytes),
    };
  }
  if (event.type === "validation" && event.split === "val") {
    const { epoch, fitness, metrics } = event;
    return { ...at, validations: [...at.validations, { epoch, fitness: fitness ?? Number.NaN, metrics }] };
  }
  return at;
}
