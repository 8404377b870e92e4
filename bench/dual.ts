import type { TrainConfigInput } from "../src/config/index.js";
import { type MachineFacts, machineFacts, syntheticBatch } from "../src/experiments/index.js";
import { median, type PairedRatio, pairedRatio, secondsInTurns, showRatio } from "./paired.js";
import { inputOf, openSession, type StepOptions } from "./step.js";

export interface DualOptions extends StepOptions {
  /** Rounds in which each contender steps once. */
  readonly rounds: number;
  /** Size of the classification branch. */
  readonly classifierBackbone: TrainConfigInput["classifierBackbone"];
}

export interface DualBench {
  readonly input: "synthetic: random pixels and boxes, for speed only";
  readonly machine: MachineFacts;
  readonly options: DualOptions;
  readonly medianSeconds: Readonly<Record<Contender, number>>;
  /** A step of both branches in one program over the sum of one of each branch alone, all threads each. */
  readonly sharedOverSum: PairedRatio;
  /** A step of both branches side by side over one in one program. */
  readonly apartOverShared: PairedRatio;
}

const contenders = {
  shared: { branchThreads: "shared" },
  apart: { branchThreads: "apart" },
  detection: { branch: "detection" },
  classification: { branch: "classification" },
} as const satisfies Record<string, Partial<TrainConfigInput>>;
type Contender = keyof typeof contenders;

const warmUpSteps = 2;

/** Steps of a dual model, its branches in one program or side by side, and of each branch alone. */
export async function measureDual(options: DualOptions): Promise<DualBench> {
  const { classifierBackbone } = options;
  const batch = syntheticBatch(inputOf(options));
  const opened = Object.values(contenders).map((changes) =>
    openSession(options, { classifierBackbone, ...changes }),
  );
  for (const { session } of opened) for (let step = 0; step < warmUpSteps; step++) await session.step(batch);
  const seconds = await secondsInTurns(
    opened.map(
      ({ session }) =>
        () =>
          session.step(batch),
    ),
    options.rounds,
  );
  for (const { session } of opened) await session.close();
  const [shared, apart, detection, classification] = seconds;
  const sum = detection.map((own, i) => own + classification[i]);
  return {
    input: "synthetic: random pixels and boxes, for speed only",
    machine: machineFacts(),
    options,
    medianSeconds: {
      shared: median(shared),
      apart: median(apart),
      detection: median(detection),
      classification: median(classification),
    },
    sharedOverSum: pairedRatio(shared, sum),
    apartOverShared: pairedRatio(apart, shared),
  };
}

/** A report for people. */
export function formatDual({ machine, options, medianSeconds, ...ratios }: DualBench): string {
  const { model, classifierBackbone, size, batch, threads, rounds } = options;
  const milliseconds = (name: Contender) => `${(1000 * medianSeconds[name]).toFixed(0).padStart(6)} ms`;
  return [
    `${machine.processor}, ${machine.cores} cores, Node ${machine.node}, ONNX Runtime ${machine.onnxRuntime}, load ${machine.load?.toFixed(2) ?? "unknown"}`,
    `${model}, classifier ${classifierBackbone}, ${size} x ${size}, batch ${batch}, ${threads} threads, ${rounds} rounds`,
    "Random pixels and boxes: a measure of speed alone.",
    "",
    `both branches, one program     ${milliseconds("shared")}`,
    `both branches, side by side    ${milliseconds("apart")}`,
    `detection branch alone         ${milliseconds("detection")}`,
    `classification branch alone    ${milliseconds("classification")}`,
    "",
    `one program / sum of the two alone    ${showRatio(ratios.sharedOverSum)}`,
    `side by side / one program            ${showRatio(ratios.apartOverShared)}`,
  ].join("\n");
}
