import type { ConvGeometry } from "../graph/index.js";
import type { Emitter } from "./emitter.js";
import type { LoweringContext } from "./lowering.js";

/**
 * Convolution as ONNX has it, but for an even kernel at stride 2 (YOLOv5's 6x6 stem): that equals a
 * convolution at stride 1 with half the kernel over the four phases of x as channels, and three input
 * channels are too few for a fast matrix product.
 */
export function lowerConv({ emitter, names, inputs, attrs }: LoweringContext<"Conv">): readonly string[] {
  const [x, weight] = inputs.map((input) => input.shape);
  if (!splitsIntoPhases(x, weight.slice(2), attrs)) {
    return [emitter.emit("Conv", names, { attributes: geometry(attrs) })];
  }
  const [filters, channels, kh, kw] = weight;
  const apart = emitter.reshape(names[1], [filters, channels, kh / 2, 2, kw / 2, 2]);
  const sorted = emitter.emit("Transpose", [apart], { attributes: { perm: [0, 3, 5, 1, 2, 4] } });
  const phases = emitter.reshape(sorted, [filters, 4 * channels, kh / 2, kw / 2]);
  return [
    emitter.emit("Conv", [spaceToDepth(emitter, names[0], x, [2, 2]), phases], { attributes: halved(attrs) }),
  ];
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

function halved({ pads }: ConvGeometry): ReturnType<typeof geometry> {
  return geometry({ strides: [1, 1], pads: [pads[0] / 2, pads[1] / 2] });
}

/**
 * The input's gradient. At stride 1 it is a convolution of dy with the weights transposed and flipped,
 * which ONNX Runtime runs half again as fast as ConvTranspose.
 */
export function lowerConvInputGrad(context: LoweringContext<"ConvInputGrad">): readonly string[] {
  const { emitter, names, inputs, attrs } = context;
  const kernel = inputs[1].shape.slice(2);
  if (attrs.strides[0] === 1 && attrs.strides[1] === 1) {
    const flipped = flip(emitter, names[1], kernel);
    const weight = emitter.emit("Transpose", [flipped], { attributes: { perm: [1, 0, 2, 3] } });
    const pads = [kernel[0] - 1 - attrs.pads[0], kernel[1] - 1 - attrs.pads[1]] as const;
    return [emitter.emit("Conv", [names[0], weight], { attributes: geometry({ strides: [1, 1], pads }) })];
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
 * The weight's gradient as one matrix product for each kernel tap.
 *
 * Rows of the padded x are laid end to end, Wp elements each, and dy's rows are padded to the same
 * width with zeros; then tap (i, j) pairs dy with the contiguous slice of x that starts at i · Wp + j.
 * At stride 2 the padded x is first split into its phases, and a tap picks a phase and an offset in it.
 * dW[o, i, tap] = sum over batch and pixels of dy · slice.
 */
export function lowerConvWeightGrad(context: LoweringContext<"ConvWeightGrad">): readonly string[] {
  const { emitter, inputs, outputs, attrs, names } = context;
  const [x, dy] = inputs.map((input) => input.shape);
  const problem = { x: names[0], xShape: x, dy: names[1], dyShape: dy, ...attrs };
  if (!splitsIntoPhases(x, attrs.kernel, attrs)) {
    return [emitter.reshape(weightGrad(emitter, problem), outputs[0].shape)];
  }
  const [batch, channels, h, w] = x;
  const [kh, kw] = attrs.kernel;
  const taps = weightGrad(emitter, {
    ...problem,
    x: spaceToDepth(emitter, names[0], x, [2, 2]),
    xShape: [batch, 4 * channels, h / 2, w / 2],
    strides: [1, 1],
    pads: [attrs.pads[0] / 2, attrs.pads[1] / 2],
    kernel: [kh / 2, kw / 2],
  });
  const apart = emitter.reshape(taps, [dy[1], 2, 2, channels, kh / 2, kw / 2]);
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

/** dW as [filters, channels, kernel elements]. */
function weightGrad(emitter: Emitter, problem: WeightGradProblem): string {
  const [batch, channels] = problem.xShape;
  const [, filters, height, width] = problem.dyShape;
  const [kh, kw] = problem.kernel;
  const product = (dy: string, x: string): string => {
    const perImage = emitter.emit("FusedMatMul", [dy, x], {
      domain: "com.microsoft",
      attributes: { transB: 1 },
    });
    return emitter.emit("ReduceSum", [perImage, emitter.integers([0])], { attributes: { keepdims: 0 } });
  };
  const { strides, pads } = problem;
  if (kh === 1 && kw === 1 && strides.every((s) => s === 1) && pads.every((p) => p === 0)) {
    const pixels = height * width;
    const dy = emitter.reshape(problem.dy, [batch, filters, pixels]);
    const x = emitter.reshape(problem.x, [batch, channels, pixels]);
    return product(dy, x);
  }
  const { phases, rowWidth } = flatPhases(emitter, problem);
  const length = height * rowWidth;
  const wide = emitter.emit("Pad", [problem.dy, emitter.integers([0, 0, 0, 0, 0, 0, 0, rowWidth - width])]);
  const dy = emitter.reshape(wide, [batch, filters, length]);
  const taps: string[] = [];
  for (let i = 0; i < kh; i++) {
    for (let j = 0; j < kw; j++) {
      const [sh, sw] = strides;
      const offset = Math.floor(i / sh) * rowWidth + Math.floor(j / sw);
      const range = [emitter.integers([offset]), emitter.integers([offset + length]), emitter.integers([2])];
      const tap = product(dy, emitter.emit("Slice", [phases[(i % sh) * sw + (j % sw)], ...range]));
      taps.push(emitter.reshape(tap, [filters, channels, 1]));
    }
  }
  return emitter.emit("Concat", taps, { attributes: { axis: 2 } });
}

/** The phases of the padded x, [batch, channels, rows · rowWidth] each, phase (i, j) at i · strideX + j. */
function flatPhases(
  emitter: Emitter,
  { x, xShape, dyShape, strides, pads, kernel }: WeightGradProblem,
): { phases: string[]; rowWidth: number } {
  const [batch, channels, h, w] = xShape;
  const [, , height, width] = dyShape;
  const [sh, sw] = strides;
  const [top, left] = pads;
  const rowWidth = width + Math.floor((kernel[1] - 1) / sw);
  // One row more than the taps reach down to: the last tap of the last row ends in it.
  const rows = height + Math.floor((kernel[0] - 1) / sh) + 1;
  const bottom = rows * sh - top - h;
  const right = rowWidth * sw - left - w;
  const padded = emitter.emit("Pad", [x, emitter.integers([0, 0, top, left, 0, 0, bottom, right])]);
  const flat = (name: string): string => emitter.reshape(name, [batch, channels, rows * rowWidth]);
  if (sh === 1 && sw === 1) return { phases: [flat(padded)], rowWidth };
  const apart = spaceToDepth(emitter, padded, [batch, channels, rows * sh, rowWidth * sw], [sh, sw]);
  const pieces = emitter.emitAll("Split", [apart, emitter.integers(Array(sh * sw).fill(channels))], {
    attributes: { axis: 1 },
    outputs: sh * sw,
  });
  return { phases: pieces.map(flat), rowWidth };
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
