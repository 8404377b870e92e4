import type { ConvGeometry, Value } from "../graph/index.js";
import { fromNumbers } from "../tensor/index.js";
import { blockedConv, type ConvProblem, paysBlocked } from "./blocked-conv.js";
import type { Emitter } from "./emitter.js";
import type { LoweringContext } from "./lowering.js";

/**
 * Convolution as ONNX has it, but for an even kernel at stride 2 (YOLOv5's 6x6 stem): that equals a
 * convolution at stride 1 with half the kernel over the four phases of x as channels, and three input
 * channels are too few for a fast matrix product.
 */
export function lowerConv(context: LoweringContext<"Conv">): readonly string[] {
  const { emitter, names, inputs, attrs } = context;
  const [x, weight] = inputs.map((input) => input.shape);
  const problem = { x: names[0], xShape: x, weight: names[1], filters: weight[0], swapped: false };
  if (!splitsIntoPhases(x, weight.slice(2), attrs)) {
    return [convolve(context, { ...problem, kernel: weight.slice(2), ...attrs })];
  }
  const [filters, channels, kh, kw] = weight;
  const apart = emitter.reshape(names[1], [filters, channels, kh / 2, 2, kw / 2, 2]);
  const sorted = emitter.emit("Transpose", [apart], { attributes: { perm: [0, 3, 5, 1, 2, 4] } });
  const phases = emitter.reshape(sorted, [filters, 4 * channels, kh / 2, kw / 2]);
  return [
    convolve(context, {
      ...problem,
      x: spaceToDepth(emitter, names[0], x, [2, 2]),
      xShape: [x[0], 4 * channels, x[2] / 2, x[3] / 2],
      weight: phases,
      kernel: [kh / 2, kw / 2],
      strides: [1, 1],
      pads: [attrs.pads[0] / 2, attrs.pads[1] / 2],
    }),
  ];
}

/** The faster of the two forms; ONNX Runtime itself brings constant weights into blocks. */
function convolve(
  {
    emitter,
    inputs: [, weight],
    block,
  }: { emitter: Emitter; inputs: readonly Value[]; block: number | null },
  problem: ConvProblem,
): string {
  if (block !== null && weight.node.op !== "Constant" && paysBlocked(problem, block)) {
    return blockedConv(emitter, problem, block);
  }
  const filters = problem.swapped
    ? emitter.emit("Transpose", [problem.weight], { attributes: { perm: [1, 0, 2, 3] } })
    : problem.weight;
  return emitter.emit("Conv", [problem.x, filters], { attributes: geometry(problem) });
}

/** Whether a convolution at stride 2 is one at stride 1 over the phases of x. */
function splitsIntoPhases(
  x: readonly number[],
  kernel: readonly number[],
  { strides, pads }: ConvGeometry,
): boolean {
  const even = [...kernel, ...pads, x[2], x[3]].every((n) => n % 2 === 0);
  return even && strides[0] === 2 && strides[1] === 2;
}

/**
 * The input's gradient. At stride 1 it is a convolution of dy with the weights transposed and flipped,
 * which ONNX Runtime runs half again as fast as ConvTranspose.
 */
export function lowerConvInputGrad(context: LoweringContext<"ConvInputGrad">): readonly string[] {
  const { emitter, names, inputs, attrs } = context;
  const kernel = inputs[1].shape.slice(2);
  if (attrs.strides[0] === 1 && attrs.strides[1] === 1) {
    const problem = {
      x: names[0],
      xShape: inputs[0].shape,
      weight: flip(emitter, names[1], kernel),
      filters: inputs[1].shape[1],
      kernel,
      strides: [1, 1] as const,
      pads: [kernel[0] - 1 - attrs.pads[0], kernel[1] - 1 - attrs.pads[1]] as const,
      swapped: true,
    };
    return [convolve(context, problem)];
  }
  const outputPadding = [0, 1].map((d) => {
    const covered = (inputs[0].shape[2 + d] - 1) * attrs.strides[d] - 2 * attrs.pads[d] + kernel[d];
    return attrs.size[d] - covered;
  });
  return [
    emitter.emit("ConvTranspose", names, {
      attributes: { ...geometry(attrs), output_padding: outputPadding },
    }),
  ];
}

