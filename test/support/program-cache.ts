import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** The folder of `ECHODUET_CACHE` that the processes of all tests share. */
    readonly processCache: string;
  }
}

/**
 * Makes a cache of programs for the processes that tests start: the same few trainings begin in them again and again,
 * and ONNX Runtime optimises their programs once. The folder is removed at the end.
 */
export default function provideProcessCache(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), "echoduet-cache-"));
  project.provide("processCache", folder);
  return () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}
