import { z } from "zod";
import { parseWith } from "../config/index.js";
import {
  AugmentedLoader,
  augmentWarnings,
  type DataDescription,
  type FrameBatch,
  FrameLoader,
  type FrameRecord,
  type PlacedBatch,
  sampledOrder,
  wholeBatches,
} from "../data/index.js";
import { EchoDuetError } from "../errors.js";
import { nothingShared } from "../interference/index.js";
import type { Model } from "../models/index.js";
import type { HostTensor } from "../tensor/index.js";
import { alarmStateSchema, BalanceWatch } from "./balance-watch.js";
import type { Checkpoint } from "./checkpoint.js";
import { evaluate, fitnessOf, headlineMetrics } from "./evaluate.js";
import type { InterferenceProbe } from "./interference-probe.js";
import { describeMark, type LeakageMark } from "./leakage-mark.js";
import { openProbe } from "./open-probe.js";
import { Predictor } from "./predictor.js";
import { type ProgressListener, type StepProgress, silentProgress } from "./progress.js";
import type { RunDirectory } from "./run-directory.js";
import { type StepReport, TrainingSession } from "./session.js";
import { echoduetVersion } from "./versions.js";

export interface TrainOptions {
  readonly progress?: ProgressListener;
  /** Aborting saves a checkpoint after the step in progress and ends with an AbortError. */
  readonly signal?: AbortSignal;
  /** Makes a new run in `out` itself, and fails where that is not free, in place of taking the next free name. */
  readonly inPlace?: boolean;
}

/** How a training ended. */
export interface TrainResult {
  /** The run's directory. */
  readonly run: string;
  readonly reason: "completed" | "early-stopping";
  readonly epochs: number;
  readonly bestEpoch: number | null;
  readonly bestFitness: number | null;
  /** Metrics of the latest validation. */
  readonly metrics: Readonly<Record<string, number | null>>;
  /** What the training frames share with the validation and test splits: the metrics flatter by it. */
  readonly leakage: readonly LeakageMark[];
}

/** The frames that a training reads. */
export interface TrainingData {
  readonly description: DataDescription;
  readonly train: readonly FrameRecord[];
  readonly val: readonly FrameRecord[];
  /** Of the frames that are trained on. */
  readonly fingerprint: string;
  /** What the training frames share with the validation and test splits. */
  readonly leakage: readonly LeakageMark[];
}

/** What a training starts from. */
export interface StartingTensors {
  readonly tensors: ReadonlyMap<string, HostTensor<"float32">>;
  /** Multiples chosen by FLOPs, what was loaded and what was left as initialised; null where there is nothing to say. */
  readonly note: string | null;
}

/** Everything that a training needs, opened. */
export interface Training {
  readonly run: RunDirectory;
  readonly data: TrainingData;
  readonly model: Model;
  readonly start: StartingTensors;
  readonly checkpoint: Checkpoint | null;
  readonly options: TrainOptions;
}

const count = z.int().min(0);

/** What a checkpoint keeps beside tensors and counters. */
const trainerStateSchema = z.strictObject({
  /** Of the session: see `SessionCounters`. */
  updates: count,
  updatedAt: count,
  capacity: count,
  bestFitness: z.number().nullable(),
  bestEpoch: count.nullable(),
  /** Sums over the epoch's images so far, for its mean losses. */
  lossSums: z.record(z.string(), z.number()),
  images: count,
  /** What the watch over the balancer's weights remembers. */
  alarms: alarmStateSchema.nullable().default(null),
});
type TrainerState = Omit<
  z.output<typeof trainerStateSchema>,
  "updates" | "updatedAt" | "capacity" | "alarms"
>;

/** Batches that are made while a step runs. */
const batchesAhead = 2;

/** One process's part of a training: from the latest checkpoint to the end, or to an interruption. */
export class TrainingLoop {
  readonly #training: Training;
  readonly #session: TrainingSession;
  readonly #trainLoader: AugmentedLoader;
  readonly #valLoader: FrameLoader;
  readonly #stepsPerEpoch: number;
  readonly #progress: ProgressListener;
  readonly #patients: readonly string[];
  readonly #watch: BalanceWatch;
  #probe: InterferenceProbe | null = null;
  /** The latest measurement of the probe. */
  #conflict: StepProgress["conflict"] = null;
  #state: TrainerState = { bestFitness: null, bestEpoch: null, lossSums: {}, images: 0 };
  #metrics: Record<string, number | null> = {};
  /** Epochs completed. */
  #epoch = 0;

