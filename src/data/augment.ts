import { type HostTensor, hostTensor, type RandomStream, randomStream } from "../tensor/index.js";
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
 * An augmented copy of a batch: images, boxes and views. Each image's changes follow from `seed`,
 * `epoch` and its place in the epoch alone, so they are the same however the images were loaded.
 * @param first place of the batch's first image in the epoch
 */
export function augmentBatch(
  batch: FrameBatch,
  options: AugmentOptions,
  { seed, epoch, first }: { readonly seed: number; readonly epoch: number; readonly first: number },
): FrameBatch {
  const [count, channels, height, width] = batch.images.shape;
  const images = new Uint8Array(batch.images.data.length).fill(padValue);
  const targets: number[] = [];
  const views = batch.views.slice();
  const plane = channels * height * width;
  for (let i = 0; i < count; i++) {
    const random = randomStream(seed, "augment", epoch, first + i);
    const mosaic = random.uniform() < options.mosaic;
    if (mosaic) views[i] = -1;
    const placements = mosaic
      ? mosaicPlacements(i, count, random, { width, height })
      : [movedPlacement(i, options, random, { width, height })];
    const out = images.subarray(i * plane, (i + 1) * plane);
    for (const placement of placements) {
      const source = batch.images.data.subarray(placement.image * plane, (placement.image + 1) * plane);
      const gain = 1 + options.gain * random.uniform(-1, 1);
      warp(source, out, { width, height, placement, gain });
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

/** Four images of the batch around a random point, each with one corner there. */
function mosaicPlacements(
  image: number,
  count: number,
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
      image: quarter === 0 ? image : random.integer(count),
      scale,
      offsetX: left ? x - width * scale : x,
      offsetY: top ? y - height * scale : y,
      region: [left ? 0 : x, top ? 0 : y, left ? x : width, top ? y : height],
    };
  });
}

/** Bilinear resampling at pixel centres of the part of the source that the placement shows. */
function warp(
  source: Uint8Array,
  out: Uint8Array,
  { width, height, placement, gain }: Size & { readonly placement: Placement; readonly gain: number },
): void {
  const [x1, y1, x2, y2] = placement.region;
  const columns = samples(x1, x2, placement.offsetX, placement.scale, width);
  const rows = samples(y1, y2, placement.offsetY, placement.scale, height);
  const plane = width * height;
  for (let y = y1; y < y2; y++) {
    const row = rows.low[y - y1];
    if (row < 0) continue;
    const [top, bottom, fy] = [row * width, rows.high[y - y1] * width, rows.share[y - y1]];
    for (let x = x1; x < x2; x++) {
      const left = columns.low[x - x1];
      if (left < 0) continue;
      const right = columns.high[x - x1];
      const fx = columns.share[x - x1];
      const at = y * width + x;
      let [low, high] = [255, 0];
      for (let channel = 0, base = 0; channel < 3; channel++, base += plane) {
        const a = source[base + top + left] * (1 - fx) + source[base + top + right] * fx;
        const b = source[base + bottom + left] * (1 - fx) + source[base + bottom + right] * fx;
        const value = a * (1 - fy) + b * fy;
        out[base + at] = value + 0.5;
        if (value < low) low = value;
        if (value > high) high = value;
      }
      if (gain !== 1 && high - low < greySpread) {
        for (let base = at; base < 3 * plane; base += plane)
          out[base] = Math.min(255, out[base] * gain + 0.5);
      }
    }
  }
}

/** For each destination pixel of an axis: the two source pixels it lies between and the second one's share; -1 outside. */
function samples(start: number, end: number, offset: number, scale: number, length: number) {
  const low = new Int32Array(end - start);
  const high = new Int32Array(end - start);
  const share = new Float64Array(end - start);
  for (let i = start; i < end; i++) {
    const at = (i + 0.5 - offset) / scale - 0.5;
    const floor = Math.floor(at);
    const outside = at < -0.5 || at > length - 0.5;
    low[i - start] = outside ? -1 : Math.max(floor, 0);
    high[i - start] = Math.min(floor + 1, length - 1);
    share[i - start] = at - floor;
  }
  return { low, high, share };
}

/** Rows [image, class, cx, cy, w, h] of the placed image's boxes, clipped to its region. */
function movedTargets(
  targets: Float32Array,
  image: number,
  placement: Placement,
  { width, height }: Size,
): number[] {
  const moved: number[] = [];
  const [x1, y1, x2, y2] = placement.region;
  for (let row = 0; row < targets.length; row += 6) {
    if (targets[row] !== placement.image) continue;
    const [, classIndex, cx, cy, w, h] = targets.subarray(row, row + 6);
    const across = clipped(cx * width, w * width, placement.scale, placement.offsetX, x1, x2);
    const down = clipped(cy * height, h * height, placement.scale, placement.offsetY, y1, y2);
    const visible = (across.length * down.length) / (w * width * h * height * placement.scale ** 2);
    if (!(visible >= leastVisible)) continue;
    moved.push(
      image,
      classIndex,
      across.centre / width,
      down.centre / height,
      across.length / width,
      down.length / height,
    );
  }
  return moved;
}

function clipped(centre: number, length: number, scale: number, offset: number, low: number, high: number) {
  const start = Math.max((centre - length / 2) * scale + offset, low);
  const end = Math.min((centre + length / 2) * scale + offset, high);
  return { centre: (start + end) / 2, length: Math.max(end - start, 0) };
}
