import { createHash } from "node:crypto";
import { readCheckpoint } from "../../training/index.js";
import type { Capsule } from "./capsule.js";

/**
 * SHA-256 of each tensor of the checkpoint `path`: dtype, shape and bytes. The metadata, which holds folders, does
 * not count.
 * @throws EchoDuetError `checkpoint` or `io` as `readCheckpoint` does
 */
export function hashCheckpoint(path: string): Capsule["checkpoints"]["last"] {
  const { tensors, metadata } = readCheckpoint(path);
  const hashes = [...tensors].map(([name, { dtype, shape, data }]): [string, string] => {
    const hash = createHash("sha256").update(JSON.stringify([dtype, shape]));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return [name, hash.digest("hex")];
  });
  const sorted = hashes.sort(([a], [b]) => (a < b ? -1 : 1));
  return { epoch: metadata.epoch, step: metadata.step, tensors: Object.fromEntries(sorted) };
}