/**
 * The weight's gradient as one matrix product for each kernel tap: dW[o, i, tap] = sum over batch and pixels of
 * dy · x as the tap sees it.
 *
 * Rows are shifted in x and columns in dy, with zeros moving in, so a 3x3 kernel needs three copies of each and no
 * product reads more than the pixels of dy. At stride 2 a tap sees one phase of x.
 */
export function lowerConvWeightGrad(context: LoweringContext<"ConvWeightGrad">): readonly string[] {
  const { emitter, inputs, outputs, attrs, names } = context;
  const [filters, channels, kh, kw] = outputs[0].shape;
  const problems: WeightGradProblem[] = [];
  for (let i = 0; i < inputs.length; i += 2) {
    const [xShape, dyShape] = [inputs[i].shape, inputs[i + 1].shape];
    problems.push({ x: names[i], xShape, dy: names[i + 1], dyShape, ...attrs });
  }
  if (!splitsIntoPhases(problems[0].xShape, attrs.kernel, attrs)) {
    return [emitter.reshape(weightGrad(emitter, problems), outputs[0].shape)];
  }
  const overPhases = problems.map((problem): WeightGradProblem => {
    const [batch, , h, w] = problem.xShape;
    return {
      ...problem,
      x: spaceToDepth(emitter, problem.x, problem.xShape, [2, 2]),
      xShape: [batch, 4 * channels, h / 2, w / 2],
      strides: [1, 1],
      pads: [attrs.pads[0] / 2, attrs.pads[1] / 2],
      kernel: [kh / 2, kw / 2],
    };
  });
  const taps = weightGrad(emitter, overPhases);
  const apart = emitter.reshape(taps, [filters, 2, 2, channels, kh / 2, kw / 2]);
  const sorted = emitter.emit("Transpose", [apart], { attributes: { perm: [0, 3, 4, 1, 5, 2] } });
  return [emitter.reshape(sorted, outputs[0].shape)];
}

interface WeightGradProblem extends ConvGeometry {
  readonly x: string;
  readonly xShape: readonly number[];
  readonly dy: string;
  readonly dyShape: readonly number[];
  readonly kernel: readonly [number, number];
}

/** dW of all parts of a batch, in the order of [filters, channels, kernel elements]; its shape is left to the caller. */
function weightGrad(emitter: Emitter, problems: readonly WeightGradProblem[]): string {
  const [{ xShape, dyShape, kernel }] = problems;
  const [filters, channels, taps] = [dyShape[1], xShape[1], kernel[0] * kernel[1]];
  const perImage = problems.map((problem) => {
    const products = tapProducts(emitter, problem);
    return taps === 1 ? products[0] : emitter.emit("Concat", products, { attributes: { axis: 1 } });
  });
  const whole =
    perImage.length === 1 ? perImage[0] : emitter.emit("Concat", perImage, { attributes: { axis: 0 } });
  const images = problems.reduce((sum, problem) => sum + problem.xShape[0], 0);
  const sum = sumOfImages(emitter, whole, images, taps * filters * channels);
  if (taps === 1) return sum;
  const apart = emitter.reshape(sum, [taps, filters, channels]);
  return emitter.emit("Transpose", [apart], { attributes: { perm: [1, 2, 0] } });
}

/** For each kernel tap dy · xᵀ as the tap sees it, [batch, filters, channels]. */
function tapProducts(emitter: Emitter, problem: WeightGradProblem): string[] {
  const { dyShape, kernel, strides, pads } = problem;
  const [batch, filters, height, width] = dyShape;
  const channels = problem.xShape[1];
  const { phases, rows, columns } = phasesOf(emitter, problem);
  const pixels = height * columns;
  // The k-th place of tap t is place s · k + t - pad of x: place k + offset of phase (t - pad) mod s.
  const place = (tap: number, axis: 0 | 1) => {
    const offset = Math.floor((tap - pads[axis]) / strides[axis]);
    return { phase: tap - pads[axis] - offset * strides[axis], offset };
  };
  // Rows lie end to end, so that a shift of rows is one copy for each channel.
  const shiftedX = remember((phase, offset) => {
    const flat = emitter.reshape(phases[phase], [batch, channels, rows * columns]);
    return padEnds(emitter, flat, { rank: 3, axis: 2 }, [
      -offset * columns,
      (height + offset - rows) * columns,
    ]);
  });
  const shiftedDy = remember((offset) =>
    emitter.reshape(padEnds(emitter, problem.dy, { rank: 4, axis: 3 }, [offset, columns - width - offset]), [
      batch,
      filters,
      pixels,
    ]),
  );
  const products: string[] = [];
  for (let i = 0; i < kernel[0]; i++) {
    for (let j = 0; j < kernel[1]; j++) {
      const [row, column] = [place(i, 0), place(j, 1)];
      const x = shiftedX(row.phase * strides[1] + column.phase, row.offset);
      products.push(
        emitter.emit("FusedMatMul", [shiftedDy(column.offset), x], {
          domain: "com.microsoft",
          attributes: { transB: 1 },
        }),
      );
    }
  }
  return products;
}

