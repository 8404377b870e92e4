import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  LineProcess,
  type MachineFacts,
  machineFacts,
  type TimedRuns,
  takeTurns,
} from "../src/experiments/index.js";
import { quantile } from "../src/tensor/index.js";
import type { Handover, StepOptions, StepProfile, StepReady } from "./step.js";
import { findTorchPython, startTwin, type TwinReady, type TwinWork } from "./twin.js";

export interface BenchOptions {
  readonly model: string;
  /** Side of the square images in pixels. */
  readonly size: number;
  readonly threads: number;
  readonly batches: readonly number[];
  readonly rounds: number;
  readonly stepsPerRound: number;
  readonly warmUpSteps: number;
  /** Whether to compare with PyTorch where it is found. */
  readonly twin: boolean;
}

/** What one contender showed at one batch size. */
export interface SeriesReport {
  readonly label: string;
  /** Every timed step, in order. */
  readonly seconds: readonly number[];
  readonly medianSeconds: number;
  /** First and third quartile. */
  readonly quartileSeconds: readonly [number, number];
  readonly imagesPerSecond: number;
  /** The step's FLOPs, counted on our graph, over the median. */
  readonly flopsPerSecond: number;
  /** Of the contender's own process. */
  readonly peakRssBytes: number;
  /** Our median over this one; null for our own. */
  readonly ratio: number | null;
  /** The same ratio within each round: its spread says how far to trust it. */
  readonly roundRatios: readonly number[];
}

export interface BatchReport {
  readonly batch: number;
  readonly flops: number;
  readonly parameters: number;
  readonly compileSeconds: number;
  readonly handover: Handover;
  readonly series: readonly SeriesReport[];
  readonly profile: StepProfile;
}

export interface BenchReport {
  readonly input: "synthetic: random pixels and boxes, for speed only";
  readonly machine: MachineFacts;
  /** Version of PyTorch; null without comparison. */
  readonly torch: string | null;
  readonly options: BenchOptions;
  readonly batches: readonly BatchReport[];
}

const main = fileURLToPath(new URL("main.ts", import.meta.url));
const profiledSteps = 5;

/** Measures every batch size, one after the other. @param say receives a line of progress now and then */
export async function measure(options: BenchOptions, say: (line: string) => void): Promise<BenchReport> {
  const machine = machineFacts();
  const python = options.twin ? findTorchPython() : null;
  let torch: string | null = null;
  const batches: BatchReport[] = [];
  for (const batch of options.batches) {
    say(`batch ${batch}: starting`);
    const step = { model: options.model, size: options.size, batch, threads: options.threads };
    const ours = await LineProcess.start<StepReady>(
      "EchoDuet",
      process.execPath,
      childArguments("serve", step),
    );
    const twins = python ? await startTwins(python, step) : [];
    torch = twins[0]?.ready.torch ?? null;
    const answers = await interleave([ours, ...twins], options, say);
    const { flops, parameters, compileSeconds, handover } = ours.ready;
    say(`batch ${batch}: profiling`);
    batches.push({
      batch,
      flops,
      parameters,
      compileSeconds,
      handover,
      series: [ours, ...twins].map(({ label }, i) =>
        summarise(label, answers[i], { batch, flops, ours: i === 0 ? null : answers[0] }),
      ),
      profile: await profileInChild(step),
    });
  }
  return { input: "synthetic: random pixels and boxes, for speed only", machine, torch, options, batches };
}

/** How main.ts is started again for one of its own subcommands, with the loader that runs TypeScript. */
export function childArguments(command: string, step: StepOptions): string[] {
  return [...process.execArgv, main, command, JSON.stringify(step)];
}

/** The PyTorch twins of a model in both layouts; none where it has no twin. */
export async function startTwins(
  python: string,
  step: StepOptions,
  work: TwinWork = "step",
): Promise<LineProcess<TwinReady>[]> {
  const twins = [await startTwin(python, step, false, work), await startTwin(python, step, true, work)];
  return twins.filter((twin) => twin !== null);
}

/** Steps in turns. The others wait idle on their input meanwhile. */
export async function interleave(
  contenders: readonly LineProcess<unknown>[],
  { rounds, stepsPerRound, warmUpSteps }: Pick<BenchOptions, "rounds" | "stepsPerRound" | "warmUpSteps">,
  say: (line: string) => void,
): Promise<TimedRuns[][]> {
  for (const contender of contenders) await contender.run("step", warmUpSteps);
  const turns = contenders.map((contender) => () => contender.run("step", stepsPerRound));
  const answers = await takeTurns(turns, rounds, (round) => say(`round ${round} of ${rounds}`));
  for (const contender of contenders) await contender.quit();
  return answers;
}

/** What a contender's rounds say; `ours` are the rounds that it is compared with, null for our own. */
export function summarise(
  label: string,
  rounds: readonly TimedRuns[],
  { batch, flops, ours }: { batch: number; flops: number; ours: readonly TimedRuns[] | null },
): SeriesReport {
  const seconds = rounds.flatMap((round) => round.seconds);
  const medianSeconds = quantile(seconds, 0.5);
  const medianOf = (round: TimedRuns) => quantile(round.seconds, 0.5);
  return {
    label,
    seconds,
    medianSeconds,
    quartileSeconds: [quantile(seconds, 0.25), quantile(seconds, 0.75)],
    imagesPerSecond: batch / medianSeconds,
    flopsPerSecond: flops / medianSeconds,
    peakRssBytes: Math.max(...rounds.map((round) => round.peakRssBytes)),
    ratio:
      ours &&
      quantile(
        ours.flatMap((round) => round.seconds),
        0.5,
      ) / medianSeconds,
    roundRatios: (ours ?? []).map((round, i) => medianOf(round) / medianOf(rounds[i])),
  };
}

async function profileInChild(step: StepOptions): Promise<StepProfile> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...childArguments("profile", step), `${profiledSteps}`],
    { maxBuffer: 2 ** 26 },
  );
  return JSON.parse(stdout) as StepProfile;
}
