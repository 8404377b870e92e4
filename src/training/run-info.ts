import { cpus } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { leakageMarkSchema } from "./leakage-mark.js";
import { readJsonFile, runFiles } from "./run-files.js";

/** Circumstances of a run, stored in `run.json`. */
export const runInfoSchema = z.strictObject({
  /** When the run was made, ISO 8601. */
  created: z.iso.datetime(),
  echoduet: z.string(),
  node: z.string(),
  onnxruntime: z.string(),
  /** Operating system and processor architecture, such as `linux-x64`. */
  platform: z.string(),
  processor: z.string(),
  cores: z.int(),
  seed: z.int(),
  data: z.strictObject({
    path: z.string(),
    fingerprint: z.string(),
    /** What the training split shares with those that judge it; empty where nothing is shared. */
    leakage: z.array(leakageMarkSchema).default([]),
  }),
});
export type RunInfo = z.output<typeof runInfoSchema>;

/** The part of `RunInfo` that only the caller knows. */
export type RunOrigin = Pick<RunInfo, "echoduet" | "onnxruntime" | "seed" | "data">;

/** `origin` with what this process and computer are. */
export function describeRun(origin: RunOrigin): RunInfo {
  const processors = cpus();
  return {
    created: new Date().toISOString(),
    ...origin,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    processor: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
  };
}

/**
 * The circumstances of the run in `path`.
 * @throws EchoDuetError `io` or `config` where `run.json` cannot be read or is damaged
 */
export function readRunInfo(path: string): RunInfo {
  return readJsonFile(join(path, runFiles.info), runInfoSchema);
}
