import { type Shape, sizeOf } from "../../tensor/index.js";
import type { ConvGeometry } from "../ops.js";
import { type Float64Tensor, type InterpreterRule, tensor64, zeros64 } from "./rule.js";

type NetworkName =
  | "MatMul"
  | "Conv"
  | "ConvInputGrad"
  | "ConvWeightGrad"
  | "BatchNorm"
  | "Normalise"
  | "ChannelAffine"
  | "ChannelBlend"
  | "ChannelDot"
  | "MaxPool"
  | "UpsampleNearest"
  | "SumPool";

/** Linear algebra and the layers of convolutional networks, by their definitions. */
export const networkRules: { [K in NetworkName]: InterpreterRule<K> } = {
  MatMul: ([a, b], { transA, transB }, [{ shape }]) => {
    const out = zeros64(shape);
    const [m, n] = shape.slice(-2);
    const k = a.shape[a.shape.length - (transA ? 2 : 1)];
    const [aRow, aColumn] = transA ? [1, m] : [k, 1];
    const [bRow, bColumn] = transB ? [1, k] : [n, 1];
    for (let batch = 0; batch < sizeOf(shape.slice(0, -2)); batch++) {
      const [atA, atB, atOut] = [batch * m * k, batch * k * n, batch * m * n];
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let l = 0; l < k; l++) {
            sum += a.data[atA + i * aRow + l * aColumn] * b.data[atB + l * bRow + j * bColumn];
          }
          out.data[atOut + i * n + j] = sum;
        }
      }
    }
    return [out];
  },

  Conv: ([x, weight], geometry, [{ shape }]) => {
    const dy = zeros64(shape);
    eachTap(x.shape, weight.shape, shape, geometry, (atX, atWeight, atY) => {
      dy.data[atY] += x.data[atX] * weight.data[atWeight];
    });
    return [dy];
  },
  ConvInputGrad: ([dy, weight], geometry, [{ shape }]) => {
    const dx = zeros64(shape);
    eachTap(shape, weight.shape, dy.shape, geometry, (atX, atWeight, atY) => {
      dx.data[atX] += dy.data[atY] * weight.data[atWeight];
    });
    return [dx];
  },
  ConvWeightGrad: (inputs, geometry, [{ shape }]) => {
    const dWeight = zeros64(shape);
    for (let i = 0; i < inputs.length; i += 2) {
      const [x, dy] = inputs.slice(i, i + 2);
      eachTap(x.shape, shape, dy.shape, geometry, (atX, atWeight, atY) => {
        dWeight.data[atWeight] += x.data[atX] * dy.data[atY];
      });
    }
    return [dWeight];
  },

  BatchNorm: ([x, scale, bias], { epsilon }) => {
    const count = x.data.length / x.shape[1];
    const mean = channelSums(x, (i) => x.data[i]).map((sum) => sum / count);
    const variance = channelSums(x, (i, c) => (x.data[i] - mean[c]) ** 2).map((sum) => sum / count);
    const statistics = [tensor64(scale.shape, mean), tensor64(scale.shape, variance)];
    return [normalise([x, scale, bias, ...statistics], epsilon), ...statistics];
  },
  Normalise: (inputs, { epsilon }) => [normalise(inputs, epsilon)],
  ChannelAffine: ([x, scale, bias]) => {
    const y = zeros64(x.shape);
    eachChannelElement(x.shape, (i, c) => {
      y.data[i] = x.data[i] * scale.data[c] + bias.data[c];
    });
    return [y];
  },
  ChannelBlend: ([a, scaleA, b, scaleB, bias]) => {
    const y = zeros64(a.shape);
    eachChannelElement(a.shape, (i, c) => {
      y.data[i] = a.data[i] * scaleA.data[c] + b.data[i] * scaleB.data[c] + bias.data[c];
    });
    return [y];
  },
  ChannelDot: ([a, b], _, [{ shape }]) => [
    tensor64(
      shape,
      channelSums(a, (i) => a.data[i] * b.data[i]),
    ),
  ],

  MaxPool: ([x], { kernel, stride, pad }, [{ shape }]) => {
    const y = tensor64(shape, new Float64Array(sizeOf(shape)).fill(Number.NEGATIVE_INFINITY));
    const indices = tensor64(shape, new Float64Array(sizeOf(shape)).fill(-1));
    const [, , h, w] = x.shape;
    eachPixel(shape, (at, plane, row, column) => {
      eachWindowPixel([h, w], kernel, [row * stride - pad, column * stride - pad], (r, c) => {
        const from = (plane * h + r) * w + c;
        // Strictly greater: the first of equal elements, in row-major order, keeps its place.
        if (indices.data[at] < 0 || x.data[from] > y.data[at]) {
          y.data[at] = x.data[from];
          indices.data[at] = from;
        }
      });
    });
    return [y, indices];
  },
  UpsampleNearest: ([x], { factor }, [{ shape }]) => {
    const y = zeros64(shape);
    const [, , h, w] = x.shape;
    eachPixel(shape, (at, plane, row, column) => {
      y.data[at] = x.data[(plane * h + Math.floor(row / factor)) * w + Math.floor(column / factor)];
    });
    return [y];
  },
  SumPool: ([x], { factor }, [{ shape }]) => {
    const y = zeros64(shape);
    const [, , h, w] = shape;
    eachPixel(x.shape, (at, plane, row, column) => {
      y.data[(plane * h + Math.floor(row / factor)) * w + Math.floor(column / factor)] += x.data[at];
    });
    return [y];
  },
};

