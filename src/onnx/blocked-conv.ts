import type { Emitter } from "./emitter.js";

/** A convolution with one stride and alike padding on both sides, [vertical, horizontal] each. */
export interface ConvProblem {
  /** Float [batch, channels, height, width]. */
  readonly x: string;
  readonly xShape: readonly number[];
  /** Float [filters, channels, kernel height, kernel width]; with `swapped`, the first two the other way round. */
  readonly weight: string;
  readonly filters: number;
  readonly kernel: readonly number[];
  readonly strides: readonly [number, number];
  readonly pads: readonly [number, number];
  readonly swapped: boolean;
}

const blockedDomain = { domain: "com.microsoft.nchwc" };

/**
 * Pixels of a convolution's output, over the whole batch, from which the blocked form is the faster one: measured for
 * the shapes of docs/performance.md. With fewer, bringing the weights into blocks costs what the convolution gains.
 */
const blockedFromPixels = 1600;

/** Whether {@link blockedConv} can compute a convolution, and is the faster form. */
export function paysBlocked({ xShape, filters, kernel, strides, pads }: ConvProblem, block: number): boolean {
  const [batch, channels, ...size] = xShape;
  const [height, width] = size.map(
    (length, axis) => Math.floor((length + 2 * pads[axis] - kernel[axis]) / strides[axis]) + 1,
  );
  const fits = filters % block === 0 && (channels % block === 0 || channels < block);
  return fits && kernel[0] * kernel[1] > 1 && batch * height * width >= blockedFromPixels;
}

/**
 * A convolution in ONNX Runtime's own layout, in which `block` channels of a pixel lie side by side: what its optimiser
 * makes of convolutions whose weights are constants. Weights here are brought into that layout in the graph. The
 * domain is no public promise, so its results are compared with the plain form's before it is used.
 */
export function blockedConv(emitter: Emitter, problem: ConvProblem, block: number): string {
  const { x, xShape, filters, kernel, strides, pads } = problem;
  const [, channels] = xShape;
  const layout = { channels_last: 0 };
  // Fewer channels than a block, as an image has, are read as they lie.
  const whole = channels % block === 0;
  const input = whole ? emitter.emit("ReorderInput", [x], { ...blockedDomain, attributes: layout }) : x;
  const weight = blockedWeight(emitter, problem, { block, channelBlock: whole ? block : 1 });
  const y = emitter.emit("Conv", [input, weight], {
    ...blockedDomain,
    attributes: { kernel_shape: kernel, strides, pads: [...pads, ...pads] },
  });
  return emitter.emit("ReorderOutput", [y], {
    ...blockedDomain,
    attributes: { ...layout, channels: filters },
  });
}

/** [filters / block, channels / channelBlock, kernel height, kernel width, channelBlock, block] as a weight's shape. */
function blockedWeight(
  emitter: Emitter,
  { weight, xShape: [, channels], filters, kernel, swapped }: ConvProblem,
  { block, channelBlock }: { block: number; channelBlock: number },
): string {
  const pieces = [
    [filters / block, block],
    [channels / channelBlock, channelBlock],
  ];
  const apart = emitter.reshape(weight, [...(swapped ? pieces.reverse() : pieces).flat(), ...kernel]);
  const perm = swapped ? [2, 0, 4, 5, 1, 3] : [0, 2, 4, 5, 3, 1];
  const sorted = emitter.emit("Transpose", [apart], { attributes: { perm } });
  return emitter.reshape(sorted, [filters, channels, ...kernel]);
}
