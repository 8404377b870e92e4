import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { lineOption, styleOf } from "../src/experiments/curves/line-chart.js";
import { pictureOf, pngOf } from "../src/experiments/curves/picture.js";
import { LineProcess, type MachineFacts, machineFacts } from "../src/experiments/index.js";
import { reportHead, table } from "./format.js";
import { childArguments, interleave, startTwins, summarise } from "./rounds.js";
import type { StepOptions, StepReady } from "./step.js";
import { findTorchPython } from "./twin.js";

export interface ScalingOptions {
  readonly model: string;
  readonly threads: number;
  /** Batch sizes. */
  readonly batches: readonly number[];
  /** Sides of the square images in pixels. */
  readonly sizes: readonly number[];
  /** The batch at which sizes vary, and the size at which batches vary. */
  readonly fixedBatch: number;
  readonly fixedSize: number;
  readonly rounds: number;
  readonly stepsPerRound: number;
  readonly twin: boolean;
}

/** One configuration: median milliseconds an image of each contender. */
export interface ScalingPoint {
  readonly batch: number;
  readonly size: number;
  readonly contenders: readonly {
    readonly label: string;
    readonly millisecondsPerImage: number;
    readonly ratio: number | null;
    readonly roundRatios: readonly number[];
  }[];
}

export interface ScalingBench {
  readonly machine: MachineFacts;
  readonly torch: string | null;
  readonly options: ScalingOptions;
  readonly byBatch: readonly ScalingPoint[];
  readonly bySize: readonly ScalingPoint[];
}

/** Measures the training step over batch sizes at one image size, and over image sizes at one batch size. */
export async function measureScaling(
  options: ScalingOptions,
  say: (line: string) => void,
): Promise<ScalingBench> {
  const machine = machineFacts();
  const python = options.twin ? findTorchPython() : null;
  let torch: string | null = null;
  const curve = async (shapes: readonly (readonly [batch: number, size: number])[]) => {
    const points: ScalingPoint[] = [];
    for (const [batch, size] of shapes) {
      say(`batch ${batch}, ${size} pixels`);
      const step = { model: options.model, size, batch, threads: options.threads };
      const measured = await measurePoint(step, options, python);
      torch = measured.torch ?? torch;
      points.push(measured.point);
    }
    return points;
  };
  const byBatch = await curve(options.batches.map((batch) => [batch, options.fixedSize]));
  const bySize = await curve(options.sizes.map((size) => [options.fixedBatch, size]));
  return { machine, torch, options, byBatch, bySize };
}

async function measurePoint(
  step: StepOptions,
  options: ScalingOptions,
  python: string | null,
): Promise<{ point: ScalingPoint; torch: string | undefined }> {
  const args = childArguments("serve", step);
  const ours = await LineProcess.start<StepReady>("EchoDuet", process.execPath, args);
  const twins = python ? await startTwins(python, step) : [];
  const answers = await interleave([ours, ...twins], { ...options, warmUpSteps: 1 }, () => {});
  const { batch, size } = step;
  const contenders = [ours, ...twins].map(({ label }, i) => {
    const about = { batch, flops: ours.ready.flops, ours: i === 0 ? null : answers[0] };
    const { medianSeconds, ratio, roundRatios } = summarise(label, answers[i], about);
    return { label, millisecondsPerImage: (1000 * medianSeconds) / batch, ratio, roundRatios };
  });
  return { point: { batch, size, contenders }, torch: twins[0]?.ready.torch };
}

/** Draws both curves into `path`, a PNG. */
export async function drawScaling(
  { machine, torch, options, byBatch, bySize }: ScalingBench,
  path: string,
): Promise<void> {
  const labels = byBatch[0].contenders.map(({ label }) => label);
  const chart = (points: readonly ScalingPoint[], x: "batch" | "size", axis: string) =>
    lineOption({
      x: axis,
      y: "milliseconds an image",
      dots: true,
      fromZero: true,
      lines: labels.map((name, i) => ({
        name,
        style: styleOf(i),
        points: points.map((point) => [point[x], point.contenders[i].millisecondsPerImage] as const),
      })),
    });
  const svg = pictureOf({
    name: "scaling",
    title: `Training step of ${options.model}`,
    caption:
      `Medians of ${options.rounds} interleaved rounds of ${options.stepsPerRound} steps, ${options.threads} threads of ${machine.processor} ` +
      `(${machine.cores} cores), ONNX Runtime ${machine.onnxRuntime}, PyTorch ${torch ?? "not compared"}, load ${machine.load?.toFixed(2) ?? "unknown"} at the start. ` +
      "Random pixels: a measure of speed alone.",
    legend: labels.map((name, i) => ({ name, ...styleOf(i) })),
    columns: 2,
    charts: [
      {
        title: `by batch, ${options.fixedSize} x ${options.fixedSize}`,
        option: chart(byBatch, "batch", "images a batch"),
        height: 300,
        kind: "lines",
      },
      {
        title: `by size, batch ${options.fixedBatch}`,
        option: chart(bySize, "size", "side of the image (pixels)"),
        height: 300,
        kind: "lines",
      },
    ],
  });
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, await pngOf(svg));
}

/** A report for people. */
export function formatScaling({ machine, torch, options, byBatch, bySize }: ScalingBench): string {
  const rows = (points: readonly ScalingPoint[]) =>
    table([
      ["batch", "size", ...points[0].contenders.map(({ label }) => `${label} ms/image`), "ours / theirs"],
      ...points.map(({ batch, size, contenders }) => [
        `${batch}`,
        `${size}`,
        ...contenders.map(({ millisecondsPerImage }) => millisecondsPerImage.toFixed(1)),
        contenders
          .flatMap(({ ratio, roundRatios }) =>
            ratio === null
              ? []
              : [
                  `${ratio.toFixed(2)} (${Math.min(...roundRatios).toFixed(2)}-${Math.max(...roundRatios).toFixed(2)})`,
                ],
          )
          .join(", "),
      ]),
    ]);
  return [
    ...reportHead(machine, torch),
    `${options.model}, ${options.threads} threads, ${options.rounds} rounds of ${options.stepsPerRound} steps`,
    "",
    ...rows(byBatch),
    "",
    ...rows(bySize),
  ].join("\n");
}
