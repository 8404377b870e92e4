import { add, channelAffine, maxPool, relu, type Value } from "../graph/index.js";
import { type AttentionKind, attend, convNorm, kaimingNormal, type Scope } from "../nn/index.js";
import { fromNumbers } from "../tensor/index.js";

/** Residual networks: blocks of each of the four stages, and the block. */
const resnetStages = {
  resnet18: { blocks: [2, 2, 2, 2], block: basicBlock },
  resnet50: { blocks: [3, 4, 6, 3], block: bottleneckBlock },
} as const;
export type ResnetDepth = keyof typeof resnetStages;
/** Every depth that {@link resnetBackbone} builds. */
export const resnetDepths = Object.keys(resnetStages) as readonly ResnetDepth[];

/** PyTorch's batch normalisation. */
const batchNorm = { epsilon: 1e-5, momentum: 0.1 };
/** Mean and standard deviation of ImageNet's red, green and blue in 0..1, as torchvision's weights expect them. */
const pixelMean = [0.485, 0.456, 0.406];
const pixelDeviation = [0.229, 0.224, 0.225];

/**
 * A residual network (He et al. 2016, arXiv 1512.03385, table 1) up to its last stage, under torchvision's tensor
 * names, so that a state dict of it loads: `conv1`, `bn1`, `layer1.0.conv1`, `layer1.0.downsample.0`, ...
 * Convolutions begin normal by their fan out (arXiv 1502.01852), normalisations at 1 and 0.
 *
 * Pixels are normalised here by ImageNet's mean and deviation, which belong to torchvision's weights. Stride 2 is
 * on the 3x3 convolution of resnet50's blocks, as in torchvision and not in the paper, whose is on the first 1x1.
 * Attention is on a block's last normalised convolution, before the addition (Hu et al. 2018, figure 3); its
 * parameters, `layer1.0.attention.*`, are in no torchvision state dict.
 * @param images float [batch, 3, height, width] in 0..1, height and width multiples of 32
 * @returns float [batch, 512 (resnet18) or 2048 (resnet50), height / 32, width / 32], not below 0
 */
export function resnetBackbone(
  scope: Scope,
  images: Value,
  depth: ResnetDepth,
  attention: AttentionKind,
): Value {
  const { blocks, block } = resnetStages[depth];
  const pixels = normaliseByImageNet(images);
  const stem = scope.layer("conv1", () =>
    relu(convolution(scope, pixels, 1, { filters: 64, kernel: 7, stride: 2 })),
  );
  let x = maxPool(stem, { kernel: 3, stride: 2, pad: 1 });
  for (const [stage, count] of blocks.entries()) {
    for (let i = 0; i < count; i++) {
      const options = { width: 64 * 2 ** stage, stride: stage > 0 && i === 0 ? 2 : 1, attention };
      x = scope.child(`layer${stage + 1}`).layer(i, (child) => block(child, x, options));
    }
  }
  return x;
}

interface BlockOptions {
  /** Filters of the 3x3 convolutions. */
  readonly width: number;
  readonly stride: number;
  readonly attention: AttentionKind;
}

/** Two 3x3 convolutions beside the identity. */
function basicBlock(scope: Scope, x: Value, { width, stride, attention }: BlockOptions): Value {
  const first = relu(convolution(scope, x, 1, { filters: width, kernel: 3, stride }));
  const second = convolution(scope, first, 2, { filters: width, kernel: 3 });
  return relu(add(attend(scope, second, attention), shortcut(scope, x, { filters: width, stride })));
}

/** A 1x1, a 3x3 and a 1x1 convolution to four times the width, beside the identity. */
function bottleneckBlock(scope: Scope, x: Value, { width, stride, attention }: BlockOptions): Value {
  const filters = 4 * width;
  const first = relu(convolution(scope, x, 1, { filters: width }));
  const second = relu(convolution(scope, first, 2, { filters: width, kernel: 3, stride }));
  const third = convolution(scope, second, 3, { filters });
  return relu(add(attend(scope, third, attention), shortcut(scope, x, { filters, stride })));
}

interface ResnetConvOptions {
  readonly filters: number;
  readonly kernel?: number;
  readonly stride?: number;
}

/** x itself where it has the block's shape, else a 1x1 convolution of it (the paper's option B). */
function shortcut(scope: Scope, x: Value, options: ResnetConvOptions): Value {
  if (options.stride === 1 && options.filters === x.shape[1]) return x;
  const names = { conv: 0, norm: 1 };
  return convNorm(scope.child("downsample"), x, {
    ...options,
    ...names,
    batchNorm,
    initialWeight: kaimingNormal(),
  });
}

/** `convN` and `bnN`. */
function convolution(scope: Scope, x: Value, n: number, options: ResnetConvOptions): Value {
  const names = { conv: `conv${n}`, norm: `bn${n}` };
  return convNorm(scope, x, { ...options, ...names, batchNorm, initialWeight: kaimingNormal() });
}

/** (x - mean) / deviation for each colour. */
function normaliseByImageNet(images: Value): Value {
  const vector = (values: number[]) => images.graph.constant(fromNumbers(images.dtype, [3], values));
  const scale = vector(pixelDeviation.map((deviation) => 1 / deviation));
  return channelAffine(images, scale, vector(pixelMean.map((mean, c) => -mean / pixelDeviation[c])));
}
