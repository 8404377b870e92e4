import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveTrainConfig, type TrainConfigInput } from "../src/config/index.js";
import { type MachineFacts, machineFacts } from "../src/experiments/index.js";
import { silentProgress, train } from "../src/training/index.js";
import { TrainingSession } from "../src/training/session.js";
import { quantile } from "../src/tensor/index.js";

export interface EpochOptions {
  /** data.yaml of the frames. */
  readonly data: string;
  readonly model: string;
  readonly size: number;
  readonly batch: number;
  readonly threads: number;
  readonly epochs: number;
  /** Share of the training clips. */
  readonly fraction: number;
  /** Whether the images are augmented. */
  readonly augment: boolean;
  /** Steps on one batch, with nothing beside them, before each epoch. */
  readonly bareSteps: number;
}

/** One epoch of the training loop beside bare steps. */
export interface EpochReport {
  readonly epoch: number;
  readonly images: number;
  /** Of the loop over the batches. */
  readonly seconds: number;
  /** Median of the bare steps before this epoch. */
  readonly bareSeconds: number;
  /** Median of the steps of this epoch, of whole batches. */
  readonly stepSeconds: number;
  /** `seconds` over what the epoch's batches take as bare steps; a shorter batch counts by its images. */
  readonly ratio: number;
  /** `seconds` over the sum of this epoch's own steps: what the loop adds to them, whatever else the machine does. */
  readonly loopRatio: number;
  /** Of the loop outside the steps: waiting for images, logs. */
  readonly outsideSeconds: number;
  readonly loaderWaitSeconds: number;
  /** From the last step to the next epoch: validation and checkpoints. */
  readonly validationSeconds: number;
}

export interface EpochBench {
  readonly machine: MachineFacts;
  readonly options: EpochOptions;
  readonly epochs: readonly EpochReport[];
}

/** A moderate strength of every augmentation that takes time. */
const augmentation: TrainConfigInput["augment"] = {
  ...{ rotate: 8, scale: 0.2, translate: 0.1, gain: 0.2, contrast: 0.2, speckle: 0.1 },
  ...{ timeGain: 0.2, blur: 0.5, sectorEdge: 0.1, overlay: 0.2, mosaic: 0.2 },
};

/** Time for the loader's threads to finish what they prepare, milliseconds. */
const settleMs = 2000;

/**
 * Trains on real frames, in a folder that is removed, and sets each epoch's time beside the time of its steps alone.
 * The first epoch decodes the images and compiles the programs; the others find both done.
 */
