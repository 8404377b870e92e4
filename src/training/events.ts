import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
} from "node:fs";
import { z } from "zod";
import { parseWith } from "../config/index.js";
import { EchoDuetError } from "../errors.js";
import { errnoOf, ioError } from "../io/index.js";

/** A number in a log. JSON has no NaN and would turn it into null: logs spell such numbers out. */
const real = z.union([z.number(), z.enum(["NaN", "Infinity", "-Infinity"]).transform(Number)]);
const reals = z.record(z.string(), real);
const count = z.int().min(0);
const event = <T extends string, F extends z.ZodRawShape>(type: T, fields: F) =>
  z.strictObject({ time: z.iso.datetime(), type: z.literal(type), epoch: count, step: count, ...fields });

/** How two tasks' gradients of the same parameters lie to each other. */
const conflictSchema = z.strictObject({
  /** ‖∇L‖₂ of each task's unweighted loss (mean over images). */
  norms: reals,
  /** Cosine of the angle between them, -1..1; null where one of them is zero. */
  cosine: real.nullable(),
});

const loggedEventSchema = z.discriminatedUnion("type", [
  /** A run begins, or goes on from the checkpoint of that epoch and step. */
  event("start", { resumed: z.boolean(), model: z.string() }),
  /** One batch: losses before weighting, learning rate of decayed weights, global gradient norm. */
  event("step", {
    images: count,
    losses: reals,
    taskWeights: reals,
    learningRate: real,
    gradientNorm: real.nullable(),
    /** The same of each branch, where the model has branches. */
    branches: z.record(z.string(), z.strictObject({ learningRate: real, gradientNorm: real })).optional(),
    /** What the balancer measured, by quantity and task, such as GradNorm's norms, rates and targets. */
    balance: z.record(z.string(), reals).optional(),
  }),
  /** The balancer warns, each time a named condition begins. */
  event("alarm", { alarm: z.string(), task: z.string().nullable(), message: z.string() }),
  /**
   * The tasks' gradients on the probe images, for all shared parameters together and for each layer in the
   * order of the network; `weights` are those by which the step multiplies the mean losses (task weight times
   * scale, over the batch size).
   */
  event("interference", {
    images: count,
    seconds: real,
    weights: reals,
    overall: conflictSchema,
    layers: z.array(z.strictObject({ name: z.string(), ...conflictSchema.shape })),
  }),
  /** A finished epoch: mean losses, speed, time spent waiting for images, largest resident memory so far. */
  event("epoch", {
    losses: reals,
    seconds: real,
    imagesPerSecond: real,
    loaderWaitSeconds: real,
    memoryBytes: real,
  }),
  /** Metrics of a split; null where a metric has no value. */
  event("validation", {
    split: z.string(),
    metrics: z.record(z.string(), real.nullable()),
    fitness: real.nullable(),
  }),
  /** A checkpoint was written. */
  event("checkpoint", { file: z.string(), reason: z.enum(["epoch", "steps", "best", "interrupted"]) }),
  /** Training met a number that is not finite, and stops. */
  event("diverged", { message: z.string() }),
  /** The run ended by itself. */
  event("end", { reason: z.enum(["completed", "early-stopping"]) }),
  /** Anything else worth keeping, such as which tensors a weights file left out. */
  event("note", { message: z.string() }),
]);

/**
 * An event as it stands in `events.jsonl`, with the time of writing (ISO 8601). Epochs count from 1; `step`
 * is the number of batches processed over the whole run.
 */
export type LoggedEvent = z.output<typeof loggedEventSchema>;

type WithoutTime<E> = E extends LoggedEvent ? Omit<E, "time"> : never;

/** What happens in a run, told by `type`. */
export type TrainingEvent = WithoutTime<LoggedEvent>;

/** The line of `event` in `events.jsonl`; numbers that are not finite become the texts NaN, Infinity, -Infinity. */
export function formatEvent(event: TrainingEvent, time: Date = new Date()): string {
  return JSON.stringify({ time: time.toISOString(), ...event }, (_key, value: unknown) =>
    typeof value === "number" && !Number.isFinite(value) ? String(value) : value,
  );
}