/** The sum over the first axis, as a product with ones: ONNX Runtime's sum over it takes 3 to 5 times as long. */
function sumOfImages(emitter: Emitter, x: string, batch: number, elements: number): string {
  const ones = emitter.tensor(fromNumbers("float32", [1, batch], Array(batch).fill(1)));
  return emitter.emit("MatMul", [ones, emitter.reshape(x, [batch, elements])]);
}

/** A function of whole numbers that emits the nodes of each result once. */
function remember(make: (...key: number[]) => string): (...key: number[]) => string {
  const known = new Map<string, string>();
  return (...key) => {
    const name = known.get(`${key}`) ?? make(...key);
    known.set(`${key}`, name);
    return name;
  };
}

/** x with zeros before and after one of its axes; what a negative number counts is cut off. */
function padEnds(
  emitter: Emitter,
  x: string,
  { rank, axis }: { rank: number; axis: number },
  [before, after]: readonly number[],
): string {
  if (before === 0 && after === 0) return x;
  const pads = Array(2 * rank).fill(0);
  pads[axis] = before;
  pads[rank + axis] = after;
  return emitter.emit("Pad", [x, emitter.integers(pads)]);
}

/** The phases of x, [batch, channels, rows, columns] each, phase (i, j) at i · strideX + j. */
function phasesOf(
  emitter: Emitter,
  { x, xShape, strides }: WeightGradProblem,
): { phases: readonly string[]; rows: number; columns: number } {
  const [batch, channels, h, w] = xShape;
  const [sh, sw] = strides;
  const [rows, columns] = [Math.ceil(h / sh), Math.ceil(w / sw)];
  if (sh === 1 && sw === 1) return { phases: [x], rows, columns };
  const whole = [batch, channels, rows * sh, columns * sw];
  const tall = padEnds(emitter, x, { rank: 4, axis: 2 }, [0, whole[2] - h]);
  const even = padEnds(emitter, tall, { rank: 4, axis: 3 }, [0, whole[3] - w]);
  const apart = spaceToDepth(emitter, even, whole, [sh, sw]);
  const phases = emitter.emitAll("Split", [apart, emitter.integers(Array(sh * sw).fill(channels))], {
    attributes: { axis: 1 },
    outputs: sh * sw,
  });
  return { phases, rows, columns };
}

/**
 * The phases of x side by side as channels: [b, c, h, w] to [b, strideY · strideX · c, h / strideY,
 * w / strideX], channel (i · strideX + j) · c + k holding x[b, k, i::strideY, j::strideX].
 */
function spaceToDepth(
  emitter: Emitter,
  x: string,
  [b, c, h, w]: readonly number[],
  [sh, sw]: readonly [number, number],
): string {
  // ONNX Runtime's own operator is several times faster than the transposition that it stands for.
  if (sh === sw) return emitter.emit("SpaceToDepth", [x], { attributes: { blocksize: sh } });
  const apart = emitter.reshape(x, [b, c, h / sh, sh, w / sw, sw]);
  const sorted = emitter.emit("Transpose", [apart], { attributes: { perm: [0, 3, 5, 1, 2, 4] } });
  return emitter.reshape(sorted, [b, sh * sw * c, h / sh, w / sw]);
}

function flip(emitter: Emitter, weight: string, kernel: readonly number[]): string {
  if (kernel[0] === 1 && kernel[1] === 1) return weight;
  // From the last element (-1) down to, and with, the first: an end before the start of the axis.
  const end = -(2 ** 31);
  return emitter.emit("Slice", [
    weight,
    emitter.integers([-1, -1]),
    emitter.integers([end, end]),
    emitter.integers([2, 3]),
    emitter.integers([-1, -1]),
  ]);
}

function geometry({ strides, pads }: ConvGeometry): { strides: readonly number[]; pads: readonly number[] } {
  return { strides, pads: [...pads, ...pads] };
}