  constructor(training: Training) {
    const { run, data, model, start, checkpoint, options } = training;
    const { config } = run;
    this.#training = training;
    this.#progress = options.progress ?? silentProgress;
    this.#patients = patientsOf(data.train);
    this.#stepsPerEpoch = Math.ceil(data.train.length / config.batch);
    this.#session = new TrainingSession(model, config, start.tensors, this.#stepsPerEpoch);
    this.#watch = new BalanceWatch(this.#session.balancer);
    const loading = { cacheBytes: config.cacheBytes / 2, workers: config.workers };
    this.#trainLoader = new AugmentedLoader(data.train, config.size, { ...loading, augment: config.augment });
    this.#valLoader = new FrameLoader(data.val, config.size, loading);
    if (checkpoint) this.#restore(checkpoint);
  }

  async run(): Promise<TrainResult> {
    const { run, data, model, start, checkpoint } = this.#training;
    const { balancer, counters } = this.#session;
    const { step } = counters;
    run.event({ type: "start", epoch: this.#epoch, step, resumed: checkpoint !== null, model: model.name });
    if (start.note !== null) {
      run.event({ type: "note", epoch: this.#epoch, step, message: start.note });
      this.#progress.onMessage(start.note);
    }
    const warnings = [
      ...data.leakage.map((mark) => `leakage: ${describeMark(mark)}`),
      ...augmentWarnings(run.config.augment),
      ...(balancer.kind === "weighting" ? (balancer.warnings ?? []) : []),
    ];
    for (const message of warnings) {
      run.event({ type: "note", epoch: this.#epoch, step, message });
      this.#progress.onMessage(message);
    }
    await this.#startProbe();
    let reason: TrainResult["reason"] = "completed";
    while (this.#epoch < run.config.epochs) {
      if (this.#stoppedEarly()) {
        reason = "early-stopping";
        break;
      }
      await this.#runEpoch(this.#epoch + 1);
    }
    run.event({ type: "end", epoch: this.#epoch, step: this.#session.counters.step, reason });
    const { bestEpoch, bestFitness } = this.#state;
    return {
      run: run.path,
      reason,
      epochs: this.#epoch,
      bestEpoch,
      bestFitness,
      metrics: this.#metrics,
      leakage: data.leakage,
    };
  }

  async close(): Promise<void> {
    await Promise.all([
      this.#session.close(),
      this.#probe?.close(),
      this.#trainLoader.close(),
      this.#valLoader.close(),
    ]);
  }

  #stoppedEarly(): boolean {
    const { patience } = this.#training.run.config;
    return patience > 0 && this.#epoch - (this.#state.bestEpoch ?? 0) >= patience;
  }

  /** The rest of an epoch: its remaining steps, its validation, its checkpoint. */
  async #runEpoch(epoch: number): Promise<void> {
    const { config } = this.#training.run;
    const queue = this.#queue(epoch);
    const following = epoch < config.epochs ? this.#queue(epoch + 1).slice(0, batchesAhead) : [];
    const ahead = [...queue, ...following];
    this.#progress.onEpochStart(epoch, config.epochs, this.#stepsPerEpoch);
    const start = performance.now();
    const waitedBefore = this.#trainLoader.waitedMs;
    const imagesBefore = this.#state.images;
    const first = this.#session.counters.step - (epoch - 1) * this.#stepsPerEpoch;
    for (let i = first; i < queue.length; i++) {
      for (const placed of ahead.slice(i, i + 1 + batchesAhead)) this.#trainLoader.prefetch(placed);
      await this.#runStep(epoch, i + 1, await this.#trainLoader.batch(queue[i]));
    }
    const seconds = (performance.now() - start) / 1000;
    const speed = {
      seconds,
      imagesPerSecond: (this.#state.images - imagesBefore) / seconds,
      loaderWaitSeconds: (this.#trainLoader.waitedMs - waitedBefore) / 1000,
      memoryBytes: process.resourceUsage().maxRSS * 1024,
    };
    await this.#finishEpoch(epoch, speed);
  }

  /** The batches of an epoch, which follow from the seed alone. */
  #queue(epoch: number): PlacedBatch[] {
    const { run, data } = this.#training;
    const { batch, sampling, seed } = run.config;
    const order = sampledOrder(data.train, sampling, { seed, epoch });
    return wholeBatches(order, batch).map((indices, i) => ({
      indices,
      place: { seed, epoch, first: i * batch },
    }));
  }

  async #runStep(epoch: number, step: number, batch: FrameBatch): Promise<void> {
    const { run, options } = this.#training;
    const before = this.#session.counters.step === 0 ? this.#session.parameters() : null;
    const report = await this.#advance(epoch, batch);
    // The weights that the training begins with are known from its first step.
    if (before) await this.#measureInterference({ epoch: 0, step: 0 }, before, report.taskWeights);
    const images = batch.frames.length;
    for (const [name, loss] of Object.entries(report.losses)) {
      this.#state.lossSums[name] = (this.#state.lossSums[name] ?? 0) + loss * images;
    }
    this.#state.images += images;
    const total = this.#session.counters.step;
    run.event({ type: "step", epoch, step: total, images, ...report });
    this.#raiseAlarms(epoch, report);
    if (total % run.config.probe.every === 0) {
      const now = this.#session.parameters();
      await this.#measureInterference({ epoch, step: total }, now, report.taskWeights);
    }
    const { losses, taskWeights, balance } = report;
    this.#progress.onStep({ step, images, losses, taskWeights, balance, conflict: this.#conflict });
    if (options.signal?.aborted) {
      this.#save("interrupted");
      throw new DOMException(`interrupted at step ${total}; resume with --resume ${run.path}`, "AbortError");
    }
    const every = run.config.checkpointEverySteps;
    if (every > 0 && total % every === 0) this.#save("steps");
    // Messages of the loader's threads and signals are handled between steps.
    await new Promise((resolve) => setImmediate(resolve));
  }

  #raiseAlarms(epoch: number, report: StepReport): void {
    const { step } = this.#session.counters;
    for (const alarm of this.#watch.after(report)) {
      this.#training.run.event({ type: "alarm", epoch, step, ...alarm });
      this.#progress.onMessage(`${alarm.alarm}: ${alarm.message}`);
    }
  }

  /** Opens the interference probe where one is asked for. */
  async #startProbe(): Promise<void> {
    const { run, data, model } = this.#training;
    const { config } = run;
    if (config.probe.every === 0) return;
    const probe = await openProbe(model, config, data.train);
    if (probe.layers.length === 0) {
      await probe.close();
      this.#progress.onMessage(`interference: ${nothingShared}; nothing is measured`);
      return;
    }
    this.#probe = probe;
  }

  async #measureInterference(
    place: { readonly epoch: number; readonly step: number },
    parameters: ReadonlyMap<string, HostTensor>,
    taskWeights: Readonly<Record<string, number>>,
  ): Promise<void> {
    if (this.#probe === null) return;
    const measured = await this.#probe.measure(parameters, taskWeights);
    this.#training.run.event({ type: "interference", ...place, ...measured });
    this.#conflict = { cosine: measured.overall.cosine, step: place.step };
  }

  /** One step of the session; what makes it diverge is on record before the run stops. */
  async #advance(epoch: number, batch: FrameBatch): Promise<StepReport> {
    try {
      return await this.#session.step(batch);
    } catch (error) {
      if (error instanceof EchoDuetError && error.code === "diverged") {
        const { step } = this.#session.counters;
        this.#training.run.event({ type: "diverged", epoch, step, message: error.message });
      }
      throw error;
    }
  }

  async #finishEpoch(
    epoch: number,
    speed: { seconds: number; imagesPerSecond: number; loaderWaitSeconds: number; memoryBytes: number },
  ): Promise<void> {
    const { run } = this.#training;
    const { config } = run;
    const { step } = this.#session.counters;
    const losses = Object.fromEntries(
      Object.entries(this.#state.lossSums).map(([name, sum]) => [name, sum / this.#state.images]),
    );
    run.event({ type: "epoch", epoch, step, losses, ...speed });
    this.#epoch = epoch;
    this.#state.lossSums = {};
    this.#state.images = 0;
    const validates = epoch % config.validation.every === 0 || epoch === config.epochs;
    const best = validates ? await this.#validate(epoch) : false;
    run.metricsRow({
      epoch,
      step,
      ...prefixed("loss", losses),
      ...prefixed(
        "val",
        validates ? this.#metrics : Object.fromEntries(this.#metricNames().map((n) => [n, null])),
      ),
      ...speed,
    });
    // The best one first: a kill between the two repeats this epoch and saves the same best again.
    if (best) this.#saveBest();
    this.#save("epoch");
    this.#progress.onEpochEnd({
      epoch,
      epochs: config.epochs,
      losses,
      metrics: validates ? this.#metrics : {},
      ...speed,
      best,
    });
  }

  /** Scores the averaged weights on the validation split; returns whether they are the best so far. */
  async #validate(epoch: number): Promise<boolean> {
    const { run, data, model } = this.#training;
    const { config } = run;
    const predictor = await Predictor.create(model, this.#session.averaged(), config.size, {
      device: config.device,
      threads: config.threads,
    });
    try {
      const evaluation = await evaluate({
        predictor,
        loader: this.#valLoader,
        frames: data.val,
        names: model.classes > 0 ? data.description.names : [],
        views: model.views > 0 ? data.description.views : [],
        batch: config.batch,
      });
      this.#metrics = headlineMetrics(evaluation);
    } finally {
      await predictor.close();
    }
    const fitness = fitnessOf(this.#metrics, config.fitness);
    const step = this.#session.counters.step;
    run.event({ type: "validation", epoch, step, split: "val", metrics: this.#metrics, fitness });
    if (this.#state.bestFitness !== null && fitness <= this.#state.bestFitness) return false;
    this.#state.bestFitness = fitness;
    this.#state.bestEpoch = epoch;
    return true;
  }

  #metricNames(): string[] {
    const { tasks } = this.#training.model;
    return tasks.flatMap((task) => [...metricNames[task]]);
  }

  #save(reason: "epoch" | "steps" | "interrupted"): void {
    const tensors = new Map<string, HostTensor>(this.#session.averaged());
    for (const [name, tensor] of this.#session.state) tensors.set(`training/${name}`, tensor);
    this.#write("last", tensors, reason);
  }

  #saveBest(): void {
    this.#write("best", this.#session.averaged(), "best");
  }

  #write(
    which: "last" | "best",
    tensors: Map<string, HostTensor>,
    reason: "epoch" | "steps" | "interrupted" | "best",
  ): void {
    const { run, data, model } = this.#training;
    const { step, updates, updatedAt, capacity } = this.#session.counters;
    run.saveCheckpoint(which, tensors, {
      echoduet: echoduetVersion,
      model: model.name,
      names: [...data.description.names],
      views: [...data.description.views],
      epoch: this.#epoch,
      step,
      config: run.config,
      trainedOn: {
        fingerprint: data.fingerprint,
        leakage: [...data.leakage],
        patients: [...this.#patients],
      },
      metrics: this.#metrics,
      state: { ...this.#state, updates, updatedAt, capacity, alarms: this.#watch.state },
    });
    run.event({ type: "checkpoint", epoch: this.#epoch, step, file: run.file(which), reason });
  }

  #restore({ tensors, metadata }: Checkpoint): void {
    const { updates, updatedAt, capacity, alarms, ...own } = parseWith(
      trainerStateSchema,
      metadata.state,
      "checkpoint state",
    );
    this.#state = own;
    if (alarms) this.#watch.restore(alarms);
    this.#metrics = { ...metadata.metrics };
    this.#epoch = metadata.epoch;
    const state = new Map(
      [...tensors]
        .filter(([name]) => name.startsWith("training/"))
        .map(([name, tensor]) => [name.slice("training/".length), tensor]),
    );
    this.#session.restore(state, { step: metadata.step, updates, updatedAt, capacity });
  }
}

/** Metrics that a task's validation yields, as `headlineMetrics` names them. */
const metricNames = {
  detection: ["map50", "map50_95", "precision", "recall", "f1", "confidence"],
  classification: ["accuracy", "balancedAccuracy", "macroF1", "auroc", "ece"],
} as const;

/** The ids of the frames' patients, each once, sorted. */
function patientsOf(frames: readonly FrameRecord[]): string[] {
  return [...new Set(frames.flatMap(({ patient }) => (patient === null ? [] : [patient])))].sort();
}

function prefixed(
  prefix: string,
  values: Readonly<Record<string, number | null>>,
): Record<string, number | null> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}/${name}`, value]));
}
