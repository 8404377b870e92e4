import { type HostTensor, hostTensor, type RandomStream, randomStream } from "../tensor/index.js";
import type { Letterbox } from "./image.js";
import type { FrameBatch } from "./loader.js";

/**
 * Augmentation that keeps the diagnosis. There is no flip and no change of hue: in colour Doppler the
 * image's sides are anatomy and the colour is the direction of flow. All strengths are 0 by default.
 */
export interface AugmentOptions {
  /** Largest change of scale s: each image is scaled by a factor between 1 - s and 1 + s. */
  readonly scale: number;
  /** Largest shift, as a share of the input's width and height. */
  readonly translate: number;
  /** Largest change of the grey tissue's brightness g: a factor between 1 - g and 1 + g; colours stay. */
  readonly gain: number;
  /** Share of images that become a mosaic of four; a mosaic has no view. */
  readonly mosaic: number;
}

/** Grey of the letterbox, and of whatever lies outside a moved image. */
const padValue = 114;
/** A pixel counts as grey tissue, not as flow, while its channels differ by less than this. */
const greySpread = 24;
/** A box of which less than this share is left in the picture is dropped. */
const leastVisible = 0.2;

/** Where an image goes: destination = source · scale + offset, inside a rectangle of the destination. */
interface Placement {
  readonly image: number;
  readonly scale: number;
  readonly offsetX: number;
  readonly offsetY: number;
  readonly region: readonly [x1: number, y1: number, x2: number, y2: number];
}

/** Whether any augmentation is switched on. */
export function augments(options: AugmentOptions): boolean {
  return Object.values(options).some((strength) => strength > 0);
}

/**
 * An augmented copy of a batch: images, boxes and views; the batch itself where nothing is switched on.
 * Each image's changes follow from `seed`, `epoch` and its place in the epoch alone, so they are the same
 * however the images were loaded; a mosaic takes its other three images from the batch.
 *
 * An image that is left out of the detection loss never takes part in a mosaic: nobody looked for boxes in
 * it, so the mosaic could not be trained on, and by itself it still has its view.
 * @param first place of the batch's first image in the epoch
 */
