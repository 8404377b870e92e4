import { WorkerPool } from "../threads/index.js";
import type { AugmentedBatch, AugmentTask } from "./augmentation/augment-worker.js";
import { type AugmentOptions, augments, type Place } from "./augmentation/index.js";
import type { FrameRecord } from "./frames.js";
import type { InputSize } from "./image.js";
import { type FrameBatch, FrameLoader, type FrameLoaderOptions } from "./loader.js";

export interface AugmentedLoaderOptions extends FrameLoaderOptions {
  readonly augment: AugmentOptions;
}

/** A batch of a training: its frames, and where it stands. */
export interface PlacedBatch {
  readonly indices: ArrayLike<number>;
  readonly place: Place;
}

/**
 * Batches of frames as training sees them: loaded by a `FrameLoader`, then augmented in threads of their own. Both go
 * on while the main thread is inside a training step: call `prefetch` for the next two batches before it. Two, because
 * the main thread hands a loaded batch on to be augmented, which it can only do between steps.
 *
 * A batch is that of `augmentBatch`, bit for bit, whichever thread made it and whenever.
 */
export class AugmentedLoader {
  readonly #loader: FrameLoader;
  readonly #augment: AugmentOptions;
  readonly #pool: WorkerPool<AugmentTask, AugmentedBatch> | null;
  readonly #pending = new Map<string, Promise<FrameBatch>>();
  #waitedMs = 0;

  /** @throws EchoDuetError `config` for a count of workers or bytes that makes no sense. */
  constructor(
    frames: readonly FrameRecord[],
    size: InputSize,
    { augment, ...options }: AugmentedLoaderOptions,
  ) {
    this.#loader = new FrameLoader(frames, size, options);
    this.#augment = augment;
    const script = new URL("./augmentation/augment-worker.js", import.meta.url);
    this.#pool = augments(augment) ? new WorkerPool(options.workers ?? 1, script, "augmentation") : null;
  }

  /** Milliseconds that `batch` has had to wait so far. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /** Starts making a batch, to be fetched by `batch` with the same place. Faults surface there. */
  prefetch(placed: PlacedBatch): void {
    const key = keyOf(placed);
    if (this.#pending.has(key)) return;
    const promise = this.#make(placed);
    promise.catch(() => {});
    this.#pending.set(key, promise);
  }

  /**
   * The batch of the frames at `indices`, in that order, augmented as its place has it.
   * @throws EchoDuetError `data` that names the image that cannot be read.
   */
  async batch(placed: PlacedBatch): Promise<FrameBatch> {
    const key = keyOf(placed);
    const start = performance.now();
    try {
      return await (this.#pending.get(key) ?? this.#make(placed));
    } finally {
      this.#pending.delete(key);
      this.#waitedMs += performance.now() - start;
    }
  }

  /** Stops the threads and frees the cache; batches not yet delivered are rejected. */
  async close(): Promise<void> {
    this.#pending.clear();
    await Promise.all([this.#loader.close(), this.#pool?.close()]);
  }

  async #make({ indices, place }: PlacedBatch): Promise<FrameBatch> {
    const batch = await this.#loader.batch(indices);
    if (this.#pool === null) return batch;
    const { frames } = batch;
    // The records of the frames are of no use to the thread.
    const task = { batch: { ...batch, frames: [] }, options: this.#augment, place };
    const augmented = await this.#pool.run(task);
    return { ...augmented.batch, frames };
  }
}

function keyOf({ indices, place: { seed, epoch, first } }: PlacedBatch): string {
  return [seed, epoch, first, ...Array.from(indices)].join();
}
