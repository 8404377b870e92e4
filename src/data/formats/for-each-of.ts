/** Files read or copied at a time: enough to hide the disk's latency, few enough for any limit of open files. */
const atOnce = 8;

/**
 * The results of `work` on each item, in the items' order, several at a time.
 * @throws what the first failing `work` throws; no further item is begun then, and those begun have ended
 */
export async function forEachOf<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
  onProgress: (done: number, total: number) => void,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  let done = 0;
  let failed = false;
  const run = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const index = next++;
      try {
        results[index] = await work(items[index], index);
      } catch (error) {
        failed = true;
        throw error;
      }
      onProgress(++done, items.length);
    }
  };
  const runs = await Promise.allSettled(Array.from({ length: Math.min(atOnce, items.length) }, run));
  const fault = runs.find((result) => result.status === "rejected");
  if (fault) throw fault.reason;
  return results;
}