export function augmentBatch(
  batch: FrameBatch,
  options: AugmentOptions,
  { seed, epoch, first }: { readonly seed: number; readonly epoch: number; readonly first: number },
): FrameBatch {
  if (!augments(options)) return batch;
  const [count, channels, height, width] = batch.images.shape;
  const images = new Uint8Array(batch.images.data.length).fill(padValue);
  const targets: number[] = [];
  const views = batch.views.slice();
  const plane = channels * height * width;
  const labelled = Array.from({ length: count }, (_, i) => i).filter((i) => batch.detectionMask[i] === 1);
  for (let i = 0; i < count; i++) {
    const random = randomStream(seed, "augment", epoch, first + i);
    const mosaic = random.uniform() < options.mosaic && batch.detectionMask[i] === 1;
    if (mosaic) views[i] = -1;
    const placements = mosaic
      ? mosaicPlacements(i, labelled, random, { width, height })
      : [movedPlacement(i, options, random, { width, height })];
    const out = images.subarray(i * plane, (i + 1) * plane);
    for (const placement of placements) {
      const source = batch.images.data.subarray(placement.image * plane, (placement.image + 1) * plane);
      const gain = 1 + options.gain * random.uniform(-1, 1);
      warp(source, out, placement, { width, height });
      brighten(out, gain, placement, batch.letterboxes[placement.image]);
      targets.push(...movedTargets(batch.targets, i, placement, { width, height }));
    }
  }
  const shaped: HostTensor<"uint8"> = hostTensor("uint8", batch.images.shape, images);
  return { ...batch, images: shaped, targets: Float32Array.from(targets), views };
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Scales about the centre, then shifts. */
function movedPlacement(
  image: number,
  options: AugmentOptions,
  random: RandomStream,
  { width, height }: Size,
): Placement {
  const scale = 1 + options.scale * random.uniform(-1, 1);
  const shift = (length: number) => length * ((1 - scale) / 2 + options.translate * random.uniform(-1, 1));
  return { image, scale, offsetX: shift(width), offsetY: shift(height), region: [0, 0, width, height] };
}

/** The image and three others around a random point, each with one corner there. */
function mosaicPlacements(
  image: number,
  others: readonly number[],
  random: RandomStream,
  { width, height }: Size,
): Placement[] {
  const x = Math.round(width * random.uniform(0.3, 0.7));
  const y = Math.round(height * random.uniform(0.3, 0.7));
  const quarters = [
    { left: true, top: true },
    { left: false, top: true },
    { left: true, top: false },
    { left: false, top: false },
  ];
  return quarters.map(({ left, top }, quarter) => {
    const scale = random.uniform(0.5, 1);
    return {
      image: quarter === 0 ? image : others[random.integer(others.length)],
      scale,
      offsetX: left ? x - width * scale : x,
      offsetY: top ? y - height * scale : y,
      region: [left ? 0 : x, top ? 0 : y, left ? x : width, top ? y : height],
    };
  });
}

/** Bilinear resampling at pixel centres of the part of the source that the placement shows. */
function warp(source: Uint8Array, out: Uint8Array, placement: Placement, { width, height }: Size): void {
  const { scale, offsetX, offsetY, region } = placement;
  const [x1, y1, x2, y2] = region;
  const columns = samples(pixelsBetween(0, width, scale, offsetX, x1, x2), offsetX, scale, width);
  const rows = samples(pixelsBetween(0, height, scale, offsetY, y1, y2), offsetY, scale, height);
  const plane = width * height;
  for (let base = 0; base < 3 * plane; base += plane) {
    for (let j = 0; j < rows.low.length; j++) {
      const top = base + rows.low[j] * width;
      const bottom = base + rows.high[j] * width;
      const down = rows.share[j];
      let to = base + (rows.start + j) * width + columns.start;
      for (let i = 0; i < columns.low.length; i++) {
        const left = columns.low[i];
        const right = columns.high[i];
        const across = columns.share[i];
        const a = source[top + left] * (1 - across) + source[top + right] * across;
        const b = source[bottom + left] * (1 - across) + source[bottom + right] * across;
        out[to++] = a * (1 - down) + b * down + 0.5;
      }
    }
  }
}

/** Changes the brightness of the grey pixels of a placed image, its letterbox's padding left out. */
function brighten(out: Uint8Array, gain: number, placement: Placement, letterbox: Letterbox): void {
  if (gain === 1) return;
  const { scale, offsetX, offsetY, region } = placement;
  const { width, height, padX, padY, newWidth, newHeight } = letterbox;
  const across = pixelsBetween(padX, padX + newWidth, scale, offsetX, region[0], region[2]);
  const down = pixelsBetween(padY, padY + newHeight, scale, offsetY, region[1], region[3]);
  const plane = width * height;
  const brightened = Uint8Array.from({ length: 256 }, (_, value) => Math.min(255, value * gain + 0.5));
  for (let y = down.start; y < down.end; y++) {
    for (let at = y * width + across.start; at < y * width + across.end; at++) {
      const red = out[at];
      const green = out[at + plane];
      const blue = out[at + 2 * plane];
      if (Math.max(red, green, blue) - Math.min(red, green, blue) >= greySpread) continue;
      out[at] = brightened[red];
      out[at + plane] = brightened[green];
      out[at + 2 * plane] = brightened[blue];
    }
  }
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** The destination pixels, from low to high, whose centres show the source's axis between two coordinates. */
function pixelsBetween(
  from: number,
  to: number,
  scale: number,
  offset: number,
  low: number,
  high: number,
): Span {
  const start = Math.max(Math.ceil(from * scale + offset - 0.5), low);
  return { start, end: Math.max(Math.min(Math.ceil(to * scale + offset - 0.5), high), start) };
}

/** For each destination pixel from `start` on: the two source pixels it lies between, the second one's share. */
interface Samples {
  readonly start: number;
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly share: Float64Array;
}

function samples({ start, end }: Span, offset: number, scale: number, length: number): Samples {
  const low = new Int32Array(end - start);
  const high = new Int32Array(end - start);
  const share = new Float64Array(end - start);
  for (let i = 0; i < end - start; i++) {
    const at = (start + i + 0.5 - offset) / scale - 0.5;
    const floor = Math.floor(at);
    low[i] = Math.max(floor, 0);
    high[i] = Math.min(floor + 1, length - 1);
    share[i] = at - floor;
  }
  return { start, low, high, share };
}

/** Rows [image, class, cx, cy, w, h] of the placed image's boxes, clipped to what is seen of it. */
function movedTargets(
  targets: Float32Array,
  image: number,
  { image: source, scale, offsetX, offsetY, region }: Placement,
  { width, height }: Size,
): number[] {
  const moved: number[] = [];
  const [x1, y1, x2, y2] = region;
  for (let row = 0; row < targets.length; row += 6) {
    if (targets[row] !== source) continue;
    const [, classIndex, cx, cy, w, h] = targets.subarray(row, row + 6);
    const across = movedSide(cx, w, { length: width, scale, offset: offsetX, low: x1, high: x2 });
    const down = movedSide(cy, h, { length: height, scale, offset: offsetY, low: y1, high: y2 });
    if (!(across.visible * down.visible >= leastVisible)) continue;
    moved.push(image, classIndex, across.centre, down.centre, across.size, down.size);
  }
  return moved;
}

/** One side of a box, as shares of the axis, moved and clipped; `visible` is the share of it that is left. */
function movedSide(
  centre: number,
  size: number,
  axis: { length: number; scale: number; offset: number; low: number; high: number },
): { centre: number; size: number; visible: number } {
  const { length, scale, offset, low, high } = axis;
  // A label may reach over the edge of its image; there is nothing to see there.
  const start = Math.max(centre - size / 2, 0) * length * scale + offset;
  const end = Math.min(centre + size / 2, 1) * length * scale + offset;
  const [from, to] = [Math.max(start, low), Math.min(end, high)];
  const left = Math.max(to - from, 0);
  return { centre: (from + to) / 2 / length, size: left / length, visible: left / (end - start) };
}
