import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { parseWith } from "../../config/index.js";
import { EchoDuetError } from "../../errors.js";
import { ioError } from "../../io/index.js";
import { AppendedLog } from "../../training/index.js";
import { costSchema } from "./cost.js";
import { sweepFiles } from "./layout.js";

const entry = <T extends string, F extends z.ZodRawShape>(type: T, fields: F) =>
  z.strictObject({ time: z.iso.datetime(), type: z.literal(type), ...fields });
const run = z.string();

const entrySchema = z.discriminatedUnion("type", [
  /** A process goes through the sweep. */
  entry("opened", { echoduet: z.string(), runs: z.int() }),
  /** What a program shape costs, measured before anything is trained. */
  entry("measured", {
    shape: z.string(),
    /** Processes that the cores would let run side by side, and those that did. */
    most: z.int(),
    processes: z.int(),
    cost: costSchema,
  }),
  /** A process trains a run. */
  entry("started", { run, pid: z.int().nullable() }),
  /** That process is gone; `how` is what the run's directory then says. */
  entry("ended", { run, how: z.string() }),
  /** A run failed by an error that its own events do not hold. */
  entry("failed", { run, message: z.string() }),
  /** A failed run is to be tried again. */
  entry("retried", { run }),
  /** Arms were compared, after a stage or (at an epoch) within it; each arm's mean, null where a run failed. */
  entry("selected", {
    stage: z.string(),
    epoch: z.int().nullable(),
    scores: z.record(z.string(), z.number().nullable()),
    kept: z.array(z.string()),
  }),
  /** The test split was opened. */
  entry("testOpened", { who: z.string() }),
]);

/** A line of `state.jsonl`. */
export type JournalEntry = z.output<typeof entrySchema>;
type WithoutTime<E> = E extends JournalEntry ? Omit<E, "time"> : never;
/** What is written; the time is that of the writing. */
export type NewJournalEntry = WithoutTime<JournalEntry>;

/** The journal of a sweep, open for writing: one line of JSON an entry, appended. */
export class Journal {
  readonly #log: AppendedLog;

  /**
   * Opens the journal of the sweep in `directory`; a torn last line is cut off.
   * @throws EchoDuetError `io` where the file system refuses
   */
  constructor(directory: string) {
    this.#log = new AppendedLog(join(directory, sweepFiles.journal));
    this.#log.rewindTo(Number.POSITIVE_INFINITY);
  }

  /** @throws EchoDuetError `io`, with file and remedy, where the file system refuses */
  append(added: NewJournalEntry): void {
    this.#log.append(JSON.stringify({ time: new Date().toISOString(), ...added }));
  }

  close(): void {
    this.#log.close();
  }
}

/**
 * The entries of a sweep's journal; a torn last line is left out, and so is everything where there is none.
 * @throws EchoDuetError `data` with file and line for a whole line that is no entry, `io` where it cannot be read
 */
export function readJournal(directory: string): JournalEntry[] {
  const path = join(directory, sweepFiles.journal);
  if (!existsSync(path)) return [];
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw ioError(path, "read", error);
  }
  return text
    .split("\n")
    .slice(0, -1)
    .map((line, i) => parseEntry(line, `${path}:${i + 1}`));
}

function parseEntry(line: string, origin: string): JournalEntry {
  try {
    return parseWith(entrySchema, JSON.parse(line), origin);
  } catch (cause) {
    throw new EchoDuetError("data", `${origin}: expected an entry as JSON, got ${JSON.stringify(line)}`, {
      cause,
    });
  }
}

/**
 * Records that `who` (a command with its version) opened the test split of the sweep in `directory`.
 * @throws EchoDuetError `io` where the file system refuses
 */
export function recordTestOpened(directory: string, who: string): void {
  const journal = new Journal(directory);
  try {
    journal.append({ type: "testOpened", who });
  } finally {
    journal.close();
  }
}

/** When, and by whom, the test split of the sweep in `directory` was opened; empty where it never was. */
export function testOpened(directory: string): { readonly time: string; readonly who: string }[] {
  return readJournal(directory).flatMap((line) =>
    line.type === "testOpened" ? [{ time: line.time, who: line.who }] : [],
  );
}
