import { statfsSync } from "node:fs";
import { EchoDuetError } from "../../errors.js";
import { echoduetVersion } from "../../training/index.js";
import { type Decisions, decide, type Selection } from "./decide.js";
import { type Budget, estimate, type RunCost, slowdown, stepsPerEpoch } from "./estimate.js";
import type { Executor, JobEnd, RunningJob } from "./executor.js";
import { Journal, type NewJournalEntry, readJournal } from "./journal.js";
import { runDirectoryOf } from "./layout.js";
import type { SweepRunState } from "./open-sweep.js";
import { configOf, type PlannedRun, type SweepPlan } from "./plan.js";
import { type JournalFacts, journalFacts, type RunFacts, RunWatch } from "./run-facts.js";
import { writeTable } from "./table.js";

/** What a sweep is run with; its directory is claimed. */
export interface RunSweepOptions {
  readonly directory: string;
  readonly plan: SweepPlan;
  readonly budget: Budget;
  /** From `measurePlan`. */
  readonly costs: ReadonlyMap<string, RunCost | null>;
  readonly executor: Executor;
  /** Begins failed runs again, or goes on with them. */
  readonly retryFailed: boolean;
  /** Aborting lets every run save a checkpoint, and ends with an AbortError. */
  readonly signal: AbortSignal;
  readonly onStatus: (status: SweepStatus) => void;
}

/** Where a run stands, for people. */
export interface RunStatus {
  readonly run: PlannedRun;
  readonly state: SweepRunState;
  readonly facts: RunFacts;
  /** Of the whole run; null where its data cannot be read. */
  readonly steps: number | null;
}

/** Where a sweep stands. */
export interface SweepStatus {
  readonly runs: readonly RunStatus[];
  readonly selections: readonly Selection[];
  /** Until the whole is done; an upper bound where arms are still to be compared. */
  readonly secondsLeft: number;
}

/** Time between two looks at the runs, in milliseconds. */
const tickMs = 500;
/** A disk with less room than this is full. */
const leastRoomBytes = 2 ** 20;

/**
 * Goes through a sweep to its end: starts what the decisions say as far as the budget lets it, one run's failure
 * leaving the others alone, and looks at the runs' directories for all that happens. What another process trains is
 * waited for.
 * @returns where every run stands in the end
 * @throws EchoDuetError `io` where the disk is full: nothing more is started then; AbortError on interruption
 */
export async function runSweep(options: RunSweepOptions): Promise<SweepStatus> {
  const journal = new Journal(options.directory);
  try {
    return await new SweepRunner(options, journal).run();
  } finally {
    journal.close();
  }
}

interface Running {
  readonly job: RunningJob;
  isInterrupted: boolean;
}

class SweepRunner {
  readonly #watches: ReadonlyMap<string, RunWatch>;
  readonly #running = new Map<string, Running>();
  readonly #facts = new Map<string, RunFacts>();
  #journalFacts: Map<string, JournalFacts>;
  /** Selections in the journal. */
  readonly #recorded: Set<string>;
  /** Epoch that a run was in when a signal last killed it. */
  readonly #killedAt = new Map<string, number>();
  /** Why nothing more is started. */
  #fatal: EchoDuetError | null = null;
  #tableSignature = "";
  /** Ends the pause in progress. */
  #wake = (): void => {};

