import { EchoDuetError } from "../errors.js";
import { type HostTensor, hostTensor, randomStream } from "../tensor/index.js";
import type { FrameRecord } from "./frames.js";
import { type InputSize, type Letterbox, type LetterboxedImage, toNetworkBox } from "./image.js";
import type { LoadedImage, LoadTask } from "./loader-worker.js";
import { WorkerPool } from "../threads/index.js";

/** One batch of B frames, ready for the network's input of H x W pixels. */
export interface FrameBatch {
  /** uint8 [B, 3, H, W], RGB. */
  readonly images: HostTensor<"uint8">;
  readonly letterboxes: readonly Letterbox[];
  /** [n, 6] rows of image index in the batch, class, cx, cy, w, h, normalised to the network's input. */
  readonly targets: Float32Array;
  /** [B] index of the view, -1 where there is none. */
  readonly views: Int32Array;
  /** [B] 1, or 0 for an image that is left out of the detection loss. */
  readonly detectionMask: Uint8Array;
  readonly frames: readonly FrameRecord[];
}

export interface FrameLoaderOptions {
  /** Bytes of letterboxed images kept in memory; frames beyond are decoded each time. Default 2 GiB. */
  readonly cacheBytes?: number;
  /** Decoding threads. Default 1. */
  readonly workers?: number;
}

/**
 * Turns frames into batches. Decoding and scaling run in other threads, so that they go on while the main
 * thread is inside a training step; call `prefetch` for the next batch before the step on this one.
 */
export class FrameLoader {
  readonly #frames: readonly FrameRecord[];
  readonly #size: InputSize;
  readonly #pool: WorkerPool<LoadTask, LoadedImage>;
  readonly #cacheLimit: number;
  // Frames stay once they are in: each epoch asks for every frame once, so evicting the oldest would make
  // a cache that is a little too small miss every time.
  readonly #cache = new Map<number, LetterboxedImage>();
  readonly #pending = new Map<string, Promise<FrameBatch>>();
  #waitedMs = 0;

  /** @throws EchoDuetError `config` for a count of workers or bytes that makes no sense. */
  constructor(frames: readonly FrameRecord[], size: InputSize, options: FrameLoaderOptions = {}) {
    const { cacheBytes = 2 * 1024 ** 3, workers = 1 } = options;
    if (!Number.isInteger(workers) || workers < 1) {
      throw new EchoDuetError("config", `workers: expected an integer of at least 1, got ${workers}`);
    }
    if (!(cacheBytes >= 0)) {
      throw new EchoDuetError("config", `cache bytes: expected at least 0, got ${cacheBytes}`);
    }
    this.#frames = frames;
    this.#size = { width: size.width, height: size.height };
    this.#cacheLimit = Math.floor(cacheBytes / (3 * size.width * size.height));
    this.#pool = new WorkerPool(workers, new URL("./loader-worker.js", import.meta.url), "frame loader");
  }

  /** Milliseconds that `batch` has had to wait for images so far. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /** Bytes of images in the cache. */
  get cachedBytes(): number {
    return this.#cache.size * 3 * this.#size.width * this.#size.height;
  }

