import { readFileSync, writeFileSync } from "node:fs";
import { InferenceSession } from "onnxruntime-node";
import { reverseNodes } from "../onnx/index.js";
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
  const key = programKey(model, { ...options, nodes: "reversed" });
  const kept = cache.read(key);
  if (kept) {
    try {
      return await InferenceSession.create(kept, { ...options, graphOptimizationLevel: "disabled" });
    } catch {
      cache.discard(key);
    }
  }
  return cache.fill(key, async (path) => {
    if (path === null) return InferenceSession.create(model, options);
    const session = await InferenceSession.create(model, { ...options, optimizedModelFilePath: path });
    // ONNX Runtime writes nodes in the order in which it runs them. Of a node's inputs it computes first the one whose
    // node comes last in the file: so it runs them in this order again, and needs no more memory than the first time.
    writeFileSync(path, reverseNodes(readFileSync(path)));
    return session;
  });
}
