import { fileURLToPath } from "node:url";
import { LineProcess, type MachineFacts, machineFacts } from "../src/experiments/index.js";
import { quantile } from "../src/tensor/index.js";
import { reportHead, table } from "./format.js";
import { type BenchOptions, startTwins } from "./rounds.js";
import { inputOf, openSession, type StepOptions } from "./step.js";
import { findTorchPython } from "./twin.js";

/** Largest resident sets of one contender, each of a process of its own, at one batch size. */
export interface MemorySeries {
  readonly label: string;
  readonly peakRssBytes: readonly number[];
  readonly medianBytes: number;
  /** Our median over this one; null for our own. */
  readonly ratio: number | null;
}

export interface MemoryBench {
  readonly machine: MachineFacts;
  readonly torch: string | null;
  readonly options: BenchOptions;
  readonly batches: readonly {
    readonly batch: number;
    /** The training state that goes from step to step. */
    readonly stateBytes: number;
    readonly series: readonly MemorySeries[];
  }[];
}

// The built program: what runs the sources of this bench as they are takes memory of its own.
const server = fileURLToPath(new URL("../dist/experiments/designs/design-process.js", import.meta.url));

/** Measures what a training step takes at its peak: each round starts every contender anew. */
export async function measureMemory(
  options: BenchOptions,
  say: (line: string) => void,
): Promise<MemoryBench> {
  const machine = machineFacts();
  const python = options.twin ? findTorchPython() : null;
  let torch: string | null = null;
  const batches: MemoryBench["batches"][number][] = [];
  for (const batch of options.batches) {
    const step = { model: options.model, size: options.size, batch, threads: options.threads };
    const peaks = new Map<string, number[]>();
    for (let round = 0; round < options.rounds; round++) {
      say(`batch ${batch}: round ${round + 1} of ${options.rounds}`);
      const ours = await startOurs(step);
      const twins = python ? await startTwins(python, step) : [];
      torch = twins[0]?.ready.torch ?? null;
      for (const contender of [ours, ...twins]) {
        const { peakRssBytes } = await contender.run("step", options.stepsPerRound);
        peaks.set(contender.label, [...(peaks.get(contender.label) ?? []), peakRssBytes]);
        await contender.quit();
      }
    }
    batches.push({ batch, stateBytes: await stateBytesOf(step), series: seriesOf(peaks) });
  }
  return { machine, torch, options, batches };
}

function startOurs(step: StepOptions): Promise<LineProcess<object>> {
  const design = { name: step.model, options: { model: step.model } };
  const options = { ...inputOf(step), design, threads: step.threads };
  return LineProcess.start("EchoDuet", process.execPath, [server, JSON.stringify(options)]);
}

async function stateBytesOf(step: StepOptions): Promise<number> {
  const { session } = openSession(step);
  const bytes = [...session.state.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  await session.close();
  return bytes;
}

function seriesOf(peaks: ReadonlyMap<string, readonly number[]>): MemorySeries[] {
  const [ours] = [...peaks.values()].map((bytes) => quantile(bytes, 0.5));
  return [...peaks].map(([label, peakRssBytes], i) => {
    const medianBytes = quantile(peakRssBytes, 0.5);
    return { label, peakRssBytes, medianBytes, ratio: i === 0 ? null : ours / medianBytes };
  });
}

/** A report for people. */
export function formatMemory({ machine, options, torch, batches }: MemoryBench): string {
  const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
  return [
    ...reportHead(machine, torch),
    `${options.model}, ${options.size} x ${options.size}, ${options.threads} threads, ${options.rounds} processes of ${options.stepsPerRound} steps`,
    "Largest resident set, Node or Python and their libraries included.",
    ...batches.flatMap(({ batch, stateBytes, series }) => [
      "",
      `Batch ${batch}: ${mebibytes(stateBytes)} MiB of training state`,
      ...table([
        ["", "peak MiB", "range MiB", "ours / theirs"],
        ...series.map(({ label, peakRssBytes, medianBytes, ratio }) => [
          label,
          mebibytes(medianBytes),
          `${mebibytes(Math.min(...peakRssBytes))}-${mebibytes(Math.max(...peakRssBytes))}`,
          ratio === null ? "" : ratio.toFixed(2),
        ]),
      ]),
    ]),
  ].join("\n");
}
