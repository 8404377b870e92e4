import { InferenceSession } from "onnxruntime-node";
import { type ProgramCache, programKey } from "./program-cache.js";

/**
 * A session of a model on the CPU whose optimised form is kept in a cache: where it is there already, it is loaded as
 * it is, and computes the same numbers to the last bit.
 * @param options with `graphOptimizationLevel: "all"`
 */
export async function createKeptSession(
  model: Uint8Array,
  options: InferenceSession.SessionOptions,
  cache: ProgramCache,
): Promise<InferenceSession> {
  const key = programKey(model, options);
  const kept = cache.read(key);
  if (kept) {
    try {
      return await InferenceSession.create(kept, { ...options, graphOptimizationLevel: "disabled" });
    } catch {
      cache.discard(key);
    }
  }
  return cache.fill(key, (path) =>
    InferenceSession.create(model, path === null ? options : { ...options, optimizedModelFilePath: path }),
  );
}
