import { type HostTensor, hostTensor } from "../../tensor/index.js";
import type { InputSize } from "../image.js";
import type { FrameBatch } from "../loader.js";
import { drawAffine, isIdentity, type Placement } from "./affine.js";
import { movedTargets } from "./boxes.js";
import { type Draws, drawsAt, fullDrawsAt, type Place } from "./draws.js";
import { turnHue } from "./hue.js";
import { mosaicPlacements } from "./mosaic.js";
import { type AugmentOptions, augments } from "./options.js";
import { eraseOverlay } from "./overlay.js";
import { pack, type Picture, type Rectangle, unpack } from "./picture.js";
import { findSector } from "./sector.js";
import { eraseSectorEdge } from "./sector-edge.js";
import { changeTissue } from "./tissue.js";
import { warp } from "./warp.js";

/** Grey of the letterbox, and of whatever lies outside a moved image. */
const padValue = 114;

/**
 * An augmented copy of a batch: images, boxes and views; the batch itself where nothing is switched on.
 * First the pixels of each image are changed where they lie, then the image is moved, or set into a mosaic
 * with three others of the batch.
 *
 * What happens to an image follows from `seed`, `epoch` and its place in the epoch alone, so it is the same
 * however the images were loaded; a mosaic takes its other three images from the batch, as changed there.
 *
 * An image that is left out of the detection loss never takes part in a mosaic: nobody looked for boxes in
 * it, so the mosaic could not be trained on, and by itself it still has its view.
 * @param place with `first`: place of the batch's first image in the epoch
 */
export function augmentBatch(batch: FrameBatch, options: AugmentOptions, place: Place): FrameBatch {
  return augmentWith(batch, options, (image) => drawsAt({ ...place, first: place.first + image }));
}

/** `augmentBatch` with every augmentation at its full strength in every image, to be looked at. */
export function augmentBatchFully(batch: FrameBatch, options: AugmentOptions, place: Place): FrameBatch {
  return augmentWith(batch, options, (image) => fullDrawsAt({ ...place, first: place.first + image }));
}

function augmentWith(
  batch: FrameBatch,
  options: AugmentOptions,
  drawsOf: (image: number) => Draws,
): FrameBatch {
  if (!augments(options)) return batch;
  const [count, channels, height, width] = batch.images.shape;
  const size = { width, height };
  const plane = channels * height * width;
  const pictures = batch.letterboxes.map((letterbox, image) => {
    const picture = pack(batch.images.data.subarray(image * plane, (image + 1) * plane), letterbox);
    changePixels(picture, boxesOf(batch, image, size), options, drawsOf(image));
    return picture;
  });
  const data = new Uint8Array(batch.images.data.length);
  const targets: number[] = [];
  const views = batch.views.slice();
  const labelled = Array.from({ length: count }, (_, i) => i).filter((i) => batch.detectionMask[i] === 1);
  for (let image = 0; image < count; image++) {
    const draws = drawsOf(image);
    const mosaic = batch.detectionMask[image] === 1 && draws.happens("mosaic", options.mosaic);
    if (mosaic) views[image] = -1;
    const placements = mosaic
      ? mosaicPlacements(image, labelled, draws.random("mosaic-layout"), size)
      : [
          {
            image,
            affine: drawAffine(options, draws, size),
            region: { x1: 0, y1: 0, x2: width, y2: height },
          },
        ];
    place(pictures, placements, data.subarray(image * plane, (image + 1) * plane));
    for (const placement of placements) targets.push(...movedTargets(batch.targets, image, placement, size));
  }
  const images: HostTensor<"uint8"> = hostTensor("uint8", batch.images.shape, data);
  return { ...batch, images, targets: Float32Array.from(targets), views };
}

/** Everything that changes pixels and moves none, in place. */
function changePixels(
  picture: Picture,
  boxes: readonly Rectangle[],
  options: AugmentOptions,
  draws: Draws,
): void {
  const overlay = draws.happens("overlay", options.overlay);
  const sector = overlay || options.sectorEdge > 0 ? findSector(picture) : null;
  changeTissue(picture, options, draws);
  if (sector !== null) {
    if (overlay) eraseOverlay(picture, sector, boxes);
    if (options.sectorEdge > 0)
      eraseSectorEdge(picture, sector, { strength: options.sectorEdge, boxes, draws });
  }
  turnHue(picture, options.unsafe.hue > 0 ? options.unsafe.hue * draws.signed("hue") : 0);
}

/** Draws pictures at their places into a planar image. */
function place(pictures: readonly Picture[], placements: readonly Placement[], out: Uint8Array): void {
  const [first] = placements;
  if (placements.length === 1 && isIdentity(first.affine)) {
    unpack(pictures[first.image], out);
    return;
  }
  out.fill(padValue);
  for (const placement of placements) warp(pictures[placement.image], out, placement);
}

/** The boxes of an image in pixels of the input. */
function boxesOf({ targets }: FrameBatch, image: number, { width, height }: InputSize): Rectangle[] {
  const boxes: Rectangle[] = [];
  for (let row = 0; row < targets.length; row += 6) {
    if (targets[row] !== image) continue;
    const [, , cx, cy, w, h] = targets.subarray(row, row + 6);
    const x = [(cx - w / 2) * width, (cx + w / 2) * width];
    const y = [(cy - h / 2) * height, (cy + h / 2) * height];
    boxes.push({ x1: x[0], y1: y[0], x2: x[1], y2: y[1] });
  }
  return boxes;
}
