import { existsSync } from "node:fs";
import { join } from "node:path";
import { type LoggedEvent, lockHolder, readEvents, runFiles } from "../../training/index.js";
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

/**
 * The facts of the run in `directory`. A finished run is one whose events end so, whatever else was written
 * about it; a lock counts while its process is alive.
 * @throws EchoDuetError `data` for a damaged log
 */
export function readRunFacts(directory: string, { failure, retried }: JournalFacts = nothing): RunFacts {
  const log = join(directory, runFiles.events);
  const events = existsSync(log) ? readEvents(log) : [];
  const isTrained = lockHolder(join(directory, runFiles.lock)) !== null;
  const diverged = events.findLast((event) => event.type === "diverged" && event.time > retried);
  const message = diverged?.type === "diverged" ? diverged.message : failure;
  return { ...stateOf(directory, events, isTrained, message), ...progressOf(events) };
}

function stateOf(
  directory: string,
  events: readonly LoggedEvent[],
  isTrained: boolean,
  failure: string | null,
): Pick<RunFacts, "state" | "failure"> {
  if (isTrained) return { state: "training", failure: null };
  if (events.at(-1)?.type === "end" && existsSync(join(directory, runFiles.last))) {
    return { state: "finished", failure: null };
  }
  if (failure !== null) return { state: "failed", failure };
  const isBegun = existsSync(join(directory, runFiles.config));
  return { state: isBegun ? "interrupted" : "waiting", failure: null };
}

function progressOf(events: readonly LoggedEvent[]): Omit<RunFacts, "state" | "failure"> {
  const epochs = events.filter((event) => event.type === "epoch");
  return {
    validations: events.flatMap((event) =>
      event.type === "validation" && event.split === "val"
        ? [{ epoch: event.epoch, fitness: event.fitness ?? Number.NaN, metrics: event.metrics }]
        : [],
    ),
    step: events.at(-1)?.step ?? 0,
    epoch: epochs.at(-1)?.epoch ?? 0,
    seconds: epochs.reduce((sum, { seconds }) => sum + seconds, 0),
    memoryBytes: epochs.reduce((most, { memoryBytes }) => Math.max(most, memoryBytes), 0),
  };
}
