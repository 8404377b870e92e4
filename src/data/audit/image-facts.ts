import { availableParallelism } from "node:os";
import { EchoDuetError } from "../../errors.js";
import { WorkerPool } from "../../threads/index.js";
import type { MeasuredTask, MeasureTask } from "./image-worker.js";
import type { ImageFacts } from "./measure-image.js";

export type { ImageFacts } from "./measure-image.js";

export interface MeasureOptions {
  /** Decoding threads; default one a processor. The facts do not depend on it. */
  readonly workers?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * The facts of each image file, in the order of `paths`; each file is read and decoded once, in other threads.
 * A missing or corrupt image has its `fault` and does not throw.
 * @throws EchoDuetError `config` for a count of workers that makes no sense, `runtime` where a thread fails
 */
export async function measureImages(
  paths: readonly string[],
  options: MeasureOptions = {},
): Promise<ImageFacts[]> {
  const { workers = availableParallelism(), onProgress } = options;
  if (!Number.isInteger(workers) || workers < 1) {
    throw new EchoDuetError("config", `workers: expected an integer of at least 1, got ${workers}`);
  }
  if (paths.length === 0) return [];
  const threads = Math.min(workers, paths.length);
  const pool = new WorkerPool<MeasureTask, MeasuredTask>(
    threads,
    new URL("./image-worker.js", import.meta.url),
    "image audit",
  );
  const facts = new Array<ImageFacts>(paths.length);
  let next = 0;
  let done = 0;
  // Two lanes a thread: the next image waits at the thread, and no more than that wait in memory.
  const lane = async (): Promise<void> => {
    while (next < paths.length) {
      const index = next++;
      facts[index] = (await pool.run({ path: paths[index] })).facts;
      onProgress?.(++done, paths.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: 2 * threads }, lane));
  } finally {
    await pool.close();
  }
  return facts;
}
