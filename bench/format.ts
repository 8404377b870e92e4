import type { MachineFacts } from "../src/experiments/index.js";
import type { BatchReport, BenchReport, SeriesReport } from "./rounds.js";

/** What the figures of a report depend on, in two lines. */
export function reportHead(machine: MachineFacts, torch: string | null): string[] {
  const gibibytes = (machine.memoryBytes / 2 ** 30).toFixed(1);
  return [
    `${machine.processor}, ${machine.cores} cores (${machine.simd ?? "SIMD unknown"}), ${gibibytes} GiB, ${machine.system}`,
    `Node ${machine.node}, ONNX Runtime ${machine.onnxRuntime}, PyTorch ${torch ?? "not compared"}, load ${machine.load?.toFixed(2) ?? "unknown"}`,
  ];
}

/** A report for people. */
export function formatReport({ machine, options, torch, batches }: BenchReport): string {
  return [
    ...reportHead(machine, torch),
    `${options.model}, ${options.size} x ${options.size}, ${options.threads} threads, ${options.rounds} rounds of ${options.stepsPerRound} steps after ${options.warmUpSteps} to warm up`,
    "Random pixels and boxes: a measure of speed alone.",
    ...batches.map(formatBatch),
  ].join("\n");
}

function formatBatch({ batch, flops, handover, series, profile }: BatchReport): string {
  const operators = profile.operators.filter(({ share }) => share >= 0.005);
  return [
    "",
    `Batch ${batch}: ${(flops / 1e9).toFixed(2)} GFLOP a step`,
    `State handed over: ${(handover.bytes / 2 ** 20).toFixed(1)} MiB in ${handover.tensors} tensors, at most ${handover.milliseconds.toFixed(1)} ms`,
    ...seriesTable(series),
    "",
    `Time by operator (profile of ${profile.steps} steps)`,
    ...table([
      ["operator", "share", "nodes", "ms/step"],
      ...operators.map(({ operator, share, nodes, millisecondsPerStep }) => [
        operator,
        `${(share * 100).toFixed(1)} %`,
        `${nodes}`,
        millisecondsPerStep.toFixed(1),
      ]),
    ]),
    "",
    "Slowest operators",
    ...table([
      ["operator", "ms/step", "inputs", "outputs"],
      ...profile.slowest.map(({ operator, millisecondsPerStep, inputs, outputs }) => [
        operator,
        millisecondsPerStep.toFixed(1),
        inputs.join(" "),
        outputs.join(" "),
      ]),
    ]),
  ].join("\n");
}

/** The contenders below each other. */
export function seriesTable(series: readonly SeriesReport[]): string[] {
  return table([
    ["", "median ms", "quartiles ms", "images/s", "GFLOP/s", "peak MiB", "ours / theirs"],
    ...series.map(seriesRow),
  ]);
}

function seriesRow(series: SeriesReport): string[] {
  const milliseconds = (seconds: number) => (seconds * 1000).toFixed(0);
  return [
    series.label,
    milliseconds(series.medianSeconds),
    series.quartileSeconds.map(milliseconds).join("-"),
    series.imagesPerSecond.toFixed(1),
    (series.flopsPerSecond / 1e9).toFixed(0),
    (series.peakRssBytes / 2 ** 20).toFixed(0),
    series.ratio === null ? "" : `${series.ratio.toFixed(2)} (rounds ${range(series.roundRatios)})`,
  ];
}

function range(values: readonly number[]): string {
  return `${Math.min(...values).toFixed(2)}-${Math.max(...values).toFixed(2)}`;
}

/** Rows of equal length as aligned lines: texts to the left, numbers to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const isNumber = rows[0].map((_, column) => rows.slice(1).every((row) => /^[\d.]/.test(row[column])));
  return rows.map((row) =>
    row
      .map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join("  ")
      .trimEnd(),
  );
}