  constructor(
    private readonly options: RunSweepOptions,
    private readonly journal: Journal,
  ) {
    const { directory, plan } = options;
    const entries = readJournal(directory);
    this.#watches = new Map(
      plan.runs.map(({ id, name }) => [id, new RunWatch(runDirectoryOf(directory, name))]),
    );
    this.#journalFacts = journalFacts(entries);
    this.#recorded = new Set(
      entries.flatMap((entry) => (entry.type === "selected" ? [keyOfSelection(entry)] : [])),
    );
  }

  async run(): Promise<SweepStatus> {
    const { plan, signal, retryFailed } = this.options;
    this.#record({ type: "opened", echoduet: echoduetVersion, runs: plan.runs.length });
    this.#look(plan.runs);
    if (retryFailed) this.#retryFailed();
    signal.addEventListener("abort", () => this.#wake(), { once: true });
    for (;;) {
      this.#look(plan.runs.filter(({ id }) => this.#isActive(id)));
      const decisions = decide(plan, this.#facts);
      for (const selection of decisions.selections) this.#recordSelection(selection);
      const isStopping = this.#fatal !== null || signal.aborted;
      this.#interrupt(decisions, isStopping);
      if (!isStopping) this.#start(decisions);
      this.#publish(decisions);
      const isLeft = !isStopping && plan.runs.some(({ id }) => this.#isLeft(id, decisions));
      if (this.#running.size === 0 && !isLeft) break;
      await this.#pause();
    }
    if (this.#fatal) throw this.#fatal;
    if (signal.aborted) throw new DOMException("interrupted; start the sweep again to go on", "AbortError");
    return this.#status(decide(plan, this.#facts));
  }

  /** Until the next look: a tick, or less where a job ends or the sweep is interrupted. */
  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, tickMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Trained by this process or another, so that its directory changes. */
  #isActive(id: string): boolean {
    return this.#running.has(id) || this.#facts.get(id)?.state === "training";
  }

  #isLeft(id: string, { runs }: Decisions): boolean {
    return runs.get(id)?.action === "train" || this.#facts.get(id)?.state === "training";
  }

  #look(runs: readonly PlannedRun[]): void {
    for (const { id } of runs) this.#facts.set(id, this.#watches.get(id)!.look(this.#journalFacts.get(id)));
  }

  #retryFailed(): void {
    const failed = this.options.plan.runs.filter(({ id }) => this.#facts.get(id)?.state === "failed");
    for (const { id } of failed) this.#record({ type: "retried", run: id });
    this.#look(failed);
  }

  /** Those that have come as far as they are to, and all where the sweep stops. */
  #interrupt({ runs }: Decisions, isStopping: boolean): void {
    for (const [id, running] of this.#running) {
      const { action } = runs.get(id)!;
      const isDone = action === "wait" || action === "pruned";
      if ((isStopping || isDone) && !running.isInterrupted) {
        running.isInterrupted = true;
        running.job.interrupt();
      }
    }
  }

  #start({ runs }: Decisions): void {
    for (const run of this.options.plan.runs) {
      const wanted = runs.get(run.id)?.action === "train" && !this.#isActive(run.id);
      if (wanted && this.#fits(run.id) && this.#fatal === null) this.#startRun(run);
    }
  }

  /** Whether the budget has room for one more run; there is always room for one alone. */
  #fits(id: string): boolean {
    const { budget, plan } = this.options;
    const active = plan.runs.filter((run) => this.#isActive(run.id));
    if (active.length === 0) return true;
    const all = [...active.map((run) => run.id), id];
    const cores = all.reduce((sum, each) => sum + (this.options.costs.get(each)?.config.threads ?? 1), 0);
    const memory = all.reduce((sum, each) => sum + this.#memoryOf(each), 0);
    return cores <= budget.cores && (budget.memory === null || memory <= budget.memory);
  }

  /** As measured before, or more where the run has been seen with more. */
  #memoryOf(id: string): number {
    return Math.max(this.options.costs.get(id)?.cost.peakBytes ?? 0, this.#facts.get(id)?.memoryBytes ?? 0);
  }

  #startRun(run: PlannedRun): void {
    const { directory, plan, executor } = this.options;
    const out = runDirectoryOf(directory, run.name);
    let job: RunningJob;
    try {
      job = executor.start({ directory: out, config: configOf(plan.base, run, out) });
    } catch (error) {
      if (!(error instanceof EchoDuetError)) throw error;
      this.#fail(run, error.message);
      return;
    }
    void job.ended.then((end) => {
      this.#finish(run, end);
      this.#wake();
    });
    this.#running.set(run.id, { job, isInterrupted: false });
    this.#record({ type: "started", run: run.id, pid: job.pid });
  }

  /** A job is gone: its run's directory says how it stands, and how it ended why. */
  #finish(run: PlannedRun, { code, signal, message }: JobEnd): void {
    const isInterrupted = this.#running.get(run.id)?.isInterrupted === true;
    this.#running.delete(run.id);
    this.#look([run]);
    const { state, epoch } = this.#facts.get(run.id)!;
    const isLeftOpen = (state === "interrupted" || state === "waiting") && !isInterrupted;
    if (isLeftOpen && signal !== null) {
      // Whatever killed it may do so for ever: without an epoch between two times, it is given up.
      if (this.#killedAt.get(run.id) === epoch) {
        this.#fail(run, `killed by ${signal} twice in epoch ${epoch + 1}; look whether memory is short`);
      }
      this.#killedAt.set(run.id, epoch);
    } else if (isLeftOpen && code !== 130) {
      this.#fail(run, message || `ended with exit code ${code}`);
    } else if (state === "failed") {
      this.#fail(run, this.#facts.get(run.id)?.failure ?? message);
    }
    this.#record({ type: "ended", run: run.id, how: this.#facts.get(run.id)!.state });
  }

  /** A full disk is no failure of the run, which goes on as soon as there is room. */
  #fail(run: PlannedRun, message: string): void {
    if (/\b(ENOSPC|EDQUOT)\b/.test(message) || hasNoRoom(this.options.directory)) {
      this.#fatal ??= new EchoDuetError(
        "io",
        `${run.name}: stopped as the disk is full (${message}); make room and start the sweep again: it goes on where it was`,
      );
      return;
    }
    this.#record({ type: "failed", run: run.id, message });
    this.#look([run]);
  }

  #recordSelection({ stage, epoch, scores, kept }: Selection): void {
    const entry = { stage, epoch, scores: { ...scores }, kept: [...kept] };
    const key = keyOfSelection(entry);
    if (this.#recorded.has(key)) return;
    this.#recorded.add(key);
    this.#record({ type: "selected", ...entry });
  }

  #record(entry: NewJournalEntry): void {
    this.#write(() => this.journal.append(entry));
    this.#journalFacts = addToFacts(this.#journalFacts, entry);
  }

  /** The sweep's own files: where they cannot be written, what runs is let end, and no finished run is lost. */
  #write(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof EchoDuetError)) throw error;
      this.#fatal ??= error;
    }
  }

  #publish(decisions: Decisions): void {
    const status = this.#status(decisions);
    const signature = JSON.stringify(status.runs.map(({ state, facts }) => [state, facts.epoch]));
    if (signature !== this.#tableSignature) {
      const { directory, plan } = this.options;
      this.#write(() => writeTable(directory, plan, this.#facts, decisions.runs));
      this.#tableSignature = signature;
    }
    this.options.onStatus(status);
  }

  #status({ runs, selections }: Decisions): SweepStatus {
    const { plan, budget, costs } = this.options;
    const progress = { costs, facts: this.#facts, selections };
    return {
      runs: plan.runs.map((run) => {
        const facts = this.#facts.get(run.id)!;
        const cost = costs.get(run.id);
        return {
          run,
          facts,
          state: stateOf(facts, runs.get(run.id)?.action === "pruned", this.#running.has(run.id)),
          steps: cost ? run.epochs * stepsPerEpoch(cost) : null,
        };
      }),
      selections,
      secondsLeft: estimate(plan, budget, progress).wallSeconds * slowdown(progress),
    };
  }
}

function stateOf(facts: RunFacts, isPruned: boolean, isRunning: boolean): SweepRunState {
  if (isRunning) return "training";
  return isPruned && facts.state !== "training" ? "pruned" : facts.state;
}

function keyOfSelection({ stage, epoch, scores, kept }: Selection): string {
  return JSON.stringify([stage, epoch, scores, kept]);
}

function addToFacts(facts: Map<string, JournalFacts>, entry: NewJournalEntry): Map<string, JournalFacts> {
  return new Map([...facts, ...journalFacts([{ time: new Date().toISOString(), ...entry }])]);
}

/** A run on a full disk may not even have had room for its message. */
function hasNoRoom(directory: string): boolean {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize < leastRoomBytes;
}