/**
 * The events of an `events.jsonl`. A last line without its line break was torn by a kill and is left out.
 * @throws EchoDuetError `data`, with file and line, where a whole line is no event; `io` where the file cannot be read
 */
export function readEvents(path: string): LoggedEvent[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw ioError(path, "read", error);
  }
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line, index) => parseEvent(line, `${path}:${index + 1}`));
}

/**
 * The events of a log that is being written, in pieces: each look gives those that came since the one before. A log
 * that was cut back in between, as a resumed run's is, is read anew.
 */
export class EventTail {
  #position = 0;
  #last = "";

  constructor(readonly path: string) {}

  /**
   * @returns the events since the last look, `anew` where these are all of the log
   * @throws as `readEvents`
   */
  look(): { readonly events: readonly LoggedEvent[]; readonly anew: boolean } {
    const known = Buffer.byteLength(this.#last);
    const added = readFrom(this.path, this.#position - known);
    const anew = this.#position === 0 || added.subarray(0, known).toString("utf8") !== this.#last;
    const fresh = anew && this.#position > 0 ? readFrom(this.path, 0) : added.subarray(known);
    const whole = fresh.subarray(0, fresh.lastIndexOf("\n") + 1);
    const lines = whole.toString("utf8").split("\n").slice(0, -1);
    this.#position = (anew ? 0 : this.#position) + whole.length;
    if (anew || lines.length > 0) this.#last = lines.length > 0 ? `${lines[lines.length - 1]}\n` : "";
    return { events: lines.map((line) => parseEvent(line, this.path)), anew };
  }
}

/** The bytes of a file from `position` on; none where there is no file, or it is shorter. */
function readFrom(path: string, position: number): Buffer {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return Buffer.alloc(0);
    throw ioError(path, "read", error);
  }
  try {
    const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - position));
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, position));
  } catch (error) {
    throw ioError(path, "read", error);
  } finally {
    closeSync(file);
  }
}

function parseEvent(line: string, origin: string): LoggedEvent {
  try {
    return parseWith(loggedEventSchema, JSON.parse(line), origin);
  } catch (cause) {
    if (cause instanceof EchoDuetError) throw new EchoDuetError("data", cause.message, { cause });
    throw new EchoDuetError("data", `${origin}: expected an event as JSON, got ${JSON.stringify(line)}`, {
      cause,
    });
  }
}

/** A text file to which whole lines are appended, and whose length a checkpoint remembers. */
export class AppendedLog {
  private readonly file: number;

  /**
   * Opens `path`, making it where it does not exist.
   * @throws EchoDuetError `io` where the file system refuses
   */
  constructor(readonly path: string) {
    try {
      this.file = openSync(path, "a+");
    } catch (error) {
      throw ioError(path, "opened", error);
    }
  }

  /**
   * Appends `line` and its line break.
   * @throws EchoDuetError `io`, with file and remedy, where the file system refuses
   */
  append(line: string): void {
    try {
      writeFileSync(this.file, `${line}\n`);
    } catch (error) {
      throw ioError(this.path, "written", error);
    }
  }

  /** The length in bytes, after everything up to it has reached the disk. */
  position(): number {
    try {
      fsyncSync(this.file);
    } catch (error) {
      // Pipes and some network file systems cannot be flushed; the length is right all the same.
      if (errnoOf(error) !== "EINVAL") throw ioError(this.path, "written", error);
    }
    return fstatSync(this.file).size;
  }

  /**
   * Cuts the log back to `position` bytes, and to whole lines: what a killed process wrote after its last
   * checkpoint goes, and so does a torn last line.
   */
  rewindTo(position: number): void {
    try {
      const kept = readFileSync(this.path).subarray(0, position);
      ftruncateSync(this.file, kept.lastIndexOf("\n") + 1);
    } catch (error) {
      throw ioError(this.path, "cut back", error);
    }
  }

  close(): void {
    closeSync(this.file);
  }
}

/** A value of a CSV cell: null is an empty cell, NaN is written as NaN. */
export type CsvValue = number | string | null;

/** The line of `cells` in a CSV file (RFC 4180). */
export function formatCsvLine(cells: readonly CsvValue[]): string {
  return cells.map((cell) => quoteCell(cell === null ? "" : String(cell))).join(",");
}

function quoteCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