  /** Starts loading a batch, to be fetched by `batch` with the same indices. Faults surface there. */
  prefetch(indices: ArrayLike<number>): void {
    const key = keyOf(indices);
    if (this.#pending.has(key)) return;
    const promise = this.#assemble(Array.from(indices));
    promise.catch(() => {});
    this.#pending.set(key, promise);
  }

  /**
   * The batch of the frames at `indices`, in that order.
   * @throws EchoDuetError `data` that names the image that cannot be read.
   */
  async batch(indices: ArrayLike<number>): Promise<FrameBatch> {
    const key = keyOf(indices);
    const promise = this.#pending.get(key) ?? this.#assemble(Array.from(indices));
    this.#pending.delete(key);
    const start = performance.now();
    try {
      return await promise;
    } finally {
      this.#waitedMs += performance.now() - start;
    }
  }

  /** Stops the decoding threads and frees the cache; batches not yet delivered are rejected. */
  async close(): Promise<void> {
    this.#pending.clear();
    this.#cache.clear();
    await this.#pool.close();
  }

  async #assemble(indices: readonly number[]): Promise<FrameBatch> {
    const frames = indices.map((index) => this.#frames[index]);
    const loaded = await Promise.all(indices.map((index) => this.#load(index)));
    const { width, height } = this.#size;
    const pixels = 3 * width * height;
    const data = new Uint8Array(indices.length * pixels);
    loaded.forEach((image, row) => {
      data.set(image.data, row * pixels);
    });
    return {
      images: hostTensor("uint8", [indices.length, 3, height, width], data),
      letterboxes: loaded.map(({ data: _, ...geometry }) => geometry),
      targets: networkTargets(frames, loaded),
      views: Int32Array.from(frames, (frame) => frame.view),
      detectionMask: Uint8Array.from(frames, (frame) => (frame.detectionMasked ? 0 : 1)),
      frames,
    };
  }

  async #load(index: number): Promise<LetterboxedImage> {
    const cached = this.#cache.get(index);
    if (cached) return cached;
    const { image } = await this.#pool.run({ path: this.#frames[index].imagePath, size: this.#size });
    if (this.#cache.size < this.#cacheLimit) this.#cache.set(index, image);
    return image;
  }
}

/**
 * The boxes of a batch as [n, 6] rows of image index, class, cx, cy, w, h, normalised to the network's
 * input, from the frames' boxes and the geometry of each one's letterbox.
 */
export function networkTargets(
  frames: readonly FrameRecord[],
  letterboxes: readonly Letterbox[],
): Float32Array {
  const rows = frames.reduce((count, frame) => count + frame.boxes.length / 5, 0);
  const targets = new Float32Array(rows * 6);
  let to = 0;
  frames.forEach((frame, image) => {
    const geometry = letterboxes[image];
    for (let from = 0; from < frame.boxes.length; from += 5, to += 6) {
      const [label, cx, cy, w, h] = frame.boxes.subarray(from, from + 5);
      const { sourceWidth, sourceHeight, width, height } = geometry;
      const [x1, y1, x2, y2] = toNetworkBox(geometry, [
        (cx - w / 2) * sourceWidth,
        (cy - h / 2) * sourceHeight,
        (cx + w / 2) * sourceWidth,
        (cy + h / 2) * sourceHeight,
      ]);
      targets.set(
        [image, label, (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height],
        to,
      );
    }
  });
  return targets;
}

/** The order of `count` frames in an epoch: a shuffle that depends on seed and epoch alone. */
export function epochOrder(count: number, seed: number, epoch: number): Int32Array {
  const indices = Array.from({ length: count }, (_, index) => index);
  return Int32Array.from(randomStream(seed, "order", epoch).shuffled(indices));
}

/** Consecutive batches of an order; the last may be shorter and is kept. */
export function batches(order: Int32Array, batchSize: number): Int32Array[] {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new EchoDuetError("config", `batch size: expected an integer of at least 1, got ${batchSize}`);
  }
  const out: Int32Array[] = [];
  for (let start = 0; start < order.length; start += batchSize) {
    out.push(order.slice(start, start + batchSize));
  }
  return out;
}

/**
 * Batches of one size, at most that of the order: the last is filled up from the order's beginning, so that a training
 * needs one program, and no batch normalisation sees a few images only.
 * @param order indices of frames, int32
 * @throws EchoDuetError `config` as `batches` does
 */
export function wholeBatches(order: Int32Array, batchSize: number): Int32Array[] {
  return batches(order, batchSize).map((part) => {
    const missing = Math.min(batchSize, order.length) - part.length;
    return missing === 0 ? part : Int32Array.of(...part, ...order.subarray(0, missing));
  });
}

function keyOf(indices: ArrayLike<number>): string {
  return Array.from(indices).join(",");
}
