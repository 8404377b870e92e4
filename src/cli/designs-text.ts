import {
  type DesignComparison,
  type DesignCost,
  type DesignMeasures,
  singleTaskDesigns,
  spreadOf,
} from "../experiments/index.js";
import { quantile } from "../tensor/index.js";
import { table } from "./table.js";

/** The table of `echoduet info --compare`; measured columns stand there only where something was measured. */
export function formatDesigns({ input, designs, measurement }: DesignComparison): string {
  const { size, batch, classes, views } = input;
  const singles = designs.filter(({ name }) => (singleTaskDesigns as readonly string[]).includes(name));
  const rows = designs.map(({ name, cost, measured }) => [
    name,
    ...costCells(cost),
    ...(measured ? measuredCells(measured) : []),
  ]);
  const sum = [
    "sum of both",
    ...costCells(sumOf(singles.map(({ cost }) => cost))),
    ...(measurement ? sumCells(singles.flatMap(({ measured }) => measured ?? [])) : []),
  ];
  return [
    `images ${batch}x3x${size.height}x${size.width}, ${classes} classes, ${views} views; inference of one image`,
    ...(measurement ? describeMeasurement(measurement) : []),
    "",
    table([
      [
        "design",
        ...["parameters", "forward GFLOPs", "step GFLOPs", "train MiB", "infer MiB"],
        ...(measurement ? ["step ms (quartiles)", "to the sum", "image ms (quartiles)", "peak MiB"] : []),
      ],
      ...rows.slice(0, singles.length),
      sum,
      ...rows.slice(singles.length),
    ]),
    "",
    ...designs.flatMap(({ name, cost }) => (cost.matched ? [`${name}: ${cost.matched}`] : [])),
    "GFLOPs: 2 x multiply-adds of convolutions and matrix products; train, infer: activations, counted",
    ...(measurement
      ? ["to the sum: median step over the sum of the two single-task designs, by round (least to largest)"]
      : []),
  ].join("\n");
}

function describeMeasurement({
  machine,
  options,
}: NonNullable<DesignComparison["measurement"]>): readonly string[] {
  const { threads, rounds, stepsPerRound, imagesPerRound } = options;
  return [
    `${machine.processor}, ${machine.cores} cores (${machine.simd ?? "SIMD unknown"}), ${mebibytes(machine.memoryBytes)} MiB, ${machine.system}`,
    `Node ${machine.node}, ONNX Runtime ${machine.onnxRuntime}, load ${machine.load?.toFixed(2) ?? "unknown"}`,
    `${threads} threads, ${rounds} rounds of ${stepsPerRound} steps and of ${imagesPerRound} images; random pixels and boxes: a measure of speed alone`,
  ];
}

function costCells(cost: Omit<DesignCost, "matched">): string[] {
  return [
    cost.parameters.toLocaleString("en-US"),
    (cost.forwardFlops / 1e9).toFixed(2),
    (cost.stepFlops / 1e9).toFixed(2),
    mebibytes(cost.trainingActivationBytes),
    mebibytes(cost.inferenceActivationBytes, 1),
  ];
}

function measuredCells({ stepSeconds, imageSeconds, stepRatios, peakMemoryBytes }: DesignMeasures): string[] {
  const ratios = [quantile(stepRatios, 0.5), Math.min(...stepRatios), Math.max(...stepRatios)];
  return [
    spread(spreadOf(stepSeconds), 0),
    spread(ratios, 3, 1),
    spread(spreadOf(imageSeconds), 1),
    mebibytes(peakMemoryBytes),
  ];
}

/** Both single-task designs after one another; two processes have no peak in common. */
function sumCells(singles: readonly DesignMeasures[]): string[] {
  const addRounds = (pick: (measures: DesignMeasures) => readonly (readonly number[])[]) => {
    const [first, second] = singles.map((measures) => pick(measures).flat());
    return [first.map((seconds, i) => seconds + second[i])];
  };
  return [
    spread(spreadOf(addRounds(({ stepSeconds }) => stepSeconds)), 0),
    "1",
    spread(spreadOf(addRounds(({ imageSeconds }) => imageSeconds)), 1),
    "",
  ];
}

function sumOf(costs: readonly DesignCost[]): Omit<DesignCost, "matched"> {
  const total = (pick: (cost: DesignCost) => number) => costs.reduce((sum, cost) => sum + pick(cost), 0);
  return {
    parameters: total(({ parameters }) => parameters),
    forwardFlops: total(({ forwardFlops }) => forwardFlops),
    stepFlops: total(({ stepFlops }) => stepFlops),
    trainingActivationBytes: total(({ trainingActivationBytes }) => trainingActivationBytes),
    inferenceActivationBytes: total(({ inferenceActivationBytes }) => inferenceActivationBytes),
  };
}

/** Median with the ends of its spread, in milliseconds unless another factor is given. */
function spread([median, low, high]: readonly number[], digits: number, factor = 1000): string {
  const [middle, from, to] = [median, low, high].map((value) => (factor * value).toFixed(digits));
  return `${middle} (${from}-${to})`;
}

function mebibytes(bytes: number, digits = 0): string {
  return (bytes / 2 ** 20).toFixed(digits);
}
