import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, inject } from "vitest";
import { simulate } from "../../src/data/simulate/index.js";
import { readSafetensors } from "../../src/onnx/index.js";
import { type LoggedEvent, readEvents } from "../../src/training/index.js";

/** The built command line. */
const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** How a process ended, and what it printed. */
export interface CliResult {
  /** Exit code; null where a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process that runs, and how it ends. */
export interface RunningCli {
  readonly child: ChildProcess;
  readonly ended: Promise<CliResult>;
}

/**
 * Arguments as one writes them on a command line: the words of the text. A value stays part of its word even
 * where it holds spaces.
 */
export function words(parts: TemplateStringsArray, ...values: readonly (string | number)[]): string[] {
  const text = parts.reduce((before, part, i) => `${before}⟦${i - 1}⟧${part}`);
  return text
    .trim()
    .split(/\s+/)
    .map((word) => word.replace(/⟦(\d+)⟧/g, (_, i) => String(values[Number(i)])));
}

/** Where processes that tests start keep their programs: `off` in tests of what is optimised anew. */
export const programCache = { folder: inject("processCache") };

/** Starts `echoduet ARGS` as a process of its own, with the cache of programs that all tests' processes share. */
export function startCli(args: readonly string[], cwd?: string): RunningCli {
  if (!existsSync(main)) throw new Error(`${main}: not built; run \`npm run build\` first`);
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    env: { ...process.env, ECHODUET_CACHE: programCache.folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const texts = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => {
      texts[stream] += text;
    });
  }
  const ended = new Promise<CliResult>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, ...texts }));
  });
  return { child, ended };
}

/** Runs `echoduet ARGS` to its end. */
export function runCli(args: readonly string[], cwd?: string): Promise<CliResult> {
  return startCli(args, cwd).ended;
}

/** Runs `echoduet ARGS`, which must succeed. */
export async function succeed(args: readonly string[], cwd?: string): Promise<CliResult> {
  const result = await runCli(args, cwd);
  expect(result.code, `echoduet ${args.join(" ")}\n${result.stderr}`).toBe(0);
  return result;
}

/** The JSON that `echoduet ARGS --json` prints; anything else on standard output fails the test. */
export async function jsonOf<T>(args: readonly string[], cwd?: string): Promise<T> {
  const { stdout } = await succeed([...args, "--json"], cwd);
  return JSON.parse(stdout) as T;
}

/** A folder for one test file, and the function that removes it. */
export function temporaryFolder(name: string): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), `echoduet-${name}-`));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }) };
}

/**
 * Simulates six patients in `folder`: 16 training, 4 validation and 4 test frames of 96x72, two of a clip.
 * @returns the data.yaml
 */
export async function tinyData(folder: string): Promise<string> {
  const size = { width: 96, height: 72 };
  await simulate({ out: folder, patients: 6, clipsPerPatient: 2, framesPerClip: 2, seed: 1, size });
  return join(folder, "data.yaml");
}

/**
 * SHA-256 over the tensors of a safetensors file: names, dtypes, shapes and bytes in the order of the names.
 * The metadata, which holds paths, does not count.
 */
export function tensorHash(path: string): string {
  const hash = createHash("sha256");
  const { tensors } = readSafetensors(path);
  for (const name of [...tensors.keys()].sort()) {
    const { dtype, shape, data } = tensors.get(name)!;
    hash.update(JSON.stringify([name, dtype, shape]));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex");
}

/** Columns of metrics.csv that a clock or the operating system decides. */
const measured = ["seconds", "imagesPerSecond", "loaderWaitSeconds", "memoryBytes"];

/** The rows of a run's metrics.csv by column, without those that are measured. */
export function metricsRows(run: string): Record<string, string>[] {
  const [header, ...lines] = readFileSync(join(run, "metrics.csv"), "utf8").trimEnd().split("\n");
  const columns = header.split(",");
  expect(columns).toEqual(expect.arrayContaining(measured));
  return lines.map((line) => {
    const cells = line.split(",");
    expect(cells).toHaveLength(columns.length);
    return Object.fromEntries(
      columns.map((name, i) => [name, cells[i]]).filter(([name]) => !measured.includes(name)),
    );
  });
}

/** The events of a run of one type, in order. */
export function eventsOf<T extends LoggedEvent["type"]>(run: string, type: T) {
  return readEvents(join(run, "events.jsonl")).filter(
    (event): event is Extract<LoggedEvent, { type: T }> => event.type === type,
  );
}