/**
 * Visits every product that a convolution y = x * weight sums: the flat positions of x, of the weight and of
 * y. Taps that fall on padding are left out.
 */
function eachTap(
  x: Shape,
  weight: Shape,
  y: Shape,
  { strides, pads }: ConvGeometry,
  visit: (atX: number, atWeight: number, atY: number) => void,
): void {
  const [outChannels, inChannels, kh, kw] = weight;
  const [, , h, w] = x;
  eachPixel(y, (atY, plane, row, column) => {
    const batch = Math.floor(plane / outChannels);
    const out = plane % outChannels;
    for (let i = 0; i < inChannels; i++) {
      for (let r = 0; r < kh; r++) {
        const xRow = row * strides[0] - pads[0] + r;
        if (xRow < 0 || xRow >= h) continue;
        for (let c = 0; c < kw; c++) {
          const xColumn = column * strides[1] - pads[1] + c;
          if (xColumn < 0 || xColumn >= w) continue;
          visit(
            ((batch * inChannels + i) * h + xRow) * w + xColumn,
            ((out * inChannels + i) * kh + r) * kw + c,
            atY,
          );
        }
      }
    }
  });
}

/** Visits each pixel of [b, c, h, w]: its flat position, its plane b · channels + c, its row and column. */
function eachPixel(
  [b, c, h, w]: Shape,
  visit: (at: number, plane: number, row: number, column: number) => void,
): void {
  let at = 0;
  for (let plane = 0; plane < b * c; plane++) {
    for (let row = 0; row < h; row++) {
      for (let column = 0; column < w; column++) visit(at++, plane, row, column);
    }
  }
}

/** Visits the pixels of a kernel x kernel window that lie within [h, w], in row-major order. */
function eachWindowPixel(
  [h, w]: Shape,
  kernel: number,
  [top, left]: readonly [number, number],
  visit: (row: number, column: number) => void,
): void {
  for (let row = Math.max(top, 0); row < Math.min(top + kernel, h); row++) {
    for (let column = Math.max(left, 0); column < Math.min(left + kernel, w); column++) visit(row, column);
  }
}

/** Visits each element of [b, c, h, w] with its channel. */
function eachChannelElement([b, c, h, w]: Shape, visit: (at: number, channel: number) => void): void {
  for (let at = 0; at < b * c * h * w; at++) visit(at, Math.floor(at / (h * w)) % c);
}

function normalise(
  [x, scale, bias, mean, variance]: readonly Float64Tensor[],
  epsilon: number,
): Float64Tensor {
  const y = zeros64(x.shape);
  eachChannelElement(x.shape, (i, c) => {
    const centred = x.data[i] - mean.data[c];
    y.data[i] = (centred / Math.sqrt(variance.data[c] + epsilon)) * scale.data[c] + bias.data[c];
  });
  return y;
}

function channelSums(x: Float64Tensor, term: (at: number, channel: number) => number): Float64Array {
  const sums = new Float64Array(x.shape[1]);
  eachChannelElement(x.shape, (at, channel) => {
    sums[channel] += term(at, channel);
  });
  return sums;
}