export async function measureEpochs(options: EpochOptions, say: (line: string) => void): Promise<EpochBench> {
  const machine = machineFacts();
  const folder = mkdtempSync(join(tmpdir(), "echoduet-bench-"));
  const watch = new StepWatch(options.bareSteps, options.batch);
  try {
    const { data, model, size, batch, threads, epochs, fraction, augment } = options;
    const input = { data, model, size, batch, threads, epochs, fraction, allowLeakage: true };
    const config = resolveTrainConfig(
      { ...input, out: join(folder, "run"), ...(augment ? { augment: augmentation } : {}) },
      "bench",
    );
    const reports: EpochReport[] = [];
    await train(config, {
      progress: {
        ...silentProgress,
        onEpochStart: () => watch.begin(),
        onEpochEnd: ({ epoch, seconds, loaderWaitSeconds }) => {
          reports.push({ epoch, loaderWaitSeconds, ...watch.report(seconds) });
          say(`epoch ${epoch} of ${epochs}: ${reports.at(-1)?.ratio.toFixed(3)}`);
        },
      },
    });
    return { machine, options, epochs: reports };
  } finally {
    watch.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface TimedStep {
  readonly images: number;
  readonly seconds: number;
}

/** Watches the steps of a training, and puts bare ones, whose results are dropped, before each epoch. */
class StepWatch {
  readonly #step = TrainingSession.prototype.step;
  #steps: TimedStep[] = [];
  #bare: number[] = [];
  #pausedSeconds = 0;
  #lastEnd = 0;
  #begins = false;

  constructor(bareSteps: number, batchSize: number) {
    const watch = this;
    const step = this.#step;
    TrainingSession.prototype.step = async function (batch) {
      if (watch.#begins) {
        watch.#begins = false;
        const start = performance.now();
        await new Promise((resolve) => setTimeout(resolve, settleMs));
        const { state, counters } = this;
        // One more, not counted, compiles the program or warms the caches.
        for (let i = 0; i <= bareSteps; i++) {
          const { seconds } = await timed(() => step.call(this, batch));
          if (i > 0) watch.#bare.push(seconds);
          this.restore(state, counters);
        }
        watch.#pausedSeconds = (performance.now() - start) / 1000;
      }
      const { result, seconds } = await timed(() => step.call(this, batch));
      watch.#steps.push({ images: batch.frames.length, seconds });
      watch.#lastEnd = performance.now();
      return result;
    };
    this.batchSize = batchSize;
  }

  private readonly batchSize: number;

  /** An epoch begins. */
  begin(): void {
    this.#steps = [];
    this.#bare = [];
    this.#begins = true;
  }

  /** The epoch that ends, whose loop took `loopSeconds`, bare steps included. */
  report(loopSeconds: number): Omit<EpochReport, "epoch" | "loaderWaitSeconds"> {
    const seconds = loopSeconds - this.#pausedSeconds;
    const images = this.#steps.reduce((sum, step) => sum + step.images, 0);
    const steps = this.#steps.reduce((sum, step) => sum + step.seconds, 0);
    const whole = this.#steps.filter((step) => step.images === this.batchSize);
    const bareSeconds = quantile(this.#bare, 0.5);
    return {
      images,
      seconds,
      bareSeconds,
      stepSeconds: quantile(
        whole.map((step) => step.seconds),
        0.5,
      ),
      ratio: seconds / ((images / this.batchSize) * bareSeconds),
      loopRatio: seconds / steps,
      outsideSeconds: seconds - steps,
      validationSeconds: (performance.now() - this.#lastEnd) / 1000,
    };
  }

  close(): void {
    TrainingSession.prototype.step = this.#step;
  }
}

async function timed<T>(run: () => Promise<T>): Promise<{ result: T; seconds: number }> {
  const start = performance.now();
  const result = await run();
  return { result, seconds: (performance.now() - start) / 1000 };
}

/** A report for people. */
export function formatEpochs({ machine, options, epochs }: EpochBench): string {
  const row = (cells: readonly string[]) => cells.map((cell) => cell.padStart(12)).join("");
  const s = (seconds: number) => seconds.toFixed(2);
  return [
    `${machine.processor}, ${machine.cores} cores, Node ${machine.node}, ONNX Runtime ${machine.onnxRuntime}, load ${machine.load?.toFixed(2) ?? "unknown"}`,
    `${options.model}, ${options.size} x ${options.size}, batch ${options.batch}, ${options.threads} threads, ${options.augment ? "augmented" : "not augmented"}`,
    "Seconds; ratio: the loop over its batches as bare steps; loop ratio: over its own steps.",
    "",
    row([
      "epoch",
      "images",
      "loop",
      "bare step",
      "step",
      "ratio",
      "loop ratio",
      "outside",
      "waited",
      "validation",
    ]),
    ...epochs.map((one) =>
      row([
        ...[`${one.epoch}`, `${one.images}`, s(one.seconds), s(one.bareSeconds), s(one.stepSeconds)],
        ...[
          one.ratio.toFixed(3),
          one.loopRatio.toFixed(3),
          s(one.outsideSeconds),
          s(one.loaderWaitSeconds),
          s(one.validationSeconds),
        ],
      ]),
    ),
  ].join("\n");
}
