import {
  LineProcess,
  type MachineFacts,
  machineFacts,
  serveRuns,
  syntheticBatch,
} from "../src/experiments/index.js";
import { buildDeployGraph, createModel, trainingStepFlops } from "../src/models/index.js";
import { Predictor } from "../src/training/predictor.js";
import { declareForTraining } from "../src/training/session.js";
import { initialTensors } from "../src/training/state-layout.js";
import { reportHead, seriesTable } from "./format.js";
import {
  type BenchOptions,
  childArguments,
  interleave,
  type SeriesReport,
  startTwins,
  summarise,
} from "./rounds.js";
import { classes, inputOf, type StepOptions, views } from "./step.js";
import { findTorchPython } from "./twin.js";

export interface PredictBench {
  readonly input: "synthetic: random pixels, for speed only";
  readonly machine: MachineFacts;
  readonly torch: string | null;
  readonly options: BenchOptions;
  readonly batches: readonly {
    readonly batch: number;
    /** Of one pass. */
    readonly flops: number;
    readonly series: readonly SeriesReport[];
  }[];
}

/** Serves passes of `Predictor.predict` on one fixed batch to the parent process. */
export async function servePredictions(options: StepOptions): Promise<void> {
  const { model: name, size, batch, threads } = options;
  const model = createModel(name, { classes, views });
  const { parameters, buffers } = declareForTraining(model);
  const tensors = initialTensors(parameters, buffers, 0);
  const input = { width: size, height: size };
  const flops = trainingStepFlops(buildDeployGraph(model, tensors, { batch, ...input }));
  const predictor = await Predictor.create(model, tensors, input, { threads });
  const { images } = syntheticBatch(inputOf(options));
  await serveRuns(
    { flops },
    {
      step: async () => {
        await predictor.predict(images);
        return null;
      },
    },
  );
  await predictor.close();
}

/** Measures passes of the deployed model at every batch size beside PyTorch's. */
export async function measurePredictions(
  options: BenchOptions,
  say: (line: string) => void,
): Promise<PredictBench> {
  const machine = machineFacts();
  const python = options.twin ? findTorchPython() : null;
  let torch: string | null = null;
  const batches: PredictBench["batches"][number][] = [];
  for (const batch of options.batches) {
    say(`batch ${batch}`);
    const step = { model: options.model, size: options.size, batch, threads: options.threads };
    const args = childArguments("serve-predictions", step);
    const ours = await LineProcess.start<{ flops: number }>("EchoDuet", process.execPath, args);
    const twins = python ? await startTwins(python, step, "predict") : [];
    torch = twins[0]?.ready.torch ?? null;
    const answers = await interleave([ours, ...twins], options, say);
    const { flops } = ours.ready;
    const series = [ours, ...twins].map(({ label }, i) =>
      summarise(label, answers[i], { batch, flops, ours: i === 0 ? null : answers[0] }),
    );
    batches.push({ batch, flops, series });
  }
  return { input: "synthetic: random pixels, for speed only", machine, torch, options, batches };
}

/** A report for people. */
export function formatPredictions({ machine, options, torch, batches }: PredictBench): string {
  return [
    ...reportHead(machine, torch),
    `${options.model}, ${options.size} x ${options.size}, ${options.threads} threads, ${options.rounds} rounds of ${options.stepsPerRound} passes`,
    "Random pixels: a measure of speed alone. Ours decodes the boxes as well.",
    ...batches.flatMap(({ batch, flops, series }) => [
      "",
      `Batch ${batch}: ${(flops / 1e9).toFixed(2)} GFLOP a pass`,
      ...seriesTable(series),
    ]),
  ].join("\n");
}
